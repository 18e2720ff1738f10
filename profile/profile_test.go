package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/profile"
)

var _ chatsdk.Store = (*profile.Profile)(nil)

func open(t *testing.T, dir string) *profile.Profile {
	t.Helper()
	p, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestDeviceIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	p := open(t, dir)
	first, err := p.Device()
	if err != nil || first == "" {
		t.Fatal(first, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if second, _ := open(t, dir).Device(); second != first {
		t.Errorf("device was %s and is %s", first, second)
	}
}

func TestSecondOpeningSaysWhoHoldsIt(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := profile.Open(dir)
	var locked *profile.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, profile.ErrLocked) {
		t.Fatal(err)
	}
	if locked.PID != os.Getpid() || locked.Program == "" || locked.Since.IsZero() {
		t.Errorf("%+v", locked)
	}
}

// TestExistsLooksOnly tells a folder with a profile, or with what is left of one, from others, and changes nothing.
func TestExistsLooksOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	wants := func(want bool) {
		t.Helper()
		if is, err := profile.Exists(dir); is != want || err != nil {
			t.Errorf("exists: %v, %v", is, err)
		}
	}
	wants(false)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	wants(false)
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	p := open(t, dir)
	wants(true)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, profile.FileName)); err != nil {
		t.Fatal(err)
	}
	wants(true) // Open says what is wrong with it
	dir = filepath.Join(dir, profile.FileName+"x")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if is, err := profile.Exists(dir); is || err == nil {
		t.Errorf("a file: %v, %v", is, err)
	}
}
