package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/server"
)

func users(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	if _, err := s.User(ctx, "alice"); !errors.Is(err, server.ErrNotFound) {
		t.Fatalf("unknown user: %v", err)
	}
	u := server.User{Name: "alice", PasswordHash: "$argon2id$…", CreatedAt: now()}
	must(t, s.AddUser(ctx, u))
	if err := s.AddUser(ctx, server.User{Name: "alice", PasswordHash: "other", CreatedAt: now()}); !errors.Is(err, server.ErrExists) {
		t.Fatalf("second alice: %v", err)
	}
	got, err := s.User(ctx, "alice")
	must(t, err)
	if got != u {
		t.Fatalf("got %+v, want %+v", got, u)
	}
}

func newSession(id string, hash string) server.Session {
	return server.Session{
		ID: id, User: "alice", Device: "phone", RefreshHash: []byte(hash), CreatedAt: now(), ExpiresAt: now().Add(time.Hour),
	}
}

func sessions(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	ses := newSession("s1", "h1")
	must(t, s.AddSession(ctx, ses))
	if err := s.AddSession(ctx, ses); !errors.Is(err, server.ErrExists) {
		t.Fatalf("same id again: %v", err)
	}
	if _, err := s.Session(ctx, "nothing"); !errors.Is(err, server.ErrNotFound) {
		t.Fatalf("unknown session: %v", err)
	}
	got, err := s.Session(ctx, "s1")
	must(t, err)
	if got.User != "alice" || got.Device != "phone" || !got.ExpiresAt.Equal(ses.ExpiresAt) || !got.Live(now()) {
		t.Fatalf("got %+v", got)
	}
	end := now().Add(2 * time.Hour)
	got, err = s.RotateSession(ctx, "s1", []byte("h1"), []byte("h2"), now(), end)
	must(t, err)
	if string(got.RefreshHash) != "h2" || !got.ExpiresAt.Equal(end) || got.User != "alice" {
		t.Fatalf("after rotation %+v", got)
	}
	for name, rotate := range map[string]func() error{
		"old token":       func() error { _, err := s.RotateSession(ctx, "s1", []byte("h1"), []byte("x"), now(), end); return err },
		"unknown session": func() error { _, err := s.RotateSession(ctx, "s9", []byte("h2"), []byte("x"), now(), end); return err },
		"expired": func() error {
			_, err := s.RotateSession(ctx, "s1", []byte("h2"), []byte("x"), end.Add(time.Second), end)
			return err
		},
	} {
		if err := rotate(); !errors.Is(err, server.ErrNotFound) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	endAndForget(t, s, end)
}

func endAndForget(t *testing.T, s server.Store, end time.Time) {
	ctx := ctxOf(t)
	at := now()
	must(t, s.EndSession(ctx, "s1", at))
	must(t, s.EndSession(ctx, "s1", at.Add(time.Minute)))
	must(t, s.EndSession(ctx, "nothing", at))
	got, err := s.Session(ctx, "s1")
	must(t, err)
	if got.Live(now()) || !got.EndedAt.Equal(at) {
		t.Fatalf("after its end %+v", got)
	}
	if _, err := s.RotateSession(ctx, "s1", []byte("h2"), []byte("x"), now(), end); !errors.Is(err, server.ErrNotFound) {
		t.Fatalf("rotation of an ended session: %v", err)
	}
	must(t, s.AddSession(ctx, newSession("s2", "h")))
	n, err := s.DeleteSessions(ctx, now().Add(90*time.Minute)) // s2 ends after 60, s1 after 120
	must(t, err)
	if n != 1 {
		t.Fatalf("forgot %d sessions, want 1", n)
	}
	if _, err := s.Session(ctx, "s2"); !errors.Is(err, server.ErrNotFound) {
		t.Fatalf("forgotten session: %v", err)
	}
	if _, err := s.Session(ctx, "s1"); err != nil {
		t.Fatalf("other session: %v", err)
	}
}

func rotateRace(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	must(t, s.AddSession(ctx, newSession("s1", "h1")))
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := s.RotateSession(ctx, "s1", []byte("h1"), []byte{byte(i)}, now(), now().Add(time.Hour))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, server.ErrNotFound):
				t.Errorf("rotation: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d of 8 rotations of one token won", won.Load())
	}
}

func channels(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	must(t, s.AddChannel(ctx, server.Channel{Name: "secret", Private: true, Owner: "alice", CreatedAt: now()}, []string{"bob", "bob", "alice"}))
	if err := s.AddChannel(ctx, server.Channel{Name: "secret", CreatedAt: now()}, nil); !errors.Is(err, server.ErrExists) {
		t.Fatalf("second channel of the name: %v", err)
	}
	for user, want := range map[string]error{"alice": nil, "bob": nil, "eve": server.ErrNotMember} {
		c, err := s.OpenChannel(ctx, "secret", user, now())
		if !errors.Is(err, want) {
			t.Fatalf("open as %s: %v", user, err)
		}
		if err == nil && (!c.Private || c.Owner != "alice" || c.Last != 0) {
			t.Fatalf("as %s: %+v", user, c)
		}
		if err := s.CanRead(ctx, "secret", user); !errors.Is(err, want) {
			t.Fatalf("read as %s: %v", user, err)
		}
	}
	must(t, s.CanRead(ctx, "unknown", "eve"))
	made := now()
	c, err := s.OpenChannel(ctx, "new", "eve", made)
	must(t, err)
	if c.Private || c.Name != "new" || !c.CreatedAt.Equal(made) {
		t.Fatalf("made by use: %+v", c)
	}
	if err := s.AddChannel(ctx, server.Channel{Name: "new", Private: true, CreatedAt: now()}, nil); !errors.Is(err, server.ErrExists) {
		t.Fatalf("channel that was made by use: %v", err)
	}
	send(t, s, "eve", "d", entry("new", 1, 0))
	if c, err = s.OpenChannel(ctx, "new", "bob", now()); err != nil || c.Last != 1 || !c.CreatedAt.Equal(made) {
		t.Fatalf("after a message: %+v, %v", c, err)
	}
}

func ping(t *testing.T, s server.Store) {
	must(t, s.Ping(ctxOf(t)))
}
