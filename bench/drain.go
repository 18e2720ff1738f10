package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/server"
)

const (
	// queueRTT is the round-trip time of the drain and of the first message.
	queueRTT = 100 * time.Millisecond
	// drained is how many messages of one channel wait for the connection.
	drained = 1000
	// drainTrials is how often they are sent, each time to a server of its own.
	drainTrials = 5
	// drainGoal is how long they may take.
	drainGoal = 3 * time.Second
	// firstGoal is when the first message has to be at the server, counted from the new connection.
	firstGoal = 50*time.Millisecond + queueRTT
	// firstPause is the time between two trials of the first message.
	firstPause = time.Second
)

// measureDrain measures from Connect, so with the dial, until the server's reply to the last message was read. The
// server's limits are out of the way: with its stock ones, 50 a second after 200 at once, they are what is measured.
func measureDrain(ctx context.Context, dir string, trials int, r *report) error {
	var took []time.Duration
	for i := range trials {
		d, err := drain(ctx, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return fmt.Errorf("drain: %w", err)
		}
		took = append(took, d)
	}
	r.addQueueTime(fmt.Sprintf("from Connect to %d messages acknowledged, RTT %.0f, raised limits", drained, ms(queueRTT)),
		took, drainGoal, 50)
	return nil
}

func drain(ctx context.Context, dir string) (took time.Duration, err error) {
	limits := server.Limits{MessagesPerSecond: 1_000_000, MessageBurst: 1_000_000}
	s, end, err := openDurable(ctx, dir, limits)
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return 0, err
	}
	if err := queueMany(ctx, s.chat, drained); err != nil {
		return 0, err
	}
	done := make(chan error, 1)
	left := drained
	s.onEntry(func(v outbox.Change) {
		switch v.To {
		case outbox.Queued, outbox.Sending:
			return
		case outbox.Sent:
			if left--; left == 0 {
				done <- nil
			}
		case outbox.Parked, outbox.Cancelled, outbox.Expired:
			select {
			case done <- fmt.Errorf("a message is %v: %s", v.To, v.Reason):
			default:
			}
		}
	})
	began := time.Now()
	if err := s.connect(ctx, "sender"); err != nil {
		return 0, err
	}
	select {
	case err := <-done:
		return time.Since(began), err
	case <-time.After(trialLimit):
		return 0, errors.New("it doesn't end")
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// queueMany queues n messages of one channel.
func queueMany(ctx context.Context, chat *chatsdk.Client, n int) error {
	const callers = 50
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range n / callers {
				if _, errs[i] = chat.Send(ctx, channel, strings.Repeat("x", queueTextBytes)); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// openDurable starts a server and a client with a profile, which is signed in and not connected. End ends all, on an
// error too.
func openDurable(ctx context.Context, dir string, limits server.Limits) (s *sdk, end func() error, err error) {
	var ends []func() error
	end = func() error {
		var errs []error
		for i := len(ends) - 1; i >= 0; i-- {
			errs = append(errs, ends[i]())
		}
		return errors.Join(errs...)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, end, err
	}
	w, err := newWorld(ctx, filepath.Join(dir, "server"), false, limits)
	if err != nil {
		return nil, end, err
	}
	ends = append(ends, w.close)
	p, err := profile.Open(filepath.Join(dir, "profile"))
	if err != nil {
		return nil, end, err
	}
	ends = append(ends, p.Close)
	link, addr, err := w.way("sender", queueRTT)
	if err != nil {
		return nil, end, err
	}
	if err := w.srv.AddUser(ctx, "sender", password); err != nil {
		return nil, end, err
	}
	s = &sdk{way: link}
	o := chatsdk.Options{Server: "http://" + addr, Profile: realtime.Foreground, Store: p}
	if err := s.open(ctx, "sender", o); err != nil {
		return nil, end, err
	}
	ends = append(ends, s.close)
	return s, end, nil
}

// measureFirst resets the connection, queues a message while there is none, and measures from the new connection (the
// time of its Change) to the time that the server gave the message: on the wire it was half a round trip before. Where
// the stream told of it before the reply did, half a round trip is taken off the moment in which it came.
func measureFirst(ctx context.Context, dir string, n int, r *report) (err error) {
	s, end, err := openDurable(ctx, dir, server.Limits{})
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return fmt.Errorf("first message: %w", err)
	}
	sent := make(chan outbox.Change, 1)
	s.onEntry(func(v outbox.Change) {
		if v.To == outbox.Sent {
			sent <- v
		}
	})
	if err := s.connect(ctx, "sender"); err != nil {
		return err
	}
	var took []time.Duration
	streamed := 0
	for len(took) < n {
		pause(ctx, firstPause)
		v, up, err := first(ctx, s, sent)
		if err != nil {
			return fmt.Errorf("first message: %w", err)
		}
		at := v.Entry.SentAt
		if v.Reason == outbox.ReasonStream {
			streamed++
			at = at.Add(-queueRTT / 2)
		}
		took = append(took, at.Sub(up))
	}
	r.addQueueTime(fmt.Sprintf("from reconnected to the first queued message at the server, RTT %.0f", ms(queueRTT)),
		took, firstGoal, 95)
	if streamed > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of %d first messages were known from the stream first", streamed, n))
	}
	return nil
}

// first makes one trial; up is when the connection was made that the message went out on.
func first(ctx context.Context, s *sdk, sent <-chan outbox.Change) (v outbox.Change, up time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	since := time.Now()
	s.way.Reset()
	if _, err := s.seen.await(ctx, func(m moment) bool { return !m.lost.Before(since) }); err != nil {
		return v, up, err
	}
	e, err := s.chat.Send(ctx, channel, "first")
	if err != nil {
		return v, up, err
	}
	if _, err := s.seen.recovered(ctx, since); err != nil {
		return v, up, err
	}
	select {
	case v = <-sent:
	case <-ctx.Done():
		return v, up, ctx.Err()
	}
	up = *s.up.Load()
	if v.Entry.ID != e.ID || !e.CreatedAt.Before(up) {
		return v, up, errors.New("the message wasn't queued before the connection was back")
	}
	return v, up, nil
}
