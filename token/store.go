package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// ErrConflict is returned by Store.CompareAndSwap if the store keeps another version by now.
var ErrConflict = errors.New("token: the stored session changed meanwhile")

// Store keeps one session in a form that only this package reads. Any number of sources, in one process or in many, may
// share what a store keeps: the version tells them apart, the lock keeps them from refreshing side by side. The methods
// may be called concurrently.
type Store interface {
	// Load returns what is kept and its version, or nil and 0 if nothing was ever kept. The data is the caller's own.
	// Something that is kept but can't be read is an error, never "nothing": a *DamagedError where it was set aside.
	Load(ctx context.Context) (data []byte, version uint64, err error)

	// CompareAndSwap keeps data instead of version, 0 being the empty store, and returns its version, which is higher
	// than any before. It returns when the data would survive a loss of power, and ErrConflict, having changed nothing,
	// if what is kept is another version. After any other error either is possible. It never waits for Lock.
	CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error)

	// Lock waits for the lock that one holder has at a time, among all processes, until ctx ends. The operating system
	// frees it when its holder dies. It isn't reentrant. unlock may be called more than once.
	Lock(ctx context.Context) (unlock func(), err error)
}

// DamagedError says that a stored session could not be read. Whether the person is still signed in at the server is not
// known; what was found is kept for whoever wants to look.
type DamagedError struct {
	SetAside string // where the damaged data lies now, or "" if it was left where it is
	Restored bool   // the copy before it took its place: Load again
	Err      error  // what was wrong with it
}

// Error says what was found and what follows.
func (e *DamagedError) Error() string {
	s := fmt.Sprintf("token: the stored session is damaged (%v)", e.Err)
	if e.SetAside != "" {
		s += "; it was set aside as " + e.SetAside
	}
	if e.Restored {
		return s + "; the copy before it is used"
	}
	return s + "; sign in again"
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Is makes it match ErrDamaged.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// NewMemory returns a store that forgets with the process. Sources that are to share a session share the store.
func NewMemory() Store { return &memory{lock: make(chan struct{}, 1)} }

// memory is the store of NewMemory.
type memory struct {
	lock chan struct{} // holds one value while it is held

	mu      sync.Mutex // guards what follows
	data    []byte
	version uint64
}

var _ Store = (*memory)(nil)

// Format names the type only: %+v would reach the tokens.
func (m *memory) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "token.NewMemory()") }

func (m *memory) Load(ctx context.Context) ([]byte, uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.data), m.version, nil
}

func (m *memory) CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.version != version {
		return 0, ErrConflict
	}
	m.data = slices.Clone(data)
	m.version++
	return m.version, nil
}

func (m *memory) Lock(ctx context.Context) (func(), error) {
	select {
	case m.lock <- struct{}{}:
		return sync.OnceFunc(func() { <-m.lock }), nil
	default:
	}
	select {
	case m.lock <- struct{}{}:
		return sync.OnceFunc(func() { <-m.lock }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
