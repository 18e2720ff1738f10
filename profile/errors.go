package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
)

// What can be wrong with a profile. An *Error matches one of them.
var (
	// ErrLocked says that another process, or another part of this one, has the profile open. It is a *LockedError.
	ErrLocked = errors.New("profile: in use")
	// ErrNewer says that a newer program wrote the profile.
	ErrNewer = errors.New("profile: written by a newer program")
	// ErrCorrupt says that the database is damaged. Rescue saves what can be read.
	ErrCorrupt = errors.New("profile: damaged")
	// ErrReadOnly says that the folder or the database can't be written, or not even be opened.
	ErrReadOnly = errors.New("profile: can't be written")
	// ErrDiskFull says that nothing can be written until there is space. What was written before stays.
	ErrDiskFull = errors.New("profile: disk full")
	// ErrDisk says that reading or writing failed below the database. The write may or may not have been kept.
	ErrDisk = errors.New("profile: disk error")
	// ErrOwned says that the profile is another user's, or for another server. It is an *OwnerError.
	ErrOwned = errors.New("profile: somebody else's")
	// ErrClosed is returned by calls on a closed profile. It matches net.ErrClosed too.
	ErrClosed = fmt.Errorf("profile: closed: %w", net.ErrClosed)
)

// hints say what a person can do.
var hints = map[error]string{
	ErrNewer:    "use the newer program, or another profile",
	ErrReadOnly: "it has to be a folder that this user may write, with all that is in it",
	ErrDiskFull: "free some space; nothing that was kept is lost",
	ErrDisk:     "look at the disk's health and the system's log",
}

// Error is what is wrong with a profile.
type Error struct {
	Dir  string
	Kind error // one of this package's sentinels
	Err  error // what the system said
}

// Error says what is wrong, where, and what to do.
func (e *Error) Error() string {
	s := fmt.Sprintf("%v: %s", e.Kind, e.Dir)
	if e.Err != nil {
		s += ": " + strings.TrimPrefix(e.Err.Error(), "sqlite3: ")
	}
	if hint := e.Hint(); hint != "" {
		s += " (" + hint + ")"
	}
	return s
}

// Hint says what a person can do, or is empty.
func (e *Error) Hint() string {
	if errors.Is(e.Kind, ErrCorrupt) {
		return fmt.Sprintf("the file was left as it is; %s writes what can be saved of its queue to messages.jsonl and sets it aside",
			rescueCommand(e.Dir))
	}
	return hints[e.Kind]
}

// rescueCommand is what a person types to call Rescue.
func rescueCommand(dir string) string {
	return "chatsdk outbox export --rescue --profile '" + strings.ReplaceAll(dir, "'", `'\''`) + "' > messages.jsonl"
}

// Unwrap gives the sentinel and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// fail gives an error of the database its sentinel. What the database has no part in is handed back as it is.
func (p *Profile) fail(err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) || errors.Is(err, ErrOwned) {
		return err
	}
	var newer *sqlitefile.NewerError
	if errors.As(err, &newer) {
		return &Error{p.dir, ErrNewer, err}
	}
	switch sqlitefile.KindOf(err) {
	case sqlitefile.Full:
		return &Error{p.dir, ErrDiskFull, err}
	case sqlitefile.ReadOnly:
		return &Error{p.dir, ErrReadOnly, err}
	case sqlitefile.Busy:
		return &LockedError{Dir: p.dir}
	case sqlitefile.Corrupt:
		return &Error{p.dir, ErrCorrupt, err}
	case sqlitefile.Failing:
		return &Error{p.dir, ErrDisk, err}
	case sqlitefile.Closed:
		return ErrClosed
	case sqlitefile.Other:
	}
	return err
}

// folderError is fail for what the operating system said of the folder.
func folderError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR):
		return &Error{dir, ErrReadOnly, err}
	case errors.Is(err, syscall.ENOSPC):
		return &Error{dir, ErrDiskFull, err}
	}
	return &Error{dir, ErrDisk, err}
}
