package profile_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/inbox/inboxtest"
	"github.com/chatsdk/chatsdk/profile"
)

func TestInboxStore(t *testing.T) {
	inboxtest.RunStore(t, func(t *testing.T) inboxtest.Open {
		dir, p := t.TempDir(), (*profile.Profile)(nil)
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		return func() inbox.Store {
			if p != nil {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
			var err error
			if p, err = profile.Open(dir); err != nil {
				t.Fatal(err)
			}
			return p.Inbox()
		}
	})
}
