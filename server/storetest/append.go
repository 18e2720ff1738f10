package storetest

import (
	"errors"
	"testing"

	"github.com/chatsdk/chatsdk/server"
)

func gap(t *testing.T, o server.Outcome, expected uint64) {
	t.Helper()
	var e *server.SeqGapError
	if !errors.As(o.Err, &e) || e.Expected != expected {
		t.Fatalf("got %+v, want a gap with %d expected", o, expected)
	}
}

func numbering(t *testing.T, s server.Store) {
	for i := range 5 {
		out := send(t, s, "alice", "d", entry("a", i, 0), entry("b", 100+i, 0))
		if out[0].Seq != uint64(i+1) || out[1].Seq != uint64(i+1) || out[0].Duplicate {
			t.Fatalf("round %d: %+v", i, out)
		}
	}
	if len(table(t, s, "a")) != 5 || len(table(t, s, "b")) != 5 || len(table(t, s, "unknown")) != 0 {
		t.Fatal("wrong number of messages")
	}
}

func sameID(t *testing.T, s server.Store) {
	e := entry("a", 1, 1)
	e.Attachments = []byte(`[{"n":1}]`)
	first := send(t, s, "alice", "d", e)[0]
	send(t, s, "alice", "d", entry("a", 2, 2))
	e.Time = e.Time.Add(1e9)
	for _, seq := range []uint64{1, 0, 9} { // whatever number it comes with
		e.DeviceSeq = seq
		again := send(t, s, "alice", "d", e)[0]
		if !again.Duplicate || again.Seq != first.Seq || !again.Time.Equal(first.Time) || again.Err != nil {
			t.Fatalf("deviceSeq %d: %+v, first %+v", seq, again, first)
		}
	}
	e.DeviceSeq = 3 // the next number: it is used up by the answer
	if o := send(t, s, "alice", "d", e)[0]; !o.Duplicate {
		t.Fatalf("with the next number: %+v", o)
	}
	if o := send(t, s, "alice", "d", entry("a", 4, 4))[0]; o.Err != nil || o.Seq != 3 {
		t.Fatalf("after it: %+v", o)
	}
	e.DeviceSeq = 0
	if o := send(t, s, "alice", "another device", e)[0]; !o.Duplicate {
		t.Fatalf("from another device: %+v", o)
	}
	if n := len(table(t, s, "a")); n != 3 {
		t.Fatalf("%d messages, want 3", n)
	}
}

func reusedID(t *testing.T, s server.Store) {
	send(t, s, "alice", "d", entry("a", 1, 0))
	text, channel, attached := entry("a", 1, 0), entry("b", 1, 0), entry("a", 1, 0)
	text.Text = "another"
	attached.Attachments = []byte(`[{}]`)
	for name, e := range map[string]server.Entry{"text": text, "channel": channel, "attachments": attached} {
		if o := send(t, s, "alice", "d", e)[0]; !errors.Is(o.Err, server.ErrIDReused) {
			t.Fatalf("another %s: %+v", name, o)
		}
	}
	if len(table(t, s, "a")) != 1 || len(table(t, s, "b")) != 0 {
		t.Fatal("something was stored")
	}
}

func idsOfUsers(t *testing.T, s server.Store) {
	send(t, s, "alice", "d", entry("a", 1, 1))
	o := send(t, s, "bob", "d", entry("a", 1, 1))[0]
	if o.Err != nil || o.Duplicate || o.Seq != 2 {
		t.Fatalf("bob's message with alice's id and device: %+v", o)
	}
}

func deviceSequence(t *testing.T, s server.Store) {
	gap(t, send(t, s, "alice", "d", entry("a", 2, 2))[0], 1)
	if o := send(t, s, "alice", "d", entry("a", 1, 1))[0]; o.Err != nil || o.Seq != 1 {
		t.Fatalf("first: %+v", o)
	}
	gap(t, send(t, s, "alice", "d", entry("a", 3, 3))[0], 2)
	if o := send(t, s, "alice", "d", entry("a", 9, 0))[0]; o.Err != nil || o.Seq != 2 {
		t.Fatalf("without a number: %+v", o)
	}
	if o := send(t, s, "alice", "d", entry("a", 2, 2))[0]; o.Err != nil || o.Seq != 3 {
		t.Fatalf("second: %+v", o)
	}
	for name, o := range map[string]server.Outcome{
		"other device":  send(t, s, "alice", "e", entry("a", 11, 1))[0],
		"other channel": send(t, s, "alice", "d", entry("b", 12, 1))[0],
		"other user":    send(t, s, "bob", "d", entry("a", 13, 1))[0],
	} {
		if o.Err != nil {
			t.Fatalf("%s counts for itself: %v", name, o.Err)
		}
	}
}

func refusedUsesNumber(t *testing.T, s server.Store) {
	refused := func(n int, seq uint64) server.Outcome {
		e := entry("a", n, seq)
		e.Refused = true
		return send(t, s, "alice", "d", e)[0]
	}
	gap(t, refused(2, 2), 1)
	if o := refused(1, 1); o.Err != nil || o.Seq != 0 {
		t.Fatalf("refused: %+v", o)
	}
	if o := refused(1, 1); o.Err != nil {
		t.Fatalf("refused again: %+v", o)
	}
	if o := send(t, s, "alice", "d", entry("a", 2, 2))[0]; o.Err != nil || o.Seq != 1 {
		t.Fatalf("after it: %+v", o)
	}
	if o := refused(5, 0); o.Err != nil {
		t.Fatalf("refused without a number: %+v", o)
	}
	if n := len(table(t, s, "a")); n != 1 {
		t.Fatalf("%d messages, want 1", n)
	}
	if seqs, err := s.DeviceSeqs(ctxOf(t), "alice", "d", 10); err != nil || seqs["a"] != 2 {
		t.Fatalf("last number %v, %v", seqs, err)
	}
}

func keptOutUsesNumber(t *testing.T, s server.Store) {
	must(t, s.AddChannel(ctxOf(t), server.Channel{Name: "p", Private: true, CreatedAt: now()}, nil))
	for range 2 { // the same answer to the same question
		if o := send(t, s, "alice", "d", entry("p", 1, 1))[0]; !errors.Is(o.Err, server.ErrNotMember) {
			t.Fatalf("not a member: %+v", o)
		}
	}
	if o := send(t, s, "alice", "d", entry("p", 2, 2))[0]; !errors.Is(o.Err, server.ErrNotMember) {
		t.Fatalf("next one: %+v", o)
	}
	send(t, s, "alice", "d", entry("a", 3, 1))
	reused := entry("a", 3, 2)
	reused.Text = "another"
	for range 2 {
		if o := send(t, s, "alice", "d", reused)[0]; !errors.Is(o.Err, server.ErrIDReused) {
			t.Fatalf("id reused: %+v", o)
		}
	}
	if o := send(t, s, "alice", "d", entry("a", 4, 3))[0]; o.Err != nil {
		t.Fatalf("after it: %+v", o)
	}
}

func numberOfAnother(t *testing.T, s server.Store) {
	send(t, s, "alice", "d", entry("a", 1, 1), entry("a", 2, 2))
	gap(t, send(t, s, "alice", "d", entry("a", 9, 1))[0], 3)
	if o := send(t, s, "alice", "d", entry("a", 9, 3))[0]; o.Err != nil || o.Seq != 3 {
		t.Fatalf("with the expected number: %+v", o)
	}
}

func mixedBatch(t *testing.T, s server.Store) {
	must(t, s.AddChannel(ctxOf(t), server.Channel{Name: "p", Private: true, CreatedAt: now()}, nil))
	send(t, s, "alice", "d", entry("a", 1, 1))
	reused := entry("a", 1, 2)
	reused.Text = "another"
	bad := entry("a", 5, 4)
	bad.Refused = true
	out := send(t, s, "alice", "d", entry("a", 1, 1), reused, entry("a", 2, 3), bad, entry("p", 3, 1), entry("a", 4, 5),
		entry("a", 6, 9), entry("new", 7, 1))
	switch {
	case !out[0].Duplicate, out[2].Seq != 2, out[3].Err != nil, out[5].Seq != 3, out[7].Seq != 1,
		!errors.Is(out[1].Err, server.ErrIDReused), !errors.Is(out[4].Err, server.ErrNotMember):
		t.Fatalf("%+v", out)
	}
	gap(t, out[6], 6)
	if len(table(t, s, "a")) != 3 || len(table(t, s, "p")) != 0 || len(table(t, s, "new")) != 1 {
		t.Fatal("wrong messages in the tables")
	}
}

func batchOrder(t *testing.T, s server.Store) {
	out := send(t, s, "alice", "d", entry("a", 2, 2), entry("a", 1, 1), entry("a", 1, 1), entry("a", 2, 2))
	gap(t, out[0], 1)
	if out[1].Seq != 1 || !out[2].Duplicate || out[2].Seq != 1 || out[3].Seq != 2 || out[3].Duplicate {
		t.Fatalf("%+v", out)
	}
}

func privateChannel(t *testing.T, s server.Store) {
	must(t, s.AddChannel(ctxOf(t), server.Channel{Name: "p", Private: true, Owner: "alice", CreatedAt: now()}, []string{"bob"}))
	for i, user := range []string{"alice", "bob"} {
		if o := send(t, s, user, "d", entry("p", i, 1))[0]; o.Err != nil {
			t.Fatalf("%s: %v", user, o.Err)
		}
	}
	if o := send(t, s, "eve", "d", entry("p", 9, 0))[0]; !errors.Is(o.Err, server.ErrNotMember) {
		t.Fatalf("eve: %+v", o)
	}
	// An entry that was out of its order, or refused, makes no channel: the name stays free.
	gap(t, send(t, s, "eve", "d", entry("later", 10, 7))[0], 1)
	bad := entry("later", 11, 0)
	bad.Refused = true
	send(t, s, "eve", "d", bad)
	must(t, s.AddChannel(ctxOf(t), server.Channel{Name: "later", Private: true, CreatedAt: now()}, nil))
}
