package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// The lock is on one file; who holds it stands in another, since a locked file can't be read everywhere.
const (
	lockName   = "profile.lock"
	holderName = "profile.holder"
)

// maxHolderBytes bounds what is read of a holder's file.
const maxHolderBytes = 4096

// LockedError says who has the profile open, as far as that is known. It matches ErrLocked.
type LockedError struct {
	Dir     string
	PID     int       // 0 if not known
	Program string    // name of its executable, or empty
	Since   time.Time // zero if not known
	// Server and User say whose profile it is, or are empty: not known, or nobody's yet.
	Server, User string
}

// Error says who holds the profile and what to do.
func (e *LockedError) Error() string {
	who := "another process"
	switch {
	case e.PID == os.Getpid():
		who = "this process already"
	case e.PID != 0:
		who = fmt.Sprintf("%s (process %d, since %s)", e.Program, e.PID, e.Since.Format(time.DateTime))
	}
	return fmt.Sprintf("%v: %s is open in %s (%s)", ErrLocked, e.Dir, who, e.Hint())
}

// Hint says what a person can do.
func (e *LockedError) Hint() string {
	if e.PID == os.Getpid() {
		return "share the open profile, or close it first"
	}
	return "end that program first, or use another profile"
}

// Unwrap gives ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// holder is what the holder's file says.
type holder struct {
	PID     int       `json:"pid"`
	Program string    `json:"program"`
	Since   time.Time `json:"since"`
	Server  string    `json:"server,omitempty"` // whose the profile is, for who wants to hand something over
	User    string    `json:"user,omitempty"`
}

// hold is a held lock.
type hold struct {
	lock *flock.Flock
	dir  string
	me   holder
}

// take locks the folder dir, or says who has.
func take(dir string) (*hold, error) {
	lock := flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, folderError(dir, err)
	}
	if !ok {
		return nil, lockedBy(dir)
	}
	was := lockedBy(dir) // whose it is stays known while the database can't be read
	me := holder{PID: os.Getpid(), Since: time.Now(), Server: was.Server, User: was.User}
	if exe, err := os.Executable(); err == nil {
		me.Program = filepath.Base(exe)
	}
	h := &hold{lock, dir, me}
	if err := h.tell(); err != nil {
		return nil, errors.Join(folderError(dir, err), lock.Unlock())
	}
	return h, nil
}

// tell writes who holds the lock.
func (h *hold) tell() error {
	text, err := json.Marshal(h.me)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.dir, holderName), text, 0o600)
}

// owned says whose profile it is, or with empty texts that it is nobody's. Where that can't be written nobody hears of it, which only costs them a hint.
func (h *hold) owned(server, user string) {
	if h == nil || h.me.Server == server && h.me.User == user {
		return
	}
	h.me.Server, h.me.User = server, user
	_ = h.tell()
}

// lockedBy reads who holds the lock. The file may be half written, or of somebody before: then less is known.
func lockedBy(dir string) *LockedError {
	e := &LockedError{Dir: dir}
	path := filepath.Join(dir, holderName)
	if info, err := os.Stat(path); err != nil || info.Size() > maxHolderBytes {
		return e
	}
	var h holder
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &h) == nil {
		e.PID, e.Program, e.Since, e.Server, e.User = h.PID, h.Program, h.Since, h.Server, h.User
	}
	return e
}

// release lets the folder go. The lock's file stays: removing it would let two processes lock two files of one name.
func (h *hold) release() error {
	if err := h.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock profile: %w", err)
	}
	return nil
}

// syncFolder makes entries of a folder survive power loss, where a folder can be opened.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
