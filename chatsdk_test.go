package chatsdk_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/scenario"
)

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	for name, c := range map[string]struct {
		opts chatsdk.Options
		hint string // what the error has to tell
	}{
		"no server":   {chatsdk.Options{Store: chatsdk.InMemory()}, "Server"},
		"no store":    {chatsdk.Options{Server: "localhost:1"}, "InMemory"},
		"scheme":      {chatsdk.Options{Server: "ftp://localhost", Store: chatsdk.InMemory()}, "http"},
		"no host":     {chatsdk.Options{Server: "http://", Store: chatsdk.InMemory()}, "host"},
		"user inside": {chatsdk.Options{Server: "http://ada:secret@localhost", Store: chatsdk.InMemory()}, "SignIn"},
		"no URL":      {chatsdk.Options{Server: "http://ada:secret@local host", Store: chatsdk.InMemory()}, "URL"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := chatsdk.Open(t.Context(), c.opts)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it opened"), client.Close()))
			}
			if !strings.Contains(err.Error(), c.hint) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q: want a hint at %s and no secret", err, c.hint)
			}
		})
	}
}

// world runs f in virtual time in a world with one client, ada.
func world(t *testing.T, f func(t *testing.T, w *scenario.World, ada *scenario.Client)) {
	t.Helper()
	bubble.Run(t, func(t *testing.T) {
		w, err := scenario.NewVirtualWorld(t.Context(), scenario.WorldOptions{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}()
		ada, err := w.AddClient(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		f(t, w, ada)
	})
}

func TestStateIsTheCallers(t *testing.T) {
	world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
		s := ada.Chat.State()
		if s.User != "ada" || s.Connection.State != realtime.Connected || !s.Channels[scenario.Channel].Synced {
			t.Fatalf("state of a connected client: %+v", s)
		}
		s.Channels[scenario.Channel] = inbox.Snapshot{Top: 99}
		if now := ada.Chat.State().Channels[scenario.Channel].Top; now == 99 {
			t.Error("a caller could change the client's state")
		}
	})
}

func TestWatchTellsThePresentFirst(t *testing.T) {
	world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		updates := ada.Chat.Watch(ctx)
		var connected, session bool
		for u := range updates {
			if u.Connection != nil {
				connected = u.Connection.To == realtime.Connected
			}
			session = session || u.Session != nil
			if connected && session {
				break
			}
		}
		ada.Chat.Disconnect()
		for u := range updates {
			if u.Connection != nil && u.Connection.To == realtime.Disconnected {
				break
			}
		}
		cancel()
		for range updates { // it is closed
		}
	})
}

func TestWrongPasswordComesBackAtOnce(t *testing.T) {
	world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
		began := time.Now()
		err := ada.Chat.SignIn(t.Context(), "ada", "not the password")
		var refused *chatsdk.ServerError
		if !errors.As(err, &refused) || refused.Code != "bad_credentials" {
			t.Errorf("sign in with a wrong password: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v: it was tried again", took)
		}
		if strings.Contains(err.Error(), "not the password") {
			t.Errorf("the password is in the error: %v", err)
		}
	})
}

func TestRefusedChannelEndsMessages(t *testing.T) {
	world(t, func(t *testing.T, w *scenario.World, ada *scenario.Client) {
		if err := ada.Chat.CreateChannel(t.Context(), "secret", true); err != nil {
			t.Fatal(err)
		}
		bob, err := w.AddClient(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		var refused *chatsdk.ChannelError
		for m, err := range bob.Chat.Messages(t.Context(), "secret") {
			if err == nil {
				t.Fatalf("a stranger was shown %v", m)
			}
			if !errors.As(err, &refused) || refused.Channel != "secret" {
				t.Errorf("messages of a private channel ended with %v", err)
			}
		}
		if refused == nil {
			t.Error("messages of a private channel ended without an error")
		}
	})
}

func TestSignOutKeepsTheQueue(t *testing.T) {
	world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
		if err := ada.Chat.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		e, err := ada.Chat.Send(t.Context(), scenario.Channel, "later") // at once: the connection may not be gone yet
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // virtual: long enough to be sent, if it were
		got, ok := ada.Chat.Entry(e.ID)
		if !ok || got.State != outbox.Queued || got.Blocked != outbox.BlockedAuth {
			t.Errorf("after signing out the entry is %+v", got)
		}
		if _, _, ok := ada.Chat.Session(); ok {
			t.Error("there still is a session")
		}
	})
}

// TestCloseAtAnyMoment closes a client while it signs in, connects, joins and sends. The bubble proves that nothing is
// left running; calls after Close must say so.
func TestCloseAtAnyMoment(t *testing.T) {
	for _, after := range []time.Duration{0, 1, 150 * time.Millisecond, 250 * time.Millisecond, 450 * time.Millisecond, 3 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
				ada.Link.Reset()
				if err := ada.Send(t.Context(), "on the way"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(after)
				if err := ada.Chat.Close(); err != nil {
					t.Error(err)
				}
				if err := ada.Chat.Close(); err != nil {
					t.Errorf("second Close: %v", err)
				}
				if _, err := ada.Chat.Send(t.Context(), scenario.Channel, "late"); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Send after Close: %v", err)
				}
				for _, err := range ada.Chat.Messages(t.Context(), scenario.Channel) {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Messages after Close: %v", err)
					}
				}
				for range ada.Chat.Watch(t.Context()) {
					t.Error("Watch after Close told something")
				}
			})
		})
	}
}
