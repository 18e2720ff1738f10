package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

// uploadOptions are the flags of upload.
type uploadOptions struct {
	fileOptions

	channel, text, name string
}

func newUpload() *cobra.Command {
	var o uploadOptions
	c := &cobra.Command{
		Use: "upload FILE", Short: "Upload a file, and send it to a channel", Args: cobra.ExactArgs(1),
		Long: `Upload a file, and with --channel send it there as a message, which goes out once the file is at the server and its
SHA-256 is right. The upload is in the profile before anything is sent. It goes on after drops, and where the program was
stopped the same command, or any program that signs in with the profile, goes on from the last byte that the server has.
The file has to stay as it is until then.

On a terminal it shows how far it is. With --json: "upload" with what is acknowledged, "done" at the end, and "sent".`,
	}
	o.add(c)
	f := c.Flags()
	f.StringVar(&o.channel, "channel", "", "the channel that the file is sent to; without one it is only uploaded")
	f.StringVar(&o.text, "text", "", "text of the message")
	f.StringVar(&o.name, "name", "", "what to call the file (default: its own name)")
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		u := &uploading{o: o, cmd: cmd, bar: newFileBar(cmd.ErrOrStderr())}
		return o.run(cmd, func(ctx context.Context, client *chatsdk.Client) error {
			u.client = client
			return u.take(ctx, args[0])
		}, u.run)
	})
	return c
}

func (o *uploadOptions) check() error {
	switch {
	case o.channel != "" && !channelName.MatchString(o.channel):
		return usage(fmt.Errorf("%q is no channel", o.channel), channelHint)
	case o.channel == "" && o.text != "":
		return usage(errors.New("--text needs --channel"), "")
	case !utf8.ValidString(o.text):
		return usage(errors.New("the text isn't UTF-8"), "")
	}
	return o.fileOptions.check()
}

// uploading is one run of the command.
type uploading struct {
	o       uploadOptions
	cmd     *cobra.Command
	client  *chatsdk.Client
	bar     *fileBar
	id      string // of the upload
	message string // or ""
	resumed bool   // it was told
}

// run watches the upload until it is done, or ctx ends.
func (u *uploading) run(ctx context.Context, _ *chatsdk.Client, signIn func() error) error {
	changes := u.client.WatchUploads(ctx)
	if err := signIn(); err != nil {
		return u.stopped(ctx, err)
	}
	for open := true; open; {
		now, ok, err := u.client.GetUpload(ctx, u.id)
		if err == nil && !ok {
			err = errors.New("the upload is gone")
		}
		if err != nil {
			return u.stopped(ctx, err)
		}
		u.show(now)
		if now.State.Settled() {
			return u.finish(ctx, now)
		}
		if now.State == upload.WaitingAuth && u.client.State().Session.State == token.ReauthRequired {
			return u.stopped(ctx, chatsdk.ErrSignedOut)
		}
		_, open = <-changes
	}
	return u.stopped(ctx, cmp.Or(ctx.Err(), chatsdk.ErrClosed))
}

// take finds the upload of a former run, or begins one.
func (u *uploading) take(ctx context.Context, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return failure(err, "")
	}
	all, err := u.client.Uploads(ctx)
	if err != nil {
		return failure(err, "")
	}
	name := upload.Request{Path: path, Name: u.o.name}.FileName()
	for _, old := range all {
		if (!old.State.Settled() || old.State == upload.Failed) && old.Path == path && old.Name == name && u.mine(old) {
			u.id = old.ID
			if old.State == upload.Paused {
				return u.client.ResumeUpload(ctx, u.id)
			}
			return nil
		}
	}
	if u.o.channel == "" {
		var up upload.Upload
		up, err = u.client.Upload(ctx, upload.Request{Path: path, Name: u.o.name})
		u.id = up.ID
	} else {
		var e outbox.Entry
		e, err = u.client.SendFiles(ctx, outbox.Entry{Channel: u.o.channel, Text: u.o.text}, chatsdk.File{Path: path, Name: u.o.name})
		if err == nil {
			u.message = e.ID
			u.id, _ = chatsdk.UploadOf(e.Needs[0])
		}
	}
	if err != nil {
		return takeError(err)
	}
	return nil
}

// mine says whether an upload is what this command line asks for, and remembers its message. One that has failed is, as
// long as its message is parked: it may have failed just now, when the profile was opened and the file looked at.
func (u *uploading) mine(old upload.Upload) bool {
	message, ok := chatsdk.MessageOf(old)
	if !ok {
		return u.o.channel == "" && old.Label == "" && !old.State.Settled()
	}
	e, ok := u.client.Entry(message)
	if !ok || e.State != outbox.Queued && e.State != outbox.Parked || e.Channel != u.o.channel || e.Text != u.o.text {
		return false
	}
	u.message = message
	return true
}

// takeError says why a file wasn't taken.
func takeError(err error) error {
	var invalid *upload.InvalidError
	var pathErr *os.PathError
	switch {
	case errors.Is(err, upload.ErrDisk), errors.Is(err, outbox.ErrDisk):
		return config(err, "see --profile")
	case errors.As(err, &invalid):
		return usage(err, "")
	case errors.As(err, &pathErr):
		return failure(fmt.Errorf("%s: %w", pathErr.Path, pathErr.Err), "is it a file that you may read?")
	}
	return failure(err, "")
}

// uploadLine is a line of upload --json, and what the event of chat tells too.
type uploadLine struct {
	Schema int    `json:"schema"`
	Event  string `json:"event"`
	uploadJSON
}

// uploadJSON is an upload as programs see it.
type uploadJSON struct {
	ID          string `json:"id"`
	Message     string `json:"message,omitempty"` // that it is for
	Name        string `json:"name"`
	State       string `json:"state"`
	Sent        int64  `json:"sent"` // acknowledged by the server
	Total       int64  `json:"total"`
	ResumedFrom int64  `json:"resumedFrom"`
	Done        bool   `json:"done"`
	Attachment  string `json:"attachment,omitempty"` // what download takes
	SHA256      string `json:"sha256,omitempty"`
	Error       string `json:"error,omitempty"`
}

func uploadOf(u upload.Upload) uploadJSON {
	v := uploadJSON{
		ID: u.ID, Name: u.Name, State: u.State.String(), Sent: u.Progress.Acked, Total: u.Progress.Total,
		ResumedFrom: max(u.Progress.ResumedFrom, 0), Done: u.State == upload.Done, Error: u.Err,
	}
	v.Message, _ = chatsdk.MessageOf(u)
	if a, ok := chatsdk.AttachmentOf(u); ok {
		v.Attachment, v.SHA256, v.Error = a.ID, a.SHA256, ""
	}
	return v
}

// show tells how far it is.
func (u *uploading) show(now upload.Upload) {
	if u.o.json {
		_ = printJSON(u.cmd.OutOrStdout(), uploadLine{schema, "upload", uploadOf(now)}) // the last line's error is told
		return
	}
	if from := now.Progress.ResumedFrom; from > 0 && !u.resumed {
		u.resumed = true
		u.bar.note("resumed at " + howFar(from, now.Progress.Total))
	}
	if !now.State.Settled() {
		u.bar.show(now.Progress.Acked, now.Progress.Total, now.Progress.Rate, now.Progress.Left)
	}
}

// stopped says what is left, and how to go on.
func (u *uploading) stopped(ctx context.Context, err error) error {
	u.bar.clear()
	now, ok, getErr := u.client.GetUpload(context.WithoutCancel(ctx), u.id)
	if getErr == nil && ok && !now.State.Settled() {
		u.bar.note("stopped at " + howFar(now.Progress.Acked, now.Progress.Total) + "; the same command goes on from there")
		if now.Err != "" && !errors.Is(err, context.Canceled) {
			err = errors.Join(err, errors.New(now.Err))
		}
	}
	var coded *codedError
	if errors.As(err, &coded) {
		return coded
	}
	return u.o.stopped(u.cmd.Context(), ctx, err)
}

// finish tells how it ended, and waits for its message.
func (u *uploading) finish(ctx context.Context, now upload.Upload) error {
	u.bar.clear()
	a, ok := chatsdk.AttachmentOf(now)
	switch {
	case now.State == upload.Cancelled:
		return failure(errors.New("the upload was cancelled"), "")
	case !ok:
		hint := "the same command begins anew"
		if u.message != "" && u.parked(ctx) {
			hint = "its message is parked; chatsdk outbox retry " + u.message + " tries both again"
		}
		return failure(errors.New(strings.TrimPrefix(now.Err, "upload: ")), hint)
	}
	if !u.o.json {
		line := fmt.Sprintf("uploaded %s (%s, SHA-256 %s)", a.ID, sizeText(a.Size), a.SHA256)
		if _, err := fmt.Fprintln(u.cmd.OutOrStdout(), printable(line)); err != nil {
			return err
		}
	}
	if u.message == "" {
		return nil
	}
	send := sendOptions{sessionOptions: u.o.sessionOptions, wait: u.o.wait}
	return send.waitFor(ctx, u.cmd, u.client, u.message)
}

// parkedWithin bounds the wait for the message of an upload that failed: one write to the profile.
const parkedWithin = 5 * time.Second

// parked waits until the message was told that its upload failed, and says whether it was.
func (u *uploading) parked(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, parkedWithin)
	defer cancel()
	updates := u.client.Watch(ctx)
	for open := true; open; _, open = <-updates {
		if e, ok := u.client.Entry(u.message); ok && e.State == outbox.Parked {
			return true
		}
	}
	return false
}
