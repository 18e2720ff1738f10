package inbox_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/inbox/inboxtest"
)

func TestMemory(t *testing.T) {
	inboxtest.RunStore(t, func(*testing.T) inboxtest.Open {
		s := inbox.NewMemory()
		return func() inbox.Store { return s }
	})
}
