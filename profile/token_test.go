package profile_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/token/tokentest"
)

func TestTokenStore(t *testing.T) {
	tokentest.RunStore(t, func(t *testing.T) tokentest.Open {
		s := open(t, t.TempDir()).Tokens()
		return func() token.Store { return s }
	})
}
