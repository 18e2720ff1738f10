package storetest

import (
	"context"
	"errors"
	"reflect"
	"sync"
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

func newSession(id string) server.Session {
	return server.Session{
		ID: id, User: "alice", Device: "phone", CreatedAt: now(), ExpiresAt: now().Add(time.Hour),
		Counter: 1, Confirmed: true, RefreshedAt: now(),
	}
}

// same compares what a store gave back with what it was given.
func same(t *testing.T, got, want server.Session) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func sessions(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	ses := newSession("s1")
	must(t, s.AddSession(ctx, ses))
	if err := s.AddSession(ctx, ses); !errors.Is(err, server.ErrExists) {
		t.Fatalf("same id again: %v", err)
	}
	if _, err := s.Session(ctx, "nothing"); !errors.Is(err, server.ErrNotFound) {
		t.Fatalf("unknown session: %v", err)
	}
	got, err := s.Session(ctx, "s1")
	must(t, err)
	same(t, got, ses)
	full := newSession("full")
	full.EndedAt, full.ReplayAt, full.ReplayKeys, full.RefreshHash = now(), now(), []byte{0, 1}, []byte{2, 0}
	full.Counter, full.Confirmed, full.RefreshedAt = 1<<62, false, time.Time{}
	must(t, s.AddSession(ctx, full))
	got, err = s.Session(ctx, "full")
	must(t, err)
	same(t, got, full)
}

func changeSession(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	ses := newSession("s1")
	must(t, s.AddSession(ctx, ses))
	must(t, s.AddSession(ctx, newSession("other")))
	want := ses
	want.Counter, want.Confirmed, want.ReplayKeys, want.ReplayAt = 2, false, []byte("key"), now()
	want.RefreshedAt, want.ExpiresAt = now().Add(time.Second), now().Add(2*time.Hour)
	got, err := s.ChangeSession(ctx, "s1", func(was server.Session) server.Session {
		same(t, was, ses)
		changed := want
		changed.ID, changed.User, changed.Device, changed.CreatedAt = "x", "x", "x", time.Time{} // not to be changed
		return changed
	})
	must(t, err)
	same(t, got, want)
	got, err = s.Session(ctx, "s1")
	must(t, err)
	same(t, got, want)
	want.EndedAt, want.ReplayKeys, want.ReplayAt = now(), nil, time.Time{}
	for range 2 { // an ended one too
		got, err = s.ChangeSession(ctx, "s1", func(server.Session) server.Session { return want })
		must(t, err)
		same(t, got, want)
	}
	_, err = s.ChangeSession(ctx, "nothing", func(was server.Session) server.Session {
		t.Error("asked to change a session that isn't there")
		return was
	})
	if !errors.Is(err, server.ErrNotFound) {
		t.Fatalf("unknown session: %v", err)
	}
	if other, err := s.Session(ctx, "other"); err != nil || other.Counter != 1 {
		t.Fatalf("another session: %+v, %v", other, err)
	}
}

// changeRace counts with many at once: no change is lost.
func changeRace(t *testing.T, s server.Store) {
	const callers, each = 8, 10
	ctx := ctxOf(t)
	must(t, s.AddSession(ctx, newSession("s1")))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				_, err := s.ChangeSession(ctx, "s1", func(ses server.Session) server.Session {
					ses.Counter++
					return ses
				})
				if err != nil {
					t.Errorf("change: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := s.Session(ctx, "s1"); err != nil || got.Counter != 1+callers*each {
		t.Fatalf("counter %d after %d changes, %v", got.Counter, callers*each, err)
	}
}

func cancelledChange(t *testing.T, s server.Store) {
	ctx, cancel := context.WithCancel(ctxOf(t))
	ses := newSession("s1")
	must(t, s.AddSession(ctx, ses))
	_, err := s.ChangeSession(ctx, "s1", func(was server.Session) server.Session {
		cancel()
		was.Counter = 9
		return was
	})
	if err == nil {
		t.Fatal("no error")
	}
	got, err := s.Session(ctxOf(t), "s1")
	must(t, err)
	same(t, got, ses)
}

func confirmSession(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	ses := newSession("s1")
	ses.Counter, ses.Confirmed = 2, false
	must(t, s.AddSession(ctx, ses))
	for _, c := range []struct {
		id      string
		counter uint64
		want    bool
	}{{"s1", 1, false}, {"s1", 3, false}, {"nothing", 2, false}, {"s1", 2, true}, {"s1", 2, true}} {
		must(t, s.ConfirmSession(ctx, c.id, c.counter))
		got, err := s.Session(ctx, "s1")
		must(t, err)
		ses.Confirmed = c.want
		same(t, got, ses)
	}
}

func endSession(t *testing.T, s server.Store) {
	ctx := ctxOf(t)
	ses := newSession("s1")
	ses.ExpiresAt = now().Add(2 * time.Hour)
	must(t, s.AddSession(ctx, ses))
	at := now()
	must(t, s.EndSession(ctx, "s1", at))
	must(t, s.EndSession(ctx, "s1", at.Add(time.Minute)))
	must(t, s.EndSession(ctx, "nothing", at))
	got, err := s.Session(ctx, "s1")
	must(t, err)
	if got.Live(now()) || !got.EndedAt.Equal(at) {
		t.Fatalf("after its end %+v", got)
	}
	must(t, s.AddSession(ctx, newSession("s2")))
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
