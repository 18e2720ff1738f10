//go:build unix

package profile_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chatsdk/chatsdk/outbox"
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
		asOther(t, "TestFolderThatCantBeWritten", "CHATSDK_TEST_READONLY="+dir)
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

// TestHandedOverByRoot leaves a message that the holder's user may not read, as sudo does: it stays, is told, and holds
// nothing up; once it may be read, it is taken.
func TestHandedOverByRoot(t *testing.T) {
	if dir := os.Getenv("CHATSDK_TEST_HANDED"); dir != "" {
		p := open(t, dir)
		handed, err := p.Outbox().(outbox.Inlet).Handed(t.Context(), 10)
		if err != nil || len(handed) != 1 || handed[0].Entry.Text != "mine" {
			t.Errorf("handed over: %+v, %v", handed, err)
		}
		aside, err := p.Outbox().SetAside(t.Context())
		if err != nil || len(aside) != 1 || !strings.Contains(aside[0].Reason, "permission denied") {
			t.Errorf("set aside: %+v, %v", aside, err)
		}
		return
	}
	dir := t.TempDir()
	for _, text := range []string{"root's", "mine"} {
		if _, err := profile.HandOver(dir, outbox.HandSend, outbox.Entry{Channel: "a", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob(handedIn(dir, "*.json"))
	if err != nil || len(names) != 2 {
		t.Fatal(names, err)
	}
	if err := os.Chmod(names[0], 0); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Dir(names[0]), names[1]} {
		if err := os.Chown(path, nobody(), -1); err != nil {
			t.Fatal(err)
		}
	}
	for d := filepath.Dir(dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	asOther(t, "TestHandedOverByRoot", "CHATSDK_TEST_HANDED="+dir)
	for _, path := range []string{dir, filepath.Dir(names[0]), names[1]} {
		if err := os.Chown(path, os.Getuid(), -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(names[0], 0o600); err != nil {
		t.Fatal(err)
	}
	handed, err := open(t, dir).Outbox().(outbox.Inlet).Handed(t.Context(), 10)
	if err != nil || len(handed) != 2 || handed[0].Entry.Text != "root's" {
		t.Errorf("with the right to read it: %+v, %v", handed, err)
	}
}

// nobody is the user that asOther runs as.
func nobody() int {
	if os.Getuid() == 0 {
		return 65534
	}
	return os.Getuid()
}

// asOther runs a test, told by env what to do, in a process of a user without rights, or of this one if it isn't root.
func asOther(t *testing.T, name, env string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), env)
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
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(nobody()), Gid: 65534}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", env, err, out)
	}
}
