package storetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/server"
)

func pages(t *testing.T, s server.Store) {
	for i := range 10 {
		e := entry("a", i, 0)
		e.Text = strings.Repeat("x", 100)
		send(t, s, "alice", "d", e)
	}
	for _, c := range []struct {
		name            string
		after           uint64
		limit, maxBytes int
		first, n        int
	}{
		{"all", 0, 100, 0, 1, 10},
		{"limit", 0, 3, 0, 1, 3},
		{"after", 7, 100, 0, 8, 3},
		{"at the end", 10, 100, 0, 0, 0},
		{"behind the end", 99, 100, 0, 0, 0},
		{"far behind the end", 1<<63 - 1, 100, 0, 0, 0},
		{"bytes", 2, 100, 450, 3, 4},
		{"at least one", 2, 100, 1, 3, 1},
	} {
		msgs, last, err := s.Messages(ctxOf(t), "a", c.after, c.limit, c.maxBytes)
		must(t, err)
		if len(msgs) != c.n || last != 10 || (c.n > 0 && msgs[0].Seq != uint64(c.first)) {
			t.Errorf("%s: %d messages from %+v, last %d", c.name, len(msgs), msgs, last)
		}
	}
}

func deviceSeqs(t *testing.T, s server.Store) {
	e := func(ch string, n int, seq uint64, age time.Duration) server.Entry {
		x := entry(ch, n, seq)
		x.Time = x.Time.Add(-age)
		return x
	}
	send(t, s, "alice", "d", e("a", 1, 1, time.Hour), e("b", 2, 1, time.Minute), e("b", 3, 2, time.Minute), e("c", 4, 0, 0))
	send(t, s, "alice", "other", e("a", 5, 1, 0))
	seqs, err := s.DeviceSeqs(ctxOf(t), "alice", "d", 10)
	must(t, err)
	if len(seqs) != 2 || seqs["a"] != 1 || seqs["b"] != 2 {
		t.Fatalf("got %v", seqs)
	}
	if seqs, err = s.DeviceSeqs(ctxOf(t), "alice", "d", 1); err != nil || len(seqs) != 1 || seqs["b"] != 2 {
		t.Fatalf("the last used one: %v, %v", seqs, err)
	}
	if seqs, err = s.DeviceSeqs(ctxOf(t), "eve", "d", 10); err != nil || len(seqs) != 0 {
		t.Fatalf("nobody's: %v, %v", seqs, err)
	}
}

func outgoing(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	waiting := func(limit int) string {
		t.Helper()
		msgs, err := s.Outgoing(ctx, limit)
		must(t, err)
		var b strings.Builder
		for _, m := range msgs {
			fmt.Fprintf(&b, "%s%d ", m.Channel, m.Seq)
		}
		return strings.TrimSpace(b.String())
	}
	if w := waiting(10); w != "" {
		t.Fatalf("an empty store has %q waiting", w)
	}
	send(t, s, "alice", "d", entry("z", 1, 0), entry("z", 2, 0))
	send(t, s, "alice", "d", entry("z", 3, 0), entry("z", 1, 0)) // a duplicate isn't published again
	if w := waiting(10); w != "z1 z2 z3" {
		t.Fatalf("waiting: %q", w)
	}
	if w := waiting(2); w != "z1 z2" {
		t.Fatalf("waiting, at most 2: %q", w)
	}
	msgs, err := s.Outgoing(ctx, 10)
	must(t, err)
	if msgs[1].Text != "text 2" || msgs[1].User != "alice" || msgs[1].ID != id(2) || msgs[1].Time.IsZero() {
		t.Fatalf("a waiting message: %+v", msgs[1])
	}
	must(t, s.Published(ctx, msgs[:1]))
	must(t, s.Published(ctx, msgs[:2]))
	must(t, s.Published(ctx, nil))
	if w := waiting(10); w != "z3" {
		t.Fatalf("after two: %q", w)
	}
	send(t, s, "alice", "d", entry("z", 4, 0))
	if w := waiting(10); w != "z3 z4" {
		t.Fatalf("after one more: %q", w)
	}
	if n := len(table(t, s, "z")); n != 4 {
		t.Fatalf("%d messages in the table", n)
	}
}

// concurrentSenders sends from many devices at once while a reader takes publications as the relay does.
func concurrentSenders(t *testing.T, s server.Store) {
	const senders, each = 8, 25
	ctx := ctxOf(t)
	done := make(chan struct{})
	var wg, reader sync.WaitGroup
	published := map[string]uint64{}
	take := func() int {
		msgs, err := s.Outgoing(ctx, 7)
		if err != nil {
			t.Errorf("outgoing: %v", err)
			return 0
		}
		for _, m := range msgs {
			if published[m.Channel]++; published[m.Channel] != m.Seq {
				t.Errorf("%s %d seen after %d", m.Channel, m.Seq, published[m.Channel]-1)
			}
		}
		if err := s.Published(ctx, msgs); err != nil {
			t.Errorf("published: %v", err)
		}
		return len(msgs)
	}
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				take()
			}
		}
	})
	for d := range senders {
		wg.Go(func() {
			for i := range each {
				batch := []server.Entry{entry("x", d*1000+i*2, uint64(i+1)), entry("y", d*1000+i*2+1, uint64(i+1))}
				if d%2 == 1 { // the other order of channels: no deadlock
					batch[0], batch[1] = batch[1], batch[0]
				}
				out, err := s.Append(ctx, "alice", fmt.Sprint("device", d), batch)
				if err != nil || out[0].Err != nil || out[1].Err != nil {
					t.Errorf("sender %d, %d: %+v, %v", d, i, out, err)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	reader.Wait()
	for !t.Failed() && take() > 0 {
	}
	for _, ch := range []string{"x", "y"} {
		msgs := table(t, s, ch)
		if len(msgs) != senders*each || published[ch] != uint64(len(msgs)) {
			t.Fatalf("%s: %d messages, %d published", ch, len(msgs), published[ch])
		}
		next := map[int]int{}
		for _, m := range msgs {
			var n int
			if _, err := fmt.Sscanf(m.Text, "text %d", &n); err != nil {
				t.Fatalf("%s: message %d is %q: %v", ch, m.Seq, m.Text, err)
			}
			if d := n / 1000; n%1000/2 != next[d] {
				t.Fatalf("%s: device %d sent %d after %d", ch, d, n%1000/2, next[d]-1)
			} else {
				next[d]++
			}
		}
	}
}

func concurrentResends(t *testing.T, s server.Store) {
	var wg sync.WaitGroup
	outs := make([]server.Outcome, 8)
	for i := range outs {
		wg.Go(func() {
			out, err := s.Append(ctxOf(t), "alice", "d", []server.Entry{entry("a", 1, 1)})
			if err != nil {
				t.Errorf("append: %v", err)
				return
			}
			outs[i] = out[0]
		})
	}
	wg.Wait()
	fresh := 0
	for _, o := range outs {
		if o.Err != nil || o.Seq != 1 {
			t.Fatalf("%+v", o)
		}
		if !o.Duplicate {
			fresh++
		}
	}
	if fresh != 1 || len(table(t, s, "a")) != 1 {
		t.Fatalf("stored %d times", fresh)
	}
}

func cancelledAppend(t *testing.T, s server.Store) {
	ctx, cancel := context.WithCancel(ctxOf(t))
	cancel()
	if _, err := s.Append(ctx, "alice", "d", []server.Entry{entry("a", 1, 1), entry("a", 2, 2)}); err == nil {
		t.Fatal("no error")
	}
	if len(table(t, s, "a")) != 0 {
		t.Fatal("something was stored")
	}
	if msgs, err := s.Outgoing(ctxOf(t), 10); err != nil || len(msgs) != 0 {
		t.Fatalf("waiting to be published: %+v, %v", msgs, err)
	}
	if o := send(t, s, "alice", "d", entry("a", 1, 1))[0]; o.Err != nil || o.Seq != 1 {
		t.Fatalf("after it: %+v", o)
	}
}

func roundTrip(t *testing.T, s server.Store) {
	e := entry("a", 1, 0)
	e.Text = "äöü \U0001F600 ' \" \\ % \n\t ; --"
	e.Attachments = []byte(`[{"k":"ü","n":1.50}]`)
	o := send(t, s, "alice", "d", e)[0]
	if !o.Time.Equal(e.Time) || o.Time.Location() != time.UTC {
		t.Fatalf("time %v, want %v", o.Time, e.Time)
	}
	m := table(t, s, "a")[0]
	if m.Text != e.Text || !bytes.Equal(m.Attachments, e.Attachments) || m.User != "alice" || m.ID != e.ID ||
		!m.Time.Equal(e.Time) || m.Time.Location() != time.UTC {
		t.Fatalf("got %+v, want %+v", m, e)
	}
	plain := entry("a", 2, 0)
	send(t, s, "alice", "d", plain)
	if m := table(t, s, "a")[1]; m.Attachments != nil {
		t.Fatalf("attachments %q out of nothing", m.Attachments)
	}
}
