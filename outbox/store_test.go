package outbox_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/outbox/outboxtest"
)

func TestMemoryStore(t *testing.T) {
	outboxtest.RunStore(t, func(*testing.T) outboxtest.Open {
		s := outbox.NewMemory()
		return func() outbox.Store { return s }
	})
}
