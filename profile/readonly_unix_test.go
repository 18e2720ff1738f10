//go:build unix

package profile_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/chatsdk/chatsdk/profile"
)

// TestFolderThatCantBeWritten runs as a user without rights where this one has them all.
func TestFolderThatCantBeWritten(t *testing.T) {
	if dir := os.Getenv("CHATSDK_TEST_READONLY"); dir != "" {
		_, err := profile.Open(dir)
		var e *profile.Error
		if !errors.Is(err, profile.ErrReadOnly) || !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%s: %v", dir, err)
		}
		return
	}
	full, empty := filled(t, 3), t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := profile.Open(file); !errors.Is(err, profile.ErrReadOnly) {
		t.Errorf("a file: %v", err)
	}
	before := content(t, full)
	for _, dir := range []string{full, empty, filepath.Join(empty, "below")} {
		if dir == full || dir == empty {
			for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
				if err := os.Chmod(d, 0o555); err != nil {
					t.Fatal(err)
				}
			}
		}
		asOther(t, dir)
	}
	for _, dir := range []string{full, empty} {
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			_ = os.Chmod(d, 0o755)
		}
	}
	if !maps.Equal(content(t, full), before) {
		t.Error("something of it was changed")
	}
}

// asOther runs the test for dir in a process of a user that owns nothing, or of this one if it isn't root.
func asOther(t *testing.T, dir string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestFolderThatCantBeWritten$")
	cmd.Env = append(os.Environ(), "CHATSDK_TEST_READONLY="+dir)
	if os.Getuid() == 0 {
		open := filepath.Join(t.TempDir(), "test") // where that user may run it
		b, err := os.ReadFile(exe)
		if err == nil {
			err = os.WriteFile(open, b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		for d := filepath.Dir(open); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Path, cmd.Dir = open, os.TempDir()
		if info, err := os.Stat(os.TempDir()); err != nil || info.Mode()&0o001 == 0 {
			t.Fatalf("%s can't be reached by a user without rights: chmod o+x it, or set TMPDIR to another folder (%v)", os.TempDir(), err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", dir, err, out)
	}
}
