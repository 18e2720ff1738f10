package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// maxMargin and marginShare say how long before its end a token is renewed: five minutes, or a fifth of a life
	// that is shorter than 25 minutes, so that a token living shorter than the margin doesn't renew without end.
	maxMargin   = 5 * time.Minute
	marginShare = 5
	// failureHold keeps the outcome of a failed renewal, so that many callers in a row don't each send their own.
	failureHold = time.Second
)

// Options configures a Source. Refresh and Store are required.
type Options struct {
	Refresh RefreshFunc
	Store   Store
	// Server, if not "", makes New leave out kept tokens of another server.
	Server string
}

// Source holds the tokens and renews them. It may be used concurrently.
type Source struct {
	opts   Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // renewals and watchers
	// storing is the lock of the store's writes, held while one is under way: without it a slow Save could land after
	// the Delete of a later Logout. Always taken before mu.
	storing chan struct{}

	mu      sync.Mutex // guards what follows; never held over I/O
	closed  bool
	cur     Tokens
	made    time.Time // when cur was adopted in this process
	gen     int       // counts sign-ins and sign-outs, so that a late reply can't overwrite a newer session
	flight  *renewal
	change  Change
	changed chan struct{} // closed and replaced with each change
}

// renewal is one refresh on its way; err and token are set when done is closed.
type renewal struct {
	gen   int // of the session that it is for
	old   Tokens
	done  chan struct{}
	err   error
	token string
}

// New makes a source with what the store kept. It starts nothing; end it with Close.
func New(o Options) (*Source, error) {
	if o.Refresh == nil || o.Store == nil {
		return nil, errors.New("token: Options.Refresh and Options.Store are required")
	}
	s := &Source{opts: o, changed: make(chan struct{}), storing: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	kept, ok, err := (keeper{o.Store}).Load()
	if err != nil {
		return nil, fmt.Errorf("load session: %w", err)
	}
	if ok && kept.Access != "" && (o.Server == "" || kept.Server == o.Server) {
		s.cur = kept
		s.change = Change{State: Fresh, Reason: "kept session"}
	}
	return s, nil
}

// Close ends renewals and watches and waits for them. What the store keeps stays.
func (s *Source) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	return nil
}

// Generation names the present session. Set takes it back, so that a sign-in that took long can't overwrite what came
// after it.
func (s *Source) Generation() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gen
}

// Set takes over the tokens of a sign-in that began at gen. If somebody signed in or out since, it changes nothing and
// returns ErrChanged.
func (s *Source) Set(gen int, t Tokens) error {
	if t.Access == "" {
		return errors.New("token: Set without an access token")
	}
	return s.adopt(gen, t, "")
}

// adopt takes over and keeps t if the session is still that of gen; renewed says why, "" is a sign-in, which begins a
// new session.
func (s *Source) adopt(gen int, t Tokens, renewed string) error {
	if t.Lifetime <= 0 && !t.Expiry.IsZero() {
		t.Lifetime = time.Until(t.Expiry)
	}
	s.storing <- struct{}{}
	defer func() { <-s.storing }()
	s.mu.Lock()
	if s.gen != gen {
		s.mu.Unlock()
		return ErrChanged
	}
	reason := renewed
	if renewed == "" {
		s.gen++
		reason = "signed in"
	}
	s.cur, s.made = t, time.Now()
	s.setLocked(Fresh, reason)
	s.mu.Unlock()
	if err := (keeper{s.opts.Store}).Save(t); err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	return nil
}

// forget deletes what is kept, unless somebody signed in since gen.
func (s *Source) forget(gen int) error {
	s.storing <- struct{}{}
	defer func() { <-s.storing }()
	s.mu.Lock()
	newer := s.gen != gen
	s.mu.Unlock()
	if newer {
		return nil // it saved its own tokens, or deleted ours
	}
	if err := (keeper{s.opts.Store}).Delete(); err != nil {
		return fmt.Errorf("forget session: %w", err)
	}
	return nil
}

// setLocked publishes a change.
func (s *Source) setLocked(state State, reason string) {
	if s.change.State == state && state != Fresh {
		return
	}
	s.change = Change{State: state, Reason: reason}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Logout forgets the session here at once and returns what it was, so that the server can be told.
func (s *Source) Logout() (Tokens, error) {
	s.mu.Lock()
	was := s.cur
	s.gen++
	gen := s.gen
	s.cur = Tokens{}
	s.setLocked(None, "signed out")
	s.mu.Unlock()
	return was, s.forget(gen)
}

// Tokens returns the present tokens; ok is false if nobody is signed in.
func (s *Source) Tokens() (t Tokens, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur, s.cur.Access != ""
}

// String names the session without its secrets.
func (s *Source) String() string {
	t, _ := s.Tokens()
	return t.String()
}

// Format prints String whatever the verb, so that no %+v shows what the source holds.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// State returns the last change.
func (s *Source) State() Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}

// Watch delivers the present state at once and then each newer one until ctx or the source ends; then the channel is
// closed. A slow reader gets the newest.
func (s *Source) Watch(ctx context.Context) <-chan Change {
	out := make(chan Change)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		close(out)
		return out
	}
	now, next := s.change, s.changed
	s.wg.Go(func() {
		defer close(out)
		for to := out; ; {
			select {
			case to <- now:
				to = nil // nothing to say until the next change
				continue
			case <-next:
			case <-ctx.Done():
				return
			case <-s.ctx.Done():
				return
			}
			to = out
			s.mu.Lock()
			now, next = s.change, s.changed
			s.mu.Unlock()
		}
	})
	return out
}
