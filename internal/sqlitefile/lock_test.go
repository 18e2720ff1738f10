package sqlitefile_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
)

// TestAcquireAfterTheEnd asks for a free lock with a context that ended: it is never given, by chance neither.
func TestAcquireAfterTheEnd(t *testing.T) {
	lock := sqlitefile.NewLock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := lock.Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("acquire: %v", err)
		}
	}
	if err := lock.Acquire(t.Context()); err != nil {
		t.Error(err)
	}
	lock.Release()
}
