package token_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// rotating is a server that forgets no key: the same key gets the same answer, a used refresh token with another key
// ends the session.
type rotating struct {
	n       int
	key     string
	ended   bool
	ask     func(n int) error // what happens to the reply, nil for nothing
	between func()            // while the reply is on its way
}

func (r *rotating) refresh(_ context.Context, old token.Tokens, key string) (token.Tokens, error) {
	before := fmt.Sprintf("%s-refresh-%d", secretPart, r.n-1)
	switch used := old.Refresh.Reveal(); {
	case r.ended:
		return token.Tokens{}, &token.RefreshError{Status: 400, Code: "invalid_grant", JSON: true}
	case used == made(r.n, 0).Refresh.Reveal():
		r.n++
		r.key = key
	case used != before || key != r.key:
		r.ended = true
		return token.Tokens{}, &token.RefreshError{Status: 400, Code: "invalid_grant", JSON: true}
	}
	if r.between != nil {
		r.between()
	}
	if r.ask != nil {
		if err := r.ask(r.n); err != nil {
			return token.Tokens{}, err
		}
	}
	return made(r.n, time.Hour), nil
}

func TestLostReplyIsAskedForAgain(t *testing.T) { inBubble(t, checkLostReply) }

func checkLostReply(ctx context.Context) error {
	lost := 3
	r := &rotating{ask: func(int) error {
		if lost--; lost >= 0 {
			return errNetwork
		}
		return nil
	}}
	s, err := signedIn(token.Options{Refresh: r.refresh}, 2*time.Second)
	if err != nil {
		return err
	}
	defer s.Close()
	_ = s.Start()
	time.Sleep(time.Minute)
	got, err := s.Token(ctx)
	return wants(got, err, access(1))
}

// crashStore is one process's view of a store: after the crash nothing is written any more.
type crashStore struct {
	token.Store
	crashed atomic.Bool
}

var errCrashed = errors.New("the process is dead")

func (c *crashStore) CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error) {
	if c.crashed.Load() {
		return 0, errCrashed
	}
	return c.Store.CompareAndSwap(ctx, version, data)
}

func TestCrashBetweenRotationAndSave(t *testing.T) { inBubble(t, checkCrash) }

func checkCrash(ctx context.Context) error {
	store := token.NewMemory()
	first := &crashStore{Store: store}
	r := &rotating{between: func() { first.crashed.Store(true) }}
	s, err := signedIn(token.Options{Refresh: r.refresh, Store: first}, time.Hour)
	if err != nil {
		return err
	}
	_, _ = s.Renew(ctx, access(0))
	if err := s.Close(); err != nil {
		return err
	}
	second, err := token.New(token.Options{Refresh: r.refresh, Store: store})
	if err != nil {
		return err
	}
	defer second.Close()
	got, err := second.Renew(ctx, access(0))
	if err := wants(got, err, access(1)); err != nil {
		return fmt.Errorf("after the crash: %w", err)
	}
	return nil
}

func TestNewTokensAreKeptBeforeTheyAreHandedOut(t *testing.T) { inBubble(t, checkKeptFirst) }

func checkKeptFirst(ctx context.Context) error {
	i := &issuer{life: time.Hour}
	store := slowStore{token.NewMemory()}
	s, err := signedIn(token.Options{Refresh: i.refresh, Store: store}, time.Hour)
	if err != nil {
		return err
	}
	defer s.Close()
	go func() { _, _ = s.Renew(ctx, access(0)) }()
	for range 100 {
		time.Sleep(50 * time.Millisecond)
		present, _ := s.AccessToken()
		kept, _, err := store.Load(ctx)
		if err != nil {
			return err
		}
		if t, err := token.ParseRecord(kept); err != nil || t.Access.Reveal() != present && present == access(1) {
			return errors.New("handed out before it was kept")
		}
	}
	present, _ := s.AccessToken()
	return wants(present, nil, access(1))
}

// noLock is a store on a file system whose locks don't hold.
type noLock struct{ token.Store }

func (noLock) Lock(context.Context) (func(), error) { return func() {}, nil }

func TestVerdictOnAReplacedGrantCountsForNothing(t *testing.T) {
	inBubble(t, checkStoreIsReadBeforeTheVerdict)
}

// Another process replaces the grant while ours is judged.
func checkStoreIsReadBeforeTheVerdict(ctx context.Context) error {
	store := noLock{token.NewMemory()}
	r := &rotating{}
	strict := func(ctx context.Context, old token.Tokens, _ string) (token.Tokens, error) {
		t, err := r.refresh(ctx, old, fmt.Sprint(r.n)) // knows no keys
		r.ended = false                                // and keeps the session
		return t, err
	}
	other, err := signedIn(token.Options{Refresh: strict, Store: store}, time.Hour)
	if err != nil {
		return err
	}
	defer other.Close()
	ours, err := token.New(token.Options{Store: store, Refresh: func(ctx context.Context, old token.Tokens, key string) (token.Tokens, error) {
		if old.Access.Reveal() == access(0) { // on its way while the other is faster
			if _, err := other.Renew(ctx, access(0)); err != nil {
				return token.Tokens{}, err
			}
		}
		return strict(ctx, old, key)
	}})
	if err != nil {
		return err
	}
	defer ours.Close()
	got, err := ours.Renew(ctx, access(0))
	return wants(got, err, access(1))
}

func TestProcessesShareOneRefresh(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i := &issuer{life: time.Hour}
		store := token.NewMemory()
		first, err := signedIn(token.Options{Refresh: i.refresh, Store: store}, time.Hour)
		if err != nil {
			return err
		}
		sources := []*token.Source{first}
		for n := range uint64(7) {
			s, err := token.New(token.Options{Refresh: i.refresh, Store: store, Rand: rand.New(rand.NewPCG(n, 9))})
			if err != nil {
				return err
			}
			sources = append(sources, s)
		}
		for _, s := range sources {
			_ = s.Start()
		}
		time.Sleep(50 * time.Hour)
		if n := i.count(); n < 52 || n > 57 { // each after 53 min 45 s to 55 min
			return fmt.Errorf("%d refreshes of 8 sources in 50 hours", n)
		}
		if _, err := first.Logout(ctx); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		for _, s := range sources {
			if st := s.State(); st.State != token.None {
				return fmt.Errorf("a minute after the logout: %+v", st)
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

// full is a disk that is full for a while.
type full struct {
	token.Store
	on atomic.Bool
}

func (f *full) CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error) {
	if f.on.Load() {
		return 0, errors.New("no space left")
	}
	return f.Store.CompareAndSwap(ctx, version, data)
}

func TestFullDisk(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i := &issuer{life: time.Hour}
		disk := &full{Store: token.NewMemory()}
		s, err := signedIn(token.Options{Refresh: i.refresh, Store: disk}, 10*time.Minute)
		if err != nil {
			return err
		}
		defer s.Close()
		_ = s.Start()
		disk.on.Store(true)
		time.Sleep(9 * time.Minute)
		if i.count() != 0 || s.State().State != token.Degraded {
			return fmt.Errorf("what can't be written down was sent, or nothing was said: %d, %+v", i.count(), s.State())
		}
		time.Sleep(2 * time.Minute) // over: now a session that the process may lose is better than none
		if _, err := s.Token(ctx); err != nil || s.State().Reason != token.ReasonUnsaved {
			return fmt.Errorf("over: %w, %+v", err, s.State())
		}
		present, _ := s.AccessToken()
		disk.on.Store(false)
		time.Sleep(time.Minute)
		kept, _, err := disk.Load(ctx)
		if err != nil {
			return err
		}
		t, err := token.ParseRecord(kept)
		return wants(t.Access.Reveal(), err, present)
	})
}

// The application hears of new tokens when they are safe, in order, may call back in, and may panic.
func TestOnRefreshComesAfterTheSave(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i := &issuer{life: time.Hour}
		store := token.NewMemory()
		var s *token.Source
		var told []string
		var wrong error
		s, err := signedIn(token.Options{Refresh: i.refresh, Store: store, OnRefresh: func(t token.Tokens) {
			told = append(told, t.Access.Reveal())
			kept, _, err := store.Load(ctx)
			saved, _ := token.ParseRecord(kept)
			present, err2 := s.Token(ctx)
			if err != nil || err2 != nil || !saved.Access.Equal(t.Access) || present != t.Access.Reveal() {
				wrong = fmt.Errorf("told of %s while %s is kept and %s handed out", t.Access.Reveal(), saved.Access.Reveal(), present)
			}
			panic("the application's mistake")
		}}, time.Hour)
		if err != nil {
			return err
		}
		for n := range 3 {
			time.Sleep(3 * time.Second)
			if _, err := s.Renew(ctx, access(n)); err != nil {
				return err
			}
		}
		synctest.Wait() // the last call has been made
		if err := s.Close(); err != nil {
			return err
		}
		if want := []string{access(1), access(2), access(3)}; wrong != nil || fmt.Sprint(told) != fmt.Sprint(want) {
			return fmt.Errorf("told %v, want %v; %w", told, want, wrong)
		}
		return nil
	})
}
