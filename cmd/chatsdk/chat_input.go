package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
)

// maxLine bounds a line of input, its end included: the server's frame limit, beyond which nothing could be sent.
const maxLine = 64 << 10

// errLineTooLong says that a line had more than maxLine bytes. The rest of it was skipped.
var errLineTooLong = fmt.Errorf("the line has more than %d bytes", maxLine)

// lineReader reads lines of at most maxLine bytes.
type lineReader struct{ r *bufio.Reader }

func newLineReader(r io.Reader) lineReader { return lineReader{bufio.NewReaderSize(r, maxLine)} }

// next returns the next line without its end, good until the next call. After errLineTooLong reading goes on with the
// line after it; io.EOF and other errors are final. A last line without an end counts.
func (l lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, errLineTooLong
	case errors.Is(err, io.EOF) && len(line) > 0:
	case err != nil:
		return nil, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
}

// op is one line of the machine interface.
type op struct {
	Op          string            `json:"op"`
	Channel     string            `json:"channel"`
	Text        string            `json:"text"`
	ID          string            `json:"id"`
	Account     string            `json:"account"` // send: whose it is, as rescue writes it; nobody else sends it
	Attachments []json.RawMessage `json:"attachments"`
	Path        string            `json:"path"`  // upload: the file
	Files       []string          `json:"files"` // send: files that go with it
}

// files are those that a send or an upload brings.
func (o op) files() []chatsdk.File {
	var out []chatsdk.File
	if o.Path != "" {
		out = append(out, chatsdk.File{Path: o.Path})
	}
	for _, path := range o.Files {
		out = append(out, chatsdk.File{Path: path})
	}
	return out
}

// entry is the message of a send.
func (o op) entry() outbox.Entry {
	e := outbox.Entry{ID: o.ID, Channel: o.Channel, Text: o.Text}
	if len(o.Attachments) > 0 {
		e.Attachments, _ = json.Marshal(o.Attachments) // raw JSON that was read is JSON
	}
	return e
}

// opError says why a line can't be carried out, with the code of the error event. What could be read of the line stands
// beside it in the op.
type opError struct {
	code    string
	message string
}

func (e *opError) Error() string { return e.message }

// channelName is what the server takes as a channel's name.
var channelName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

const channelHint = "names are 1 to 64 of a-z, 0-9, _, . and -, beginning with a letter or digit"

// parseOp reads a line. Nothing that it doesn't know is passed over: who sends it means something by it.
func parseOp(line []byte) (op, *opError) {
	if !utf8.Valid(line) {
		return op{}, &opError{"bad_line", "the line isn't UTF-8"}
	}
	var o op
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return op{}, &opError{"bad_line", "the line isn't an object that is known here: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return op{}, &opError{"bad_line", "there is something after the object"}
	}
	switch o.Op {
	case "send", "upload":
		switch {
		case !channelName.MatchString(o.Channel):
			return o, &opError{"invalid_channel", "channel " + channelHint}
		case o.Op == "upload" && o.Path == "", slices.Contains(o.Files, ""):
			return o, &opError{"invalid_path", "path is empty"}
		case o.Op == "send" && o.Path != "":
			return o, &opError{"invalid_path", "path is for upload; send takes files"}
		case o.Text == "" && len(o.Attachments) == 0 && len(o.files()) == 0:
			return o, &opError{"invalid_text", "text is empty"}
		}
	case "cancel":
		if o.ID == "" {
			return o, &opError{"invalid_id", "id is empty"}
		}
	case "status", "quit":
	case "":
		return o, &opError{"bad_line", "there is no op"}
	default:
		return o, &opError{"unknown_op", "the ops are send, upload, cancel, status and quit"}
	}
	return o, nil
}
