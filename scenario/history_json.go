package scenario

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// historySchema numbers the file format. It only grows: a reader ignores fields it doesn't know.
const historySchema = 1

// maxHistoryLine bounds one line of a history file, in bytes. The longest message a server takes is far shorter; a
// file without line ends must not fill the memory.
const maxHistoryLine = 4 << 20

type historyHeader struct {
	History int `json:"history"`
}

// ErrHistoryFormat is matched by every error of ReadHistory that the content caused.
var ErrHistoryFormat = errors.New("scenario: not a readable history")

// WriteTo writes the history as JSON lines, a header line first; ReadHistory reads it back. It implements
// io.WriterTo. Text that isn't UTF-8 is changed by it, as it would be on the wire.
func (h *History) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	buf := bufio.NewWriter(counted)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(historyHeader{History: historySchema}); err != nil {
		return counted.n, fmt.Errorf("write history: %w", err)
	}
	for i, e := range h.view() {
		e.At = e.At.UTC()
		if err := enc.Encode(e); err != nil {
			return counted.n, fmt.Errorf("write history: event %d: %w", i+1, err)
		}
	}
	if err := buf.Flush(); err != nil {
		return counted.n, fmt.Errorf("write history: %w", err)
	}
	return counted.n, nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// ReadHistory reads what WriteTo wrote. With an error it still returns the events before the bad line, so that a file
// cut short by a crash can be looked at; such a history must not be judged as a whole one.
func ReadHistory(r io.Reader) (*History, error) {
	h := &History{}
	br := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := readLine(br)
		if err != nil && !errors.Is(err, io.EOF) {
			return h, fmt.Errorf("history line %d: %w", n, err)
		}
		if len(line) == 0 && err != nil {
			if n == 1 {
				return h, fmt.Errorf("%w: empty", ErrHistoryFormat)
			}
			return h, nil
		}
		if bad := h.readEvent(n, line); bad != nil {
			return h, bad
		}
		if err != nil {
			return h, nil
		}
	}
}

func (h *History) readEvent(n int, line []byte) error {
	if n == 1 {
		var head historyHeader
		if err := json.Unmarshal(line, &head); err != nil || head.History != historySchema {
			return fmt.Errorf("%w: line 1 isn't {\"history\":%d}", ErrHistoryFormat, historySchema)
		}
		return nil
	}
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrHistoryFormat, n, err)
	}
	e.At = e.At.UTC()
	switch {
	case !e.Kind.known():
		return fmt.Errorf("%w: line %d: unknown event %q", ErrHistoryFormat, n, e.Kind)
	case e.Begin != "" && e.Begin != BeginProcessed && e.Begin != BeginStart && e.Begin != BeginNow:
		return fmt.Errorf("%w: line %d: unknown begin %q", ErrHistoryFormat, n, e.Begin)
	case e.Run < 0:
		return fmt.Errorf("%w: line %d: run %d", ErrHistoryFormat, n, e.Run)
	case e.At.IsZero(), !writable(e.At):
		return fmt.Errorf("%w: line %d: no usable time", ErrHistoryFormat, n)
	}
	h.Record(e)
	return nil
}

// writable says whether JSON can hold a time in UTC: one near the ends of the range can come from another zone.
func writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

// readLine returns the next line without its end. io.EOF comes with the last line, which may be empty.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxHistoryLine {
			return nil, fmt.Errorf("%w: line longer than %d bytes", ErrHistoryFormat, maxHistoryLine)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
}

// chatLine is one line that `chatsdk chat --json` prints, as far as a history needs it.
type chatLine struct {
	T       time.Time `json:"t"`
	Event   string    `json:"event"`
	Channel string    `json:"channel"`
	ID      string    `json:"id"`
	Seq     uint64    `json:"seq"`
	User    string    `json:"user"`
	Text    string    `json:"text"`
	Durable *bool     `json:"durable"`
	Replay  bool      `json:"replay"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Reason  string    `json:"reason"`
}

// Line records one line of the output of `chatsdk chat --json`, or of a program that speaks the same, so that real
// processes are judged by the same Check. At is when the line was read; if zero, the line's own time counts, which
// has only milliseconds. Events that a history doesn't hold (hello, quality, status, error, …) are left out. The
// caller records Offered for each send it writes to the process, with an id of its own: a queued line has no text.
func (r *Run) Line(at time.Time, line []byte) error {
	var l chatLine
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("scenario: line of %s: %w", r.client, err)
	}
	if at.IsZero() {
		at = l.T
	}
	if !writable(at) {
		return fmt.Errorf("scenario: line of %s: no usable time", r.client)
	}
	e := Event{At: at, Channel: l.Channel, ID: l.ID}
	switch l.Event {
	case "queued":
		e.Kind, e.NoText, e.Volatile = KindAccepted, true, l.Durable != nil && !*l.Durable
	case "sent":
		e.Kind, e.Seq = KindAcked, l.Seq
	case "parked", "cancelled", "expired":
		e.Kind, e.Reason = Kind(l.Event), l.Reason
	case "message":
		e.Kind, e.Seq, e.User, e.Text, e.Replay = KindShown, l.Seq, l.User, l.Text, l.Replay
	case "synced":
		e.Kind = KindSynced
	case "state":
		e.Kind, e.From, e.To, e.Reason = KindState, l.From, l.To, l.Reason
	case "":
		return fmt.Errorf("scenario: line of %s: no event", r.client)
	default:
		return nil
	}
	r.record(e)
	return nil
}
