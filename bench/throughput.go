package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/server"
)

const (
	// open is the most messages on their way at a time: several full windows of the outgoing queue.
	openMessages = 2000
	// textBytes is the length of a message's text.
	textBytes = 100
	// loading is the time before counting begins.
	loading = time.Second
)

// throughput is what went through one connection, from Send to the report that the server took it.
type throughput struct {
	RTTMs     float64 `json:"rttMs"`
	Seconds   float64 `json:"seconds"`
	Acked     int64   `json:"acked"`
	PerSecond float64 `json:"perSecond"`
}

// measureThroughput sends as fast as one client can, to a server whose limits on it are out of the way. Each round
// trip has a server of its own: a sender would first read what those before it sent.
func measureThroughput(ctx context.Context, c config, dir string, r *report) error {
	for _, rtt := range append([]time.Duration{0}, c.rtts...) {
		t, err := throughputAt(ctx, filepath.Join(dir, "throughput-"+rtt.String()), rtt, c.flood)
		if err != nil {
			return err
		}
		r.Throughput = append(r.Throughput, t)
	}
	return nil
}

func throughputAt(ctx context.Context, dir string, rtt, lasts time.Duration) (t throughput, err error) {
	limits := server.Limits{MessagesPerSecond: 1_000_000, MessageBurst: 1_000_000}
	w, err := newWorld(ctx, dir, false, limits)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	opening, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	s, err := openSDK(opening, w, "sender", rtt, realtime.Foreground)
	if err != nil {
		return t, err
	}
	var acked, refused atomic.Int64
	free := make(chan struct{}, openMessages)
	s.onEntry(func(v outbox.Change) {
		switch v.To {
		case outbox.Sent:
			acked.Add(1)
		case outbox.Parked, outbox.Cancelled, outbox.Expired:
			refused.Add(1)
		case outbox.Queued, outbox.Sending:
			return
		}
		<-free
	})
	sending, stop := context.WithTimeout(ctx, loading+lasts)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- flood(sending, s, free) }() // received below
	pause(ctx, loading)
	first, began := acked.Load(), time.Now()
	pause(ctx, lasts)
	n, took := acked.Load()-first, time.Since(began)
	stop()
	err = errors.Join(<-failed, s.close())
	if refused.Load() > 0 {
		err = errors.Join(err, errors.New("the server refused messages"))
	}
	return throughput{
		RTTMs: ms(rtt), Seconds: took.Seconds(), Acked: n, PerSecond: float64(n) / took.Seconds(),
	}, err
}

// flood sends until ctx ends, as soon as there is room.
func flood(ctx context.Context, s *sdk, free chan struct{}) error {
	text := strings.Repeat("x", textBytes)
	for {
		select {
		case <-ctx.Done():
			return nil
		case free <- struct{}{}:
		}
		if _, err := s.chat.Send(ctx, channel, text); err != nil && ctx.Err() == nil {
			return err
		}
	}
}
