package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/profile"
)

const (
	profileFlag  = "profile"
	profileUsage = "folder that keeps the session, the queue and what was received; it is made if it isn't there"
)

// home is where a client keeps its data: a profile, or memory.
type home struct {
	chatsdk.Store
	profile *profile.Profile // or nil
	claimed atomic.Bool
}

// openHome opens the profile in dir. Without one, everything is in memory.
func openHome(dir string) (*home, error) {
	if dir == "" {
		return &home{Store: chatsdk.InMemory()}, nil
	}
	p, err := profile.Open(dir)
	if err != nil {
		return nil, profileError(err)
	}
	return &home{Store: p, profile: p}, nil
}

// profileError gives what is wrong with a profile its exit code. The errors say themselves what to do.
func profileError(err error) error {
	for _, kind := range []error{profile.ErrDiskFull, profile.ErrDisk, profile.ErrCorrupt} {
		if errors.Is(err, kind) {
			return failure(err, "")
		}
	}
	return config(err, "")
}

func (h *home) close() error {
	if h.profile == nil {
		return nil
	}
	return h.profile.Close()
}

// owner says whose profile it is; ok is false if nobody's yet, as always in memory.
func (h *home) owner(ctx context.Context) (server, user string, ok bool, err error) {
	if h.profile == nil {
		return "", "", false, nil
	}
	if server, user, ok, err = h.profile.Owner(ctx); err != nil {
		err = profileError(err)
	}
	return server, user, ok, err
}

// userFor returns who the client is for: the user that was asked for, else whose profile it is. A profile is for one
// user of one server.
func (h *home) userFor(ctx context.Context, server, user string) (string, error) {
	ofServer, ofUser, owned, err := h.owner(ctx)
	switch {
	case err != nil:
		return "", err
	case !owned && user == "":
		return "", &codedError{exitSignedOut, errors.New("not signed in"), "give --user and --password-file"}
	case !owned:
		return user, nil
	case ofServer != server || user != "" && user != ofUser:
		return "", config(&profile.OwnerError{Dir: h.profile.Dir(), Server: ofServer, User: ofUser}, "")
	}
	return ofUser, nil
}

var _ chatsdk.Claimer = (*home)(nil)

// Claim lets the client make the profile the user's when it signs in.
func (h *home) Claim(ctx context.Context, server, user string) error {
	if h.profile == nil {
		return nil
	}
	return h.profile.Claim(ctx, server, user)
}

// claim makes the profile the user's before anything of theirs is queued in it.
func (h *home) claim(ctx context.Context, server, user string) error {
	if h.claimed.Load() {
		return nil
	}
	if err := h.Claim(ctx, server, user); err != nil {
		return fmt.Errorf("claim profile: %w", err)
	}
	h.claimed.Store(true)
	return nil
}
