package server

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
)

const (
	// MinPasswordBytes is the least length of a password (NIST SP 800-63B section 3.1.1).
	MinPasswordBytes = 8
	// MaxPasswordBytes bounds what a login may make the server hash.
	MaxPasswordBytes = 1024
)

var devicePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$`)

func validDevice(s string) bool { return devicePattern.MatchString(s) }

// AddUser makes an account in the server's store. See the function AddUser.
func (s *Server) AddUser(ctx context.Context, name, password string) error {
	return AddUser(ctx, s.cfg.Store, s.cfg.Argon, name, password)
}

// AddUser makes an account; it may run in another process than the server. The zero Argon means DefaultArgon. The error
// wraps ErrExists if the name is taken; it never holds the password.
func AddUser(ctx context.Context, store UserStore, argon Argon, name, password string) error {
	if argon == (Argon{}) {
		argon = DefaultArgon()
	}
	if err := argon.check(); err != nil {
		return err
	}
	if !wire.ValidName(name) {
		return fmt.Errorf("server: user name %q: %s", name, wire.NameRule)
	}
	if err := checkPassword(password); err != nil {
		return err
	}
	err := store.AddUser(ctx, User{Name: name, PasswordHash: argon.hash(password), CreatedAt: time.Now()})
	if err != nil {
		return fmt.Errorf("add user %s: %w", name, err)
	}
	return nil
}

func checkPassword(p string) error {
	switch {
	case len(p) < MinPasswordBytes:
		return fmt.Errorf("server: the password is shorter than %d bytes", MinPasswordBytes)
	case len(p) > MaxPasswordBytes:
		return fmt.Errorf("server: the password is longer than %d bytes", MaxPasswordBytes)
	}
	return nil
}

// PasswordFromFile takes a password out of a file's content: the line end that editors add doesn't count.
func PasswordFromFile(content []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
}

// AddChannel makes a channel; members are names, whether or not they have accounts yet. The error wraps ErrExists if
// the name is taken.
func (s *Server) AddChannel(ctx context.Context, name string, private bool, members []string) error {
	return s.addChannel(ctx, Channel{Name: name, Private: private}, members)
}

// errInvalidName is for callers that answer it as a bad request.
var errInvalidName = errors.New("server: " + wire.NameRule)

func (s *Server) addChannel(ctx context.Context, c Channel, members []string) error {
	for _, n := range append([]string{c.Name}, members...) {
		if !wire.ValidName(n) {
			return errInvalidName
		}
	}
	c.CreatedAt = storedTime()
	if err := s.cfg.Store.AddChannel(ctx, c, members); err != nil {
		return fmt.Errorf("add channel %s: %w", c.Name, err)
	}
	return nil
}

// storedTime is the present as every store can keep it: UTC, to the millisecond.
func storedTime() time.Time { return time.Now().UTC().Truncate(storedUnit) }

// storedUnit is what times are kept to.
const storedUnit = time.Millisecond
