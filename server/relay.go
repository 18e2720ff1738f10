package server

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// relayPage is how many messages the relay takes at a time.
	relayPage = 256
	// relayRetry is the pause after the store or the stream failed.
	relayRetry = 500 * time.Millisecond
	// relaySweep is how often the relay looks without being woken: another process may have committed.
	relaySweep = 5 * time.Second
)

// relay hands committed messages to the stream, for each channel in the order of Seq. One goroutine does it, so that
// commits that overlap can't overtake each other here.
type relay struct {
	store   OutgoingStore
	publish func(Message) error
	gates   *gates
	log     *slog.Logger
	metrics *metrics
	wake    chan struct{} // 1-buffered

	// done holds, for each channel, the newest Seq that was published but couldn't be taken off the store's list, so
	// that a store which can't write doesn't make the relay publish the same messages again and again. Only the
	// relay's goroutine (before it: Start) touches it.
	done map[string]uint64
}

func newRelay(store OutgoingStore, publish func(Message) error, g *gates, log *slog.Logger, m *metrics) *relay {
	return &relay{
		store: store, publish: publish, gates: g, log: log, metrics: m,
		wake: make(chan struct{}, 1), done: map[string]uint64{},
	}
}

// wakeUp says that something may have been committed. It never blocks.
func (r *relay) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *relay) run(ctx context.Context) {
	t := time.NewTimer(relaySweep)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-t.C:
		}
		next := relaySweep
		if err := r.drain(ctx); err != nil && ctx.Err() == nil {
			next = relayRetry
			r.log.Error("relay", "error", err)
		}
		t.Reset(next)
	}
}

// drain publishes until nothing is left.
func (r *relay) drain(ctx context.Context) error {
	for {
		msgs, err := r.store.Outgoing(ctx, relayPage)
		if err != nil {
			return err
		}
		if len(msgs) == 0 {
			return nil
		}
		sent, err := r.page(ctx, msgs)
		if len(sent) > 0 {
			err = errors.Join(err, r.mark(ctx, sent))
		}
		if err != nil {
			return err
		}
	}
}

// page publishes messages until one fails; it says which are published.
func (r *relay) page(ctx context.Context, msgs []Message) ([]Message, error) {
	for i, m := range msgs {
		if err := ctx.Err(); err != nil {
			return msgs[:i], err
		}
		if m.Seq <= r.done[m.Channel] {
			continue
		}
		leave := r.gates.pass(m.Channel)
		err := r.publish(m)
		leave()
		if err != nil {
			return msgs[:i], err
		}
		r.done[m.Channel] = m.Seq
		r.metrics.published.Inc()
	}
	return msgs, nil
}

func (r *relay) mark(ctx context.Context, msgs []Message) error {
	if err := r.store.Published(ctx, msgs); err != nil {
		return err
	}
	for _, m := range msgs {
		if r.done[m.Channel] == m.Seq {
			delete(r.done, m.Channel)
		}
	}
	return nil
}
