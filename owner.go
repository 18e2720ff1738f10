package chatsdk

import (
	"context"
	"fmt"
)

// Claimer is a Store that belongs to one user of one server, as a profile does: what it keeps of private channels isn't
// for anybody else who signs in on it.
type Claimer interface {
	// Claim makes the store the user's for good. Claiming it again for the same changes nothing; for anybody else it is
	// an error.
	Claim(ctx context.Context, server, user string) error
}

// ClaimError says that a store can't be made a user's: it is somebody else's, or can't be written. Nothing of the user's
// is in it then, and nobody was signed in. Trying again doesn't help; another store does.
type ClaimError struct {
	User string // who wanted it
	Err  error  // the store's; a profile's is a *profile.OwnerError where it is somebody else's
}

// Error names the user and the store's reason.
func (e *ClaimError) Error() string {
	return fmt.Sprintf("chatsdk: the store can't be %s's: %v", e.User, e.Err)
}

// Unwrap gives the store's error.
func (e *ClaimError) Unwrap() error { return e.Err }

// claim makes the store the user's, where it is that kind.
func (c *Client) claim(ctx context.Context, user string) error {
	s, ok := c.opts.Store.(Claimer)
	if !ok || planted == bugUnclaimed {
		return nil
	}
	if err := s.Claim(ctx, c.ep.base.String(), user); err != nil {
		return &ClaimError{User: user, Err: err}
	}
	return nil
}
