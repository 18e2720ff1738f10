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
