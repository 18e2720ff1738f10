package scenario

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

// program is the present life, or errDown.
func (d *Device) program() (*life, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life == nil {
		return nil, errDown
	}
	return d.life, nil
}

// upload hands a file to the program. When it fails, nobody knows whether the file was taken.
func (d *Device) upload(ctx context.Context, r upload.Request) (upload.Upload, error) {
	l, err := d.program()
	if err != nil {
		return upload.Upload{}, err
	}
	return l.chat.Upload(ctx, r)
}

// uploads are those that the program knows.
func (d *Device) uploads(ctx context.Context) ([]upload.Upload, error) {
	l, err := d.program()
	if err != nil {
		return nil, err
	}
	return l.chat.Uploads(ctx)
}

// sendFiles is Send with files.
func (d *Device) sendFiles(ctx context.Context, id, text string, files ...chatsdk.File) error {
	l, err := d.program()
	if err != nil {
		return err
	}
	if id == "" {
		id = uuid.NewString()
	}
	l.run.Offered(Channel, id, text)
	e, err := l.chat.SendFiles(ctx, outbox.Entry{ID: id, Channel: Channel, Text: text}, files...)
	if err != nil {
		return fmt.Errorf("%s: send with files: %w", d.Name, err)
	}
	d.note(func() {
		if l.dead.Load() {
			return // it was stored, but nobody heard of it
		}
		l.run.Accepted(e.Channel, e.ID, e.Text, l.chat.Durable())
		d.promised[id] = struct{}{}
	})
	return nil
}

// attached are the SHA-256 of the files that the application was shown with a message.
func (d *Device) attached(id string) (sums []string, shown bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	files, shown := d.files[id]
	for _, f := range files {
		sums = append(sums, f.SHA256)
	}
	return sums, shown
}

// accepted says whether the program promised a message, and somebody heard of it.
func (d *Device) accepted(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.promised[id]
	return ok
}
