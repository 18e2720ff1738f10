package chatsdk_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
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

// TestTokenThatRunsOutAgainAndAgain: an operator ends a user's access tokens every few seconds, long before the time that was
// told with them. Each refresh brings one that works, so the client is back within seconds each time.
func TestTokenThatRunsOutAgainAndAgain(t *testing.T) {
	for _, every := range []time.Duration{2 * time.Second, 2500 * time.Millisecond, 4 * time.Second, 15 * time.Second} {
		for _, reset := range []bool{false, true} {
			bubble.Run(t, func(t *testing.T) {
				w, err := scenario.NewVirtualWorld(t.Context(), scenario.WorldOptions{Seed: 1, Link: faultnet.Symmetric(60 * time.Millisecond)})
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				ada, err := w.AddClient(t.Context(), "ada")
				if err != nil {
					t.Fatal(err)
				}
				for n := range 20 {
					time.Sleep(every)
					if err := w.ExpireTokens("ada"); err != nil {
						t.Fatal(err)
					}
					if reset {
						ada.Link.Reset()
					}
					synctest.Wait()
					began := time.Now()
					for s := ada.Chat.State(); s.Connection.State != realtime.Connected || s.Session.State != token.Fresh; s = ada.Chat.State() {
						if time.Since(began) > 3*time.Second {
							t.Fatalf("every %v, reset %v: not back after the %dth time: %+v, %+v", every, reset, n+1, s.Connection, s.Session)
						}
						time.Sleep(100 * time.Millisecond)
					}
				}
			})
		}
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

// TestSignInSaysWhatWasWrong: the certificate isn't trusted, and the time is over in the middle of another try. What that
// try has to tell is only that it was cut short.
func TestSignInSaysWhatWasWrong(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		var dials atomic.Int32 // each on a goroutine of the transport's
		c, err := chatsdk.Open(t.Context(), chatsdk.Options{
			Server: "https://server", Store: chatsdk.InMemory(),
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if dials.Add(1) == 1 {
					return nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
				}
				<-ctx.Done()
				return nil, ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err = c.SignIn(ctx, "ada", "correct horse")
		if unknown := new(x509.UnknownAuthorityError); !errors.As(err, unknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %d dials: %v, want the untrusted certificate, and that the time is over", dials.Load(), err)
		}
		if dials.Load() < 2 {
			t.Error("no other try was made")
		}
	})
}
