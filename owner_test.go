package chatsdk_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/profile"
)

var _ chatsdk.Claimer = (*profile.Profile)(nil)

func TestProfileIsOneUsers(t *testing.T) { holds(t, oneUsersProfile) }

// oneUsersProfile signs another user in on a profile that holds what its user was told in a private channel: he is
// refused, as often as he tries and in later runs too.
func oneUsersProfile(t *testing.T, h *host) error {
	dir := t.TempDir()
	var first, later error
	onProfile(t, h, dir, func(c *chatsdk.Client) {
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		c.Connect()
		if err := errors.Join(c.CreateChannel(t.Context(), "secret", true), c.Join("secret")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send(t.Context(), "secret", "for ada alone"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if n, err := secrets(t, c); n != 1 {
			t.Fatalf("ada keeps %d messages, %v", n, err)
		}
		if err := c.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		first = errors.Join(refused(t, c), refused(t, c))
	})
	onProfile(t, h, dir, func(c *chatsdk.Client) { later = refused(t, c) })
	onProfile(t, h, dir, func(c *chatsdk.Client) {
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			later = errors.Join(later, fmt.Errorf("ada herself: %w", err))
		}
		if n, err := secrets(t, c); n != 1 {
			later = errors.Join(later, fmt.Errorf("ada keeps %d messages, %w", n, err))
		}
	})
	return errors.Join(first, later)
}

// onProfile runs f with a client on the profile in dir.
func onProfile(t *testing.T, h *host, dir string, f func(c *chatsdk.Client)) {
	t.Helper()
	store, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := h.open(t, store, nil)
	f(c)
	if err := errors.Join(c.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
}

func secrets(t *testing.T, c *chatsdk.Client) (int, error) {
	t.Helper()
	kept, err := c.History(t.Context(), "secret", 0, 50)
	return len(kept), err
}

// refused signs bob in on ada's profile.
func refused(t *testing.T, c *chatsdk.Client) error {
	t.Helper()
	err := c.SignIn(t.Context(), "bob", password)
	var claim *chatsdk.ClaimError
	var owner *profile.OwnerError
	if !errors.As(err, &claim) || claim.User != "bob" || !errors.Is(err, profile.ErrOwned) || !errors.As(err, &owner) || owner.User != "ada" {
		n, _ := secrets(t, c)
		return fmt.Errorf("bob signs in on ada's profile and reads %d of her messages: %v", n, err) //nolint:errorlint // it may be nil
	}
	if user, _, ok := c.Session(); ok {
		return fmt.Errorf("%s is signed in", user)
	}
	return nil
}
