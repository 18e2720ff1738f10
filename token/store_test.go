package token_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/token/tokentest"
)

func TestMemoryStore(t *testing.T) {
	tokentest.RunStore(t, func(*testing.T) tokentest.Open {
		s := token.NewMemory()
		return func() token.Store { return s }
	})
}
