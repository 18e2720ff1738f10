package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
)

// shreds takes a few bytes of each write at a time, as a slow pipe does.
type shreds struct{ bytes.Buffer }

func (s *shreds) Write(p []byte) (int, error) {
	for _, b := range p {
		s.WriteByte(b)
	}
	return len(p), nil
}

func TestOutputLinesAreWhole(t *testing.T) {
	var text shreds
	out := newOutput(&text, io.Discard, true, func(err error) { t.Errorf("failed: %v", err) })
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 200 {
				out.put(t.Context(), messageEvent{head: now("message"), Text: "<&>\n" + strings.Repeat("x", 300)})
			}
		})
	}
	writers.Wait()
	out.finish()
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if len(lines) != 8*200 {
		t.Fatalf("%d lines, wanted %d", len(lines), 8*200)
	}
	for _, line := range lines {
		var e struct{ Event, Text, T string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Event != "message" || !strings.Contains(line, "<&>") {
			t.Fatalf("%s: %v", line, err)
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", e.T); err != nil {
			t.Fatal(err)
		}
	}
}

// stuck never finishes a write.
type stuck struct{ release chan struct{} }

func (s stuck) Write([]byte) (int, error) { <-s.release; return 0, io.ErrClosedPipe }

func TestOutputWithoutReader(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		failed := make(chan error, 2)
		r, w := io.Pipe()
		_ = r.Close()
		out := newOutput(w, io.Discard, true, func(err error) { failed <- err })
		for range 3 * outputQueue { // more than fit the queue: nobody gets stuck
			out.put(t.Context(), syncedEvent{})
		}
		out.finish()
		if err := <-failed; !errors.Is(err, errOutputClosed) || len(failed) != 0 {
			t.Fatalf("%v, and %d more", err, len(failed))
		}
	})
	t.Run("stuck", func(t *testing.T) {
		bubble.Run(t, func(t *testing.T) {
			s := stuck{make(chan struct{})}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out := newOutput(s, io.Discard, true, func(error) {})
			for range 3 * outputQueue {
				out.put(ctx, syncedEvent{})
			}
			if ctx.Err() == nil {
				t.Error("put didn't wait for the reader")
			}
			begin := time.Now()
			out.finish()
			if took := time.Since(begin); took != flushTimeout {
				t.Errorf("finish took %v, wanted %v", took, flushTimeout)
			}
			close(s.release)
			<-out.done
		})
	})
}

func TestPlainOutputObeysNobody(t *testing.T) {
	var out, notices bytes.Buffer
	o := newOutput(&out, &notices, false, func(err error) { t.Errorf("failed: %v", err) })
	o.put(t.Context(), messageEvent{Channel: "a", User: "eve", Text: "x\x1b[2J\ny\u202ez"})
	o.put(t.Context(), errorEvent{Message: "bad\x07"})
	o.put(t.Context(), queuedEvent{ID: "nobody needs to know"})
	o.finish()
	if got := out.String(); !strings.HasSuffix(got, " [a] eve: x\\x1b[2J\\ny\\u202ez\n") {
		t.Errorf("result is %q", got)
	}
	if got := notices.String(); got != "chatsdk: bad\\x07\n" {
		t.Errorf("notice is %q", got)
	}
}

func TestDiskIsTold(t *testing.T) {
	for want, err := range map[string]error{
		`{"ok":true}`: nil, `{"ok":false,"message":"no space"}`: errors.New("no space"),
	} {
		e := diskOf(outbox.StoreChange{Err: err})
		got, failed := json.Marshal(struct {
			OK      bool   `json:"ok"`
			Message string `json:"message,omitempty"`
		}{e.OK, e.Message})
		if line, notice := e.plain(); failed != nil || string(got) != want || e.Event != "disk" || line == "" || !notice {
			t.Errorf("%+v, want %s", e, want)
		}
	}
}

func TestOutcomeFollowsQueued(t *testing.T) {
	o := newOrder(inbox.Processed)
	sent := func(id string) outbox.Change {
		return outbox.Change{Entry: outbox.Entry{ID: id, Seq: 1}, From: outbox.Sending, To: outbox.Sent}
	}
	o.begin()
	if _, due := o.moved(sent("fast")); due {
		t.Error("an outcome was due before its queued")
	}
	if due := o.queued("fast"); len(due) != 1 || due[0].Entry.Seq != 1 {
		t.Errorf("the outcome that was held wasn't due after queued: %v", due)
	}
	o.begin()
	if due := o.queued("slow"); len(due) != 0 {
		t.Errorf("an outcome was due that nobody knows: %v", due)
	}
	if _, due := o.moved(outbox.Change{Entry: outbox.Entry{ID: "slow"}, To: outbox.Sending}); due {
		t.Error("sending was taken for an outcome")
	}
	if _, due := o.moved(sent("slow")); !due {
		t.Error("an outcome after queued wasn't due")
	}
	if len(o.held)+len(o.announced) != 0 {
		t.Errorf("left behind: %v %v", o.held, o.announced)
	}
}

// TestOutcomesOfWhatOthersQueuedAreTold has entries that no send of this run made, beside sends and without.
func TestOutcomesOfWhatOthersQueuedAreTold(t *testing.T) {
	o := newOrder(inbox.Processed)
	change := func(id string, to outbox.State, reason string) outbox.Change {
		return outbox.Change{Entry: outbox.Entry{ID: id, Order: uint64(len(id))}, To: to, Reason: reason}
	}
	if _, due := o.moved(change("handed", outbox.Queued, outbox.ReasonEnqueued)); due {
		t.Error("being queued was taken for an outcome")
	}
	for _, to := range []outbox.State{outbox.Sent, outbox.Parked, outbox.Cancelled, outbox.Expired} {
		if _, due := o.moved(change("handed", to, "")); !due {
			t.Errorf("%v of an entry that was handed over isn't told", to)
		}
	}
	_, _ = o.moved(change("retried", outbox.Queued, outbox.ReasonRetry))
	o.begin()
	if _, due := o.moved(change("retried", outbox.Parked, "forbidden")); !due {
		t.Error("the outcome of a retry waits for a send that has nothing to do with it")
	}
	for _, id := range []string{"handed", "own", "another"} {
		if _, due := o.moved(change(id, outbox.Sent, "")); due {
			t.Errorf("%s was told, and may be what is being sent", id)
		}
	}
	var ids []string
	for _, c := range o.queued("own") {
		ids = append(ids, c.Entry.ID)
	}
	if got := strings.Join(ids, " "); got != "own handed another" {
		t.Errorf("after a send: %q", got)
	}
	o.begin()
	_, _ = o.moved(change("handed", outbox.Sent, ""))
	if due := o.queued(""); len(due) != 1 {
		t.Errorf("after a send that failed: %v", due)
	}
	if len(o.held)+len(o.announced) != 0 {
		t.Errorf("left behind: %v %v", o.held, o.announced)
	}
}

func TestSyncedFollowsItsMessagesAndState(t *testing.T) {
	synced := inbox.Change{Channel: "a", Synced: true, Top: 2}
	o := newOrder(inbox.Processed)
	if o.caughtUp(synced, 0) {
		t.Error("synced before the connection was told")
	}
	if due := o.state(true); len(due) != 0 {
		t.Error("synced before the messages were shown")
	}
	if o.shown("a", 1) || !o.shown("a", 2) || o.shown("a", 3) {
		t.Error("synced isn't due exactly after message 2")
	}
	if !o.caughtUp(synced, 0) {
		t.Error("synced isn't due though all is shown")
	}
	o.state(false)
	if o.caughtUp(synced, 0) {
		t.Error("synced while the last state is another")
	}
	if due := o.state(true); len(due) != 1 || due[0] != "a" {
		t.Errorf("due with the connection: %v", due)
	}
	if o = newOrder(inbox.Now); o.state(true) != nil || !o.caughtUp(synced, 0) {
		t.Error("from now on, what was there before is never shown, so synced is due at once")
	}
	if o = newOrder(inbox.Processed); o.state(true) != nil || o.caughtUp(synced, 1) || !o.caughtUp(synced, 2) {
		t.Error("what an earlier run is done with isn't waited for")
	}
}
