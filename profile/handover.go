package profile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
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
// What the holder finds wrong with it shows in its log and is set aside, so the entry has to be right: see outbox.Check. It has no
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
	if err := writeNext(folder, text); err != nil {
		return e, folderError(folder, err)
	}
	return e, nil
}

const (
	// handoverFirst begins the names, which count on from the highest one there: a clock may be set back. Names of
	// former versions begin with a digit of a UUID, and so come first.
	handoverFirst = "n"
	// handoverLock is held while a name is chosen and given, so that no two processes give the same, or give a higher one
	// first.
	handoverLock = "lock"
	// handoverWait is how long to wait for that: others have it for as long as it takes to write a file.
	handoverWait = 10 * time.Second
	handoverPoll = 5 * time.Millisecond
)

// writeNext writes a file that comes after all that are there.
func writeNext(folder string, text []byte) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), handoverWait)
	defer cancel()
	lock := flock.New(filepath.Join(folder, handoverLock), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, handoverPoll); err != nil {
		return fmt.Errorf("wait for another one that hands over: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	names, err := handoverNames(folder, "")
	if err != nil {
		return err
	}
	highest := uint64(0)
	for _, name := range names { // refused ones too: their names are taken
		digits, _, _ := strings.Cut(strings.TrimPrefix(name, handoverFirst), ".")
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil && strings.HasPrefix(name, handoverFirst) {
			highest = max(highest, n)
		}
	}
	return writeWhole(folder, fmt.Sprintf("%s%019d%s", handoverFirst, highest+1, handoverEnd), text)
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

// refusedEnd is what the name of a file gets that the queue refused. It stays for export, and for a person to look at.
const refusedEnd = ".bad"

// errNotUnderstood is why a file can't be taken, whoever reads it however often.
var errNotUnderstood = errors.New("not understood")

// Handed returns what other processes handed over. A file that this user may not read is passed over, and stays: somebody
// else left it, and may let it be read yet. Any other failure to read says nothing about the file, and ends the list: what
// comes behind mustn't overtake it.
func (s *outboxStore) Handed(ctx context.Context, limit int) ([]outbox.Handed, error) {
	if s.p.opts.VFS != "" || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	folder := filepath.Join(s.p.dir, handoverName)
	names, err := handoverNames(folder, handoverEnd)
	if err != nil {
		return nil, folderError(folder, err)
	}
	var out []outbox.Handed
	for _, name := range names {
		if len(out) == limit {
			break
		}
		h, _, err := readHandover(filepath.Join(folder, name))
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, errNotUnderstood), err == nil:
			out = append(out, outbox.Handed{Key: name, Op: h.Op, Entry: h.entry(), Err: err})
		default:
			return out, folderError(folder, err)
		}
	}
	return out, nil
}

// handoverNames are the files with an end, in order.
func handoverNames(folder, end string) (names []string, err error) {
	files, err := os.ReadDir(folder) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), end) {
			names = append(names, f.Name())
		}
	}
	return names, nil
}

// readHandover reads a file; text is what there is of it, as far as it isn't larger than it may be.
func readHandover(path string) (h handover, text []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return h, nil, err
	}
	text, err = io.ReadAll(io.LimitReader(file, handoverBytes+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return h, nil, err
	}
	if len(text) > handoverBytes {
		return h, text[:handoverBytes], fmt.Errorf("%w: more than %d bytes", errNotUnderstood, handoverBytes)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return handover{}, text, fmt.Errorf("%w: %w", errNotUnderstood, err)
	}
	if h.Schema != handoverSchema {
		return h, text, fmt.Errorf("%w: schema %d", errNotUnderstood, h.Schema)
	}
	return h, text, nil
}

// handedAside is what was handed over and refused, or can't be read.
func (s *outboxStore) handedAside() (aside []outbox.Aside, err error) {
	if s.p.opts.VFS != "" {
		return nil, nil
	}
	folder := filepath.Join(s.p.dir, handoverName)
	names, err := handoverNames(folder, "")
	if err != nil {
		return nil, folderError(folder, err)
	}
	for _, name := range names {
		refused := strings.HasSuffix(name, refusedEnd)
		if !refused && !strings.HasSuffix(name, handoverEnd) {
			continue
		}
		h, text, err := readHandover(filepath.Join(folder, name))
		switch {
		case errors.Is(err, fs.ErrNotExist), !refused && !errors.Is(err, fs.ErrPermission):
			continue // it was taken meanwhile, or is to be taken
		case err == nil:
			if _, err = outbox.Check(h.entry()); err == nil {
				err = fmt.Errorf("op %q", h.Op)
			}
			err = fmt.Errorf("refused by the queue: %w", err)
		}
		aside = append(aside, outbox.Aside{ID: h.ID, Reason: fmt.Sprintf("handed over as %s: %v", name, err), Raw: text})
	}
	return aside, nil
}

// done removes what was taken, and gives what was refused its other name. A file that stays is done again, which changes
// nothing.
func (s *outboxStore) done(in outbox.Tx) error {
	folder := filepath.Join(s.p.dir, handoverName)
	for _, key := range in.Taken {
		if err := os.Remove(filepath.Join(folder, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return folderError(folder, err)
		}
	}
	for _, key := range in.Refused {
		path := filepath.Join(folder, key)
		if err := os.Rename(path, path+refusedEnd); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return folderError(folder, err)
		}
	}
	return nil
}
