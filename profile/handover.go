package profile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/outbox"
)

// A process that finds the profile held by another leaves what it wants done in a folder beside the database, one file
// for each thing. A file has its name only once it is whole and on disk; the holder removes it after the transaction that
// did what it says. Ended in between, it does it again, which changes nothing: the entry has its id already.
const (
	handoverName  = "handover"
	handoverEnd   = ".json"
	handoverBytes = 1 << 20 // bounds what is read of a file; an entry is far smaller
)

// handover is a file's content.
type handover struct {
	Schema      int             `json:"schema"`
	Op          outbox.HandOp   `json:"op"`
	ID          string          `json:"id"`
	Account     string          `json:"account,omitempty"`
	Channel     string          `json:"channel,omitempty"`
	Text        string          `json:"text,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	After       []string        `json:"after,omitempty"`
	ExpiresInMS int64           `json:"expiresInMs,omitempty"`
}

func (h handover) entry() outbox.Entry {
	return outbox.Entry{
		ID: h.ID, Account: h.Account, Channel: h.Channel, Text: h.Text, Attachments: h.Attachments, After: h.After,
		ExpiresIn: time.Duration(h.ExpiresInMS) * time.Millisecond,
	}
}

const handoverSchema = 1

// HandOver asks the process that holds the profile in dir to do something with its queue, and returns the entry with its
// id. It returns once that is on disk: the holder does it within a second, or the next one when it opens the profile.
// What the holder finds wrong with it shows in its log alone, so the entry has to be right: see outbox.Check. It has no
// Needs: nobody here could bring them.
func HandOver(dir string, op outbox.HandOp, e outbox.Entry) (outbox.Entry, error) {
	if e.ID == "" && op == outbox.HandSend {
		id, err := uuid.NewV7()
		if err != nil {
			return e, fmt.Errorf("make id: %w", err)
		}
		e.ID = id.String()
	}
	text, err := json.Marshal(handover{
		Schema: handoverSchema, Op: op, ID: e.ID, Account: e.Account, Channel: e.Channel, Text: e.Text,
		Attachments: e.Attachments, After: e.After, ExpiresInMS: e.ExpiresIn.Milliseconds(),
	})
	if err != nil {
		return e, fmt.Errorf("hand over: %w", err)
	}
	folder := filepath.Join(dir, handoverName)
	if err := makeFolder(folder); err != nil {
		return e, folderError(folder, err)
	}
	name, err := uuid.NewV7() // in the order of time
	if err != nil {
		return e, fmt.Errorf("hand over: %w", err)
	}
	if err := writeWhole(folder, name.String()+handoverEnd, text); err != nil {
		return e, folderError(folder, err)
	}
	return e, nil
}

// writeWhole makes a file that is there whole or not at all, whatever happens.
func writeWhole(folder, name string, text []byte) error {
	f, err := os.CreateTemp(folder, name+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(folder)
}

// Handed returns what other processes handed over. A file that can't be read as such gets the end .bad, and stays.
func (s *outboxStore) Handed(ctx context.Context, limit int) ([]outbox.Handed, error) {
	if s.p.opts.VFS != "" || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	folder := filepath.Join(s.p.dir, handoverName)
	files, err := os.ReadDir(folder) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, folderError(folder, err)
	}
	var out []outbox.Handed
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), handoverEnd) || len(out) == limit {
			continue
		}
		h, err := readHandover(filepath.Join(folder, f.Name()))
		if err != nil {
			path := filepath.Join(folder, f.Name())
			if err := os.Rename(path, path+".bad"); err != nil {
				return out, folderError(folder, err)
			}
			continue
		}
		out = append(out, outbox.Handed{Key: f.Name(), Op: h.Op, Entry: h.entry()})
	}
	return out, nil
}

func readHandover(path string) (handover, error) {
	var h handover
	info, err := os.Stat(path)
	if err != nil {
		return h, err
	}
	if info.Size() > handoverBytes {
		return h, errors.New("too large")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, err
	}
	if h.Schema != handoverSchema {
		return h, fmt.Errorf("schema %d", h.Schema)
	}
	return h, nil
}

// taken removes what is done. A file that stays is done again, which changes nothing.
func (s *outboxStore) taken(keys []string) error {
	for _, key := range keys {
		if err := os.Remove(filepath.Join(s.p.dir, handoverName, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return folderError(s.p.dir, err)
		}
	}
	return nil
}
