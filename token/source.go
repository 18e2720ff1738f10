package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/internal/backoff"
	"github.com/chatsdk/chatsdk/internal/notify"
)

// Rotation says what the authorization server does with a refresh token that it has replaced.
type Rotation int

const (
	// RetrySafe servers answer a refresh whose reply was lost when it is sent again, for as long as the new tokens
	// weren't used (FAPI 2.0 5.3.2.1), or don't replace refresh tokens. It is the default.
	RetrySafe Rotation = iota
	// Strict servers end the session when a replaced refresh token comes again. After a reply was lost it is asked for
	// once more within 5 s, which a grace period may cover, and then not before the access token's end.
	Strict
)

// Options configures a Source. Refresh and Store are required; the zero value of everything else works.
type Options struct {
	Refresh RefreshFunc
	Store   Store

	// Server, if not "", makes a kept session of another Tokens.Server count as none.
	Server string

	// Margin is how long before its end a token is refreshed, at most a fifth of its life. Up to a quarter of it is added
	// at random. Defaults to 5m.
	Margin time.Duration

	// Rotation defaults to RetrySafe.
	Rotation Rotation

	// AttemptTimeout bounds one call of Refresh. Defaults to 15s.
	AttemptTimeout time.Duration

	// EndCodes are error codes with which the server ends a session, beside invalid_grant and other usual ones.
	EndCodes []string

	// OnRefresh is told of tokens that a refresh brought, after they were kept and are handed out: in order, outside of
	// locks. It may call the source, but not Close. nil means nobody.
	OnRefresh func(Tokens)

	// Revoke is asked to end tokens at the server that came too late: after a logout, or after somebody else signed in.
	// Its error is ignored. nil means that nothing is done about them.
	Revoke func(ctx context.Context, late Tokens) error

	// Online says whether there is a network. While it says no, no refresh is sent: it is asked before each, by several
	// goroutines, and must not block. Tell NetworkChanged when there is one again. nil means that there always is.
	Online func() bool

	// Now is the wall clock. Defaults to time.Now.
	Now func() time.Time

	// Rand is the source of jitter. nil means one that is seeded at random.
	Rand *rand.Rand

	// Logger takes each change. nil means nothing is logged.
	Logger *slog.Logger
}

const defaultAttemptTimeout = 15 * time.Second

func (o Options) withDefaults() (Options, error) {
	if o.Refresh == nil || o.Store == nil {
		return o, errors.New("token: Options.Refresh and Options.Store are required")
	}
	if o.Margin <= 0 {
		o.Margin = defaultMargin
	}
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = defaultAttemptTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Rand = backoff.Rand(o.Rand)
	return o, nil
}

// Source holds the tokens of one session and refreshes them. It may be used concurrently. Make one with New, let it
// refresh ahead with Start or Run, end it with Close. Without Start it refreshes when somebody asks for a token.
type Source struct {
	opts   Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the schedule, refreshes, calls of the application's code, revocations
	hub    *notify.Hub[Change]
	wake   chan struct{} // one value: the schedule looks again
	// storing is the lock of load, compare and swap, so that what is in memory follows the store's order. Always taken
	// before mu, never held over a request.
	storing chan struct{}
	live    atomic.Pointer[live] // what Token reads; written under mu

	mu       sync.Mutex // guards what follows; never held over I/O
	closed   bool
	state    State
	change   Change
	rec      record
	version  uint64 // of the store when it was last looked at
	unsaved  bool   // rec isn't in the store
	turn     int    // counts sign-ins and sign-outs that this source knows of
	flight   *flight
	failures int       // in a row
	unclear  int       // of them, those that may be a matter of settings
	slot     time.Time // no refresh before it, by the monotonic clock
	limited  bool      // slot is there to spare a strict server's grant
	lastErr  error     // of the last refresh
	guard    guard
	guarded  time.Time               // no refresh before it, since the server refuses new tokens
	restart  context.CancelCauseFunc // of the request that is out, or nil
	asked    time.Time               // when that was sent
	kicked   time.Time               // when NetworkChanged last counted
	clock    clock
	issued   issued
	ownKey   string    // the idempotency key that this source made last
	told     time.Time // the session's end that was told
	calls    []func()  // of the application's code, in order
	calling  bool
}

// live are the tokens that are handed out.
type live struct {
	access    string
	due, over int64     // by the wall clock, in nanoseconds; over is the largest number if it isn't known
	born      time.Time // when this source refreshed them; zero if it didn't
	gen       uint64
	taken     atomic.Bool // a server took it
	// sure says that a look at the wall clock found it before due and over a moment ago; doubt ends that.
	sure  atomic.Bool
	doubt *time.Timer
}

// handOut makes l what Token reads.
func (s *Source) handOut(l *live) {
	l.doubt = time.AfterFunc(vouchFor, func() { l.sure.Store(false) })
	l.doubt.Stop() // until a look at the clock sets it
	s.live.Store(l)
}

// New makes a source with what the store kept. It starts nothing. A damaged store is no error here: Token returns it
// (ErrDamaged) until somebody signs in.
func New(o Options) (*Source, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	first := Change{Reason: ReasonStart, At: time.Now()}
	s := &Source{
		opts: o, wake: make(chan struct{}, 1), storing: make(chan struct{}, 1), change: first,
		hub: notify.New(first, mergeChanges),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		s.cancel()
		return nil, fmt.Errorf("load session: %w", err)
	}
	return s, nil
}

// Start begins to refresh ahead of each token's end, until Close.
func (s *Source) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.wg.Go(func() { s.schedule(s.ctx) })
	return nil
}

// Run is Start that returns when ctx or the source ends.
func (s *Source) Run(ctx context.Context) error {
	if s.isClosed() {
		return ErrClosed
	}
	s.schedule(ctx)
	if s.isClosed() {
		return ErrClosed
	}
	return ctx.Err()
}

// Close ends refreshes and watches and waits for them. What the store keeps stays. A request under way is given up,
// which the next start mends, except with a Strict server: there it is waited for.
func (s *Source) Close() error {
	s.mu.Lock()
	s.closed = true
	s.live.Store(nil)
	f := s.flight
	wait := f != nil && f.asking && s.opts.Rotation == Strict
	s.mu.Unlock()
	if wait {
		<-f.done // bounded by AttemptTimeout and the save
	}
	s.cancel()
	s.wg.Wait()
	s.hub.Close()
	return nil
}

func (s *Source) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// now is the wall clock.
func (s *Source) now() time.Time {
	if s.opts.Now == nil {
		return time.Now()
	}
	return s.opts.Now()
}

// Turn names the present session. SetAt takes it back, so that a sign-in that took long can't overwrite what came after
// it.
func (s *Source) Turn() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turn
}

// Set takes over the tokens of a sign-in, and keeps them before it hands them out. If keeping fails they are handed out
// all the same, and the error says that they will be lost with the process.
func (s *Source) Set(ctx context.Context, t Tokens) error { return s.SetAt(ctx, s.Turn(), t) }

// SetAt is Set for a sign-in that began at turn. If somebody signed in or out since, it changes nothing and returns
// ErrChanged.
func (s *Source) SetAt(ctx context.Context, turn int, t Tokens) error {
	if !sendable(t.Access.Reveal()) {
		return errors.New("token: Set without an access token, or with one that no header can hold")
	}
	now := s.now()
	if t.Lifetime > 0 || t.Expiry.IsZero() || t.Expiry.After(now) {
		t = anchored(t, now, now)
	}
	s.mu.Lock()
	if s.closed || s.turn != turn {
		defer s.mu.Unlock()
		if s.closed {
			return ErrClosed
		}
		return ErrChanged
	}
	s.turn++ // from here on nothing that was under way counts
	turn = s.turn
	s.mu.Unlock()

	next := record{ID: newKey(), Gen: 1, Tokens: t}
	return s.replace(ctx, turn, next, event{in: inSet, born: t.Expiry.IsZero() || t.Expiry.After(now), reason: ReasonSignedIn})
}

// Logout forgets the session here at once, whatever the store does, and returns what it was, so that the server can be
// told. An error says that the store still keeps it; a started source tries on.
func (s *Source) Logout(ctx context.Context) (Tokens, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Tokens{}, ErrClosed
	}
	was := s.rec.Tokens
	s.turn++
	turn := s.turn
	next := record{Epoch: s.rec.Epoch + 1, ID: newKey()}
	s.unsaved = true // until replace has kept it
	s.applyLocked(event{in: inLogout, rec: next, reason: ReasonSignedOut})
	s.rec = next
	s.mu.Unlock()
	err := s.replace(ctx, turn, next, event{in: inLogout, reason: ReasonSignedOut})
	if errors.Is(err, ErrChanged) {
		err = nil // somebody signed in meanwhile, over what was forgotten
	}
	return was, err
}

// Tokens returns the present tokens, over or not; ok is false if nobody is signed in.
func (s *Source) Tokens() (t Tokens, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rec.Tokens, s.rec.signedIn()
}

// State returns the last change.
func (s *Source) State() Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}

// Watch delivers the last change at once and then each newer one until ctx or the source ends; then the channel is
// closed. What a slow reader hasn't taken is merged.
func (s *Source) Watch(ctx context.Context) <-chan Change { return s.hub.Watch(ctx) }

// NetworkChanged tells that there may be a network again: a refresh that waits after failures is sent now, unless the
// server asked for the wait, and one that has had no answer for a second is sent again, since what was sent into a dead
// network comes through long after the network is back. A source with Options.Rotation Strict only waits. Bursts count
// once a second.
func (s *Source) NetworkChanged() {
	if s.offline() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.kicked.IsZero() && now.Sub(s.kicked) < kickEvery {
		return
	}
	s.kicked = now
	if s.failures > 0 && !s.limited && s.state != ConfigError && (errors.Is(s.lastErr, ErrOffline) || !s.askedToWait()) {
		s.slot = time.Time{}
	}
	if s.restart != nil && now.Sub(s.asked) >= kickEvery && s.opts.Rotation != Strict {
		s.restart(errSendAgain)
	}
	s.nudge()
}

// kickEvery is the shortest time between two words of a changed network that count, and the age from which a request
// without an answer is sent again.
const kickEvery = time.Second

// offline says that there is no network.
func (s *Source) offline() bool {
	return s.opts.Online != nil && !s.opts.Online() && planted != bugRefreshOffline
}

// askedToWait says that the last failure came with a wait that the server asked for.
func (s *Source) askedToWait() bool {
	return s.lastErr != nil && classify(s.lastErr, s.opts.EndCodes).asked
}

// String names the session without its secrets.
func (s *Source) String() string {
	t, _ := s.Tokens()
	return t.String()
}

// Format prints String whatever the verb.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// nudge makes the schedule look again.
func (s *Source) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
