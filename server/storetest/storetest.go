// Package storetest is the conformance suite of server.Store: what every implementation of it must honour.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/server"
)

// Run runs the suite. open gives an empty store for each test and closes it at the test's end.
func Run(t *testing.T, open func(t *testing.T) server.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, server.Store)
	}{
		{"users", users},
		{"sessions", sessions},
		{"a session changes", changeSession},
		{"changes of one session don't overlap", changeRace},
		{"a cancelled change leaves nothing", cancelledChange},
		{"a session is confirmed", confirmSession},
		{"a session ends and is forgotten", endSession},
		{"channels", channels},
		{"messages are numbered from 1 without holes", numbering},
		{"the same id again is the same message", sameID},
		{"the same id with another body is refused", reusedID},
		{"ids belong to their user", idsOfUsers},
		{"device sequence", deviceSequence},
		{"a refused entry uses its number up", refusedUsesNumber},
		{"an entry kept out by a rule uses its number up", keptOutUsesNumber},
		{"a number used by another message", numberOfAnother},
		{"a batch keeps each entry's own fate", mixedBatch},
		{"a batch is judged in order", batchOrder},
		{"private channels keep others out", privateChannel},
		{"pages of history", pages},
		{"device sequences of a device", deviceSeqs},
		{"outgoing publications", outgoing},
		{"concurrent senders", concurrentSenders},
		{"concurrent resends of one id", concurrentResends},
		{"a cancelled append leaves nothing", cancelledAppend},
		{"values come back as they went in", roundTrip},
		{"ping", ping},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
	runUploads(t, open)
}

// now is a time as stores keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// id makes the n-th message id.
func id(n int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", n) }

func entry(channel string, n int, deviceSeq uint64) server.Entry {
	return server.Entry{Channel: channel, ID: id(n), DeviceSeq: deviceSeq, Text: fmt.Sprintf("text %d", n), Time: now()}
}

func ctxOf(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, s server.Store, user, device string, entries ...server.Entry) []server.Outcome {
	t.Helper()
	out, err := s.Append(ctxOf(t), user, device, entries)
	must(t, err)
	if len(out) != len(entries) {
		t.Fatalf("%d outcomes for %d entries", len(out), len(entries))
	}
	return out
}

// table reads a whole channel and checks that its numbers are 1, 2, 3 ….
func table(t *testing.T, s server.Store, channel string) []server.Message {
	t.Helper()
	msgs, last, err := s.Messages(ctxOf(t), channel, 0, 1<<20, 0)
	must(t, err)
	for i, m := range msgs {
		if m.Seq != uint64(i+1) || m.Channel != channel {
			t.Fatalf("message %d of %s is %s %d", i+1, channel, m.Channel, m.Seq)
		}
	}
	if last != uint64(len(msgs)) {
		t.Fatalf("last is %d with %d messages", last, len(msgs))
	}
	return msgs
}
