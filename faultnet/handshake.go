package faultnet

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"
)

const (
	// synTimeout is the first wait for an answer to SYN (RFC 6298 section 2.1); it doubles with each retransmission.
	synTimeout = time.Second
	// synRetries is net.ipv4.tcp_syn_retries: a dial gives up (ETIMEDOUT) 127 s after it began.
	synRetries = 6
)

// handshake plays the opening of one connection: SYN, SYN-ACK and their retransmission.
type handshake struct {
	link   *Link
	number int64
	rng    *rand.Rand
	// listening says whether SYN finds a listener when it arrives.
	listening func() bool
	// abandoned is closed when the client, seen from outside, closes what it has opened; nil means never. It only
	// counts once a SYN was lost: until then a client may have said all that it has to say.
	abandoned <-chan struct{}
}

// run returns nil when SYN-ACK has come back, at best one round trip later: or the errno that a dial fails with, or
// ctx's error.
func (h *handshake) run(ctx context.Context) error {
	backoff := synTimeout
	for try := 0; ; try++ {
		sent := time.Now()
		answered, err := h.try(ctx)
		if answered || err != nil {
			return err
		}
		if err := sleepUntil(ctx, sent.Add(backoff), h.abandoned); err != nil {
			return err
		}
		if try == synRetries {
			return syscall.ETIMEDOUT
		}
		backoff *= 2
		h.link.mu.Lock()
		h.link.stats.DialRetries++
		h.link.mu.Unlock()
	}
}

// try sends one SYN.
func (h *handshake) try(ctx context.Context) (answered bool, err error) {
	h.link.mu.Lock()
	refusal := h.link.refusalLocked(h.number)
	h.link.mu.Unlock()
	if refusal != 0 {
		return false, refusal
	}
	if passed, err := h.cross(ctx, upward); !passed || err != nil {
		return false, err
	}
	listening := h.listening()
	if passed, err := h.cross(ctx, downward); !passed || err != nil {
		return false, err
	}
	if !listening {
		return false, syscall.ECONNREFUSED
	}
	return true, nil
}

// cross sends one segment in a direction and waits until it arrives. It didn't pass if it was lost at the start or if
// the direction was down when it should have arrived.
func (h *handshake) cross(ctx context.Context, d direction) (passed bool, err error) {
	tr, _ := h.flow(d)
	if tr.blocked() || tr.Loss > 0 && h.rng.Float64() < tr.Loss {
		return false, nil
	}
	delay := tr.Delay
	if tr.Jitter > 0 {
		delay += time.Duration(h.rng.Int64N(int64(tr.Jitter)))
	}
	if err := sleepUntil(ctx, time.Now().Add(delay), nil); err != nil {
		return false, err
	}
	for {
		tr, changed := h.flow(d)
		if tr.blocked() {
			return false, nil
		}
		if !tr.Stall {
			return true, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// flow is what opening segments meet now, and a channel that closes when it may have changed.
func (h *handshake) flow(d direction) (treatment, <-chan struct{}) {
	h.link.mu.Lock()
	defer h.link.mu.Unlock()
	return h.link.openingLocked(d, h.number), h.link.changed
}
