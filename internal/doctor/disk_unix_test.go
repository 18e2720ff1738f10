//go:build unix

package doctor_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/doctor"
)

// TestFolderThatCantBeWritten has a sound profile in a folder without the right to write, and one that can't be entered.
// Where this user may write everywhere, a process of another one looks.
func TestFolderThatCantBeWritten(t *testing.T) {
	const env = "CHATSDK_TEST_UNWRITABLE"
	if dir := os.Getenv(env); dir != "" {
		r := doctor.Run(t.Context(), doctor.Options{Profile: dir})
		wants(t, r, doctor.Disk, doctor.Failed, doctor.FaultConfig, "can't be written: permission denied", "this user may write")
		skips(t, r, "since disk failed", doctor.Session)
		return
	}
	base, err := os.MkdirTemp("", "doctor") //nolint:usetesting // t.TempDir's parents can't be entered by others
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "profile")
	defer func() {
		if err := errors.Join(os.Chmod(dir, 0o700), os.RemoveAll(base)); err != nil {
			t.Error(err)
		}
	}()
	keep(t, dir, "http://"+name, "ada", time.Hour)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	copied := filepath.Join(base, "doctor.test")
	if err := errors.Join(err, os.WriteFile(copied, program, 0o755), os.Chmod(base, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o555, 0o000} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(copied, "-test.run=^TestFolderThatCantBeWritten$")
		cmd.Env, cmd.Dir = append(os.Environ(), env+"="+dir), base
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", mode, err, out)
		}
	}
}
