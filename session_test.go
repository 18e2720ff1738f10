package chatsdk_test

import (
	"context"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
	"github.com/chatsdk/chatsdk/token"
)

// TestTokenThatRanOutInAnOutageIsRenewedAtItsEnd: the session backs off for up to a minute while nothing can be reached;
// the connection's dial gets through as soon as there is a network, and the session must not keep it waiting.
func TestTokenThatRanOutInAnOutageIsRenewedAtItsEnd(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		bubble.Run(t, func(t *testing.T) {
			w, err := scenario.NewVirtualWorld(t.Context(), scenario.WorldOptions{Seed: seed, AccessTTL: 30 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			ada, err := w.AddClient(t.Context(), "ada")
			if err != nil {
				t.Fatal(err)
			}
			ada.Link.Cut()
			time.Sleep(2*time.Minute + time.Duration(seed)*7*time.Second)
			if s := ada.Chat.State().Session.State; s != token.Expired {
				t.Fatalf("after two minutes without a network the session is %v", s)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			updates := ada.Chat.Watch(ctx)
			ada.Link.Heal()
			if took := caughtUpAfter(updates); took > 2*time.Second {
				t.Errorf("seed %d: caught up %v after the end of the outage", seed, took)
			}
		})
	}
}

// caughtUpAfter says how long it takes from now until a channel is synced.
func caughtUpAfter(updates <-chan chatsdk.Update) time.Duration {
	began := time.Now()
	for u := range updates {
		if u.Channel != nil && u.Channel.Synced && u.At.After(began) {
			break
		}
	}
	return time.Since(began)
}
