package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// TestDamageUndoesNoSignOut: after a sign-out, or another person's sign-in, the file is damaged and a new process starts.
// It must not bring the session back that has ended, and nothing of that one may lie about.
func TestDamageUndoesNoSignOut(t *testing.T) {
	if err := checkDamageAfterSignOut(t.Context(), t.TempDir()); err != nil {
		t.Error(err)
	}
}

func checkDamageAfterSignOut(ctx context.Context, dir string) error {
	for name, end := range map[string]func(*token.Source) error{
		"sign-out": func(s *token.Source) error { _, err := s.Logout(ctx); return err },
		"another account": func(s *token.Source) error {
			return s.Set(ctx, token.Tokens{User: "bob", Access: token.NewSecret("of-bob"), Lifetime: time.Hour})
		},
		"the same again": func(s *token.Source) error { // as bob
			return s.Set(ctx, token.Tokens{User: "ada", Access: token.NewSecret("of-bob"), Lifetime: time.Hour})
		},
	} {
		path := filepath.Join(dir, name, "session")
		store, err := token.NewFile(path)
		if err != nil {
			return err
		}
		i := &issuer{life: time.Hour}
		o := token.Options{Refresh: i.refresh, Store: store}
		s, err := token.New(o)
		if err != nil {
			return err
		}
		err = errors.Join(s.Set(ctx, made(0, time.Hour)), s.Set(ctx, made(1, time.Hour)), end(s), s.Close())
		if err != nil {
			return err
		}
		if err := nothingOf(secretPart, filepath.Dir(path)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
			return err
		}
		fresh, err := token.New(o)
		if err != nil {
			return err
		}
		got, err := fresh.Token(ctx)
		signedOut := name == "sign-out"
		if strings.Contains(got, secretPart) || signedOut != errors.Is(err, token.ErrNotSignedIn) || !signedOut && got != "of-bob" {
			return fmt.Errorf("%s, damaged: a token %t, %w", name, got != "", err)
		}
		if err := fresh.Close(); err != nil {
			return err
		}
	}
	return nil
}

// nothingOf looks for a text in every file of a folder.
func nothingOf(text, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if bytes.Contains(content, []byte(text)) {
			return fmt.Errorf("%s still holds tokens", e.Name())
		}
	}
	return nil
}

// TestSignOutThatIsBrokenOffLeavesNoCopy: wherever the write breaks off, what can be restored is of the session that the
// file names.
func TestSignOutThatIsBrokenOffLeavesNoCopy(t *testing.T) {
	for point, signedIn := range map[string]bool{"before rename": true, "after rename": false} {
		path := filepath.Join(t.TempDir(), "session")
		i := &issuer{life: time.Hour}
		o := token.Options{Refresh: i.refresh, Store: openFile(t, path)}
		s, err := token.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Set(t.Context(), made(0, time.Hour)), s.Set(t.Context(), made(1, time.Hour))); err != nil {
			t.Fatal(err)
		}
		restore := token.BreakWrites(point, errors.New("broken off"))
		if _, err := s.Logout(t.Context()); err == nil {
			t.Errorf("%s: not told", point)
		}
		restore()
		_ = s.Close()
		if _, err := os.Stat(path + ".prev"); err == nil {
			t.Errorf("%s: a copy is left", point)
		}
		again, err := token.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := again.Tokens(); ok != signedIn {
			t.Errorf("%s: signed in %v", point, ok)
		}
		_ = again.Close()
	}
}

// TestLeftoversOfACrashAreRemoved: a process that was killed between making a file and renaming it leaves tokens behind.
func TestLeftoversOfACrashAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "session")
	s := openFile(t, path)
	if _, err := s.CompareAndSwap(t.Context(), 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	gone := []string{".session.123", ".session.prev.4", ".session.damaged.56"}
	stay := []string{".session.other.123", ".session.", ".session.x", ".sessions.1", "session.123", ".session.12a"}
	for _, name := range append(gone, stay...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secretPart), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	held := token.LockWrites(t, s)
	openFile(t, path)
	for _, name := range append(gone, stay...) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("removed while somebody writes: %v", err)
		}
	}
	held()
	openFile(t, path)
	for _, name := range gone {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range stay {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if data, _, err := s.Load(t.Context()); string(data) != "x" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// TestAnotherProcessesSignOutIsSeenSoon: two sources on one file, of which one signs out, and then in as somebody else.
func TestAnotherProcessesSignOutIsSeenSoon(t *testing.T) {
	if err := checkSignOutIsSeen(t.Context(), t.TempDir()); err != nil {
		t.Error(err)
	}
}

func checkSignOutIsSeen(ctx context.Context, dir string) error {
	path := filepath.Join(dir, "session")
	var sources []*token.Source
	for range 2 {
		store, err := token.NewFile(path)
		if err != nil {
			return err
		}
		s, err := token.New(token.Options{Refresh: (&issuer{life: time.Hour}).refresh, Store: store})
		if err != nil {
			return err
		}
		defer s.Close()
		if err := s.Start(); err != nil {
			return err
		}
		sources = append(sources, s)
	}
	steps := map[token.State]func() error{
		token.Fresh: func() error { return sources[0].Set(ctx, made(0, time.Hour)) },
		token.None:  func() error { _, err := sources[0].Logout(ctx); return err },
	}
	for _, want := range []token.State{token.Fresh, token.None, token.Fresh} {
		if err := steps[want](); err != nil {
			return err
		}
		began := time.Now()
		seen, stop := context.WithTimeout(ctx, 10*time.Second)
		for change := range sources[1].Watch(seen) {
			if change.State == want {
				break
			}
		}
		late := seen.Err()
		stop()
		if late != nil {
			return fmt.Errorf("%v isn't seen after %v", want, time.Since(began))
		}
	}
	return nil
}
