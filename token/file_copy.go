package token

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ends says that a record ends the session of the one before it: somebody signed out, or in, or the server ended it. What
// can't be read is no record of ours, and ends nothing.
func ends(before, next []byte) bool {
	was, err := decode(before)
	if err != nil || len(before) == 0 {
		return false
	}
	is, err := decode(next)
	return err == nil && (!sameSession(was, is) || !is.signedIn())
}

// copies are the names under which an earlier record may lie.
func (f *file) copies() []string { return []string{f.path + ".prev", f.path + ".prev.new"} }

// dropCopies removes the copies of a session that is about to end, before anything else is written: a crash in between
// may leave no copy, but never one of another session. The caller holds the lock of swaps.
func (f *file) dropCopies() error {
	err := remove(f.copies()...)
	if err == nil {
		err = syncFolder(filepath.Dir(f.path))
	}
	if err != nil {
		return fmt.Errorf("remove the copy of the session before: %w", err)
	}
	return nil
}

// keepCopy makes a copy of a session's first record, which has none before it. Without one damage costs a sign-in, so
// that its failure is none of the write's.
func (f *file) keepCopy(version uint64, data []byte) {
	if is, err := decode(data); err == nil && !is.signedIn() {
		_ = remove(f.path + ".damaged") // a sign-out leaves no tokens, whole or not
	}
	_ = write(f.path+".prev", envelope(version, data))
}

// remove removes files that may not be there.
func remove(paths ...string) error {
	var errs []error
	for _, path := range paths {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweepLimit bounds the wait for the lock of swaps when a store is opened: who holds it may be writing what would be
// swept, and sweeping can wait for the next start.
const sweepLimit = 100 * time.Millisecond

// sweep removes the files of writes that a crash broke off: they hold tokens too.
func (f *file) sweep() error {
	if left, err := f.leftovers(); len(left) == 0 || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), sweepLimit)
	defer cancel()
	unlock, err := f.lock(ctx, ".write")
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	left, err := f.leftovers()
	if err == nil {
		err = remove(left...)
	}
	if err != nil {
		return fmt.Errorf("token: remove what a crash left of the session file: %w", err)
	}
	return nil
}

// leftovers are the temporary files of write, by their names: the file's own, a dot before and a number behind. Those of
// other stores in the folder, whose names may begin like ours, stay.
func (f *file) leftovers() ([]string, error) {
	dir, base := filepath.Split(f.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("token: look for what a crash left of the session file: %w", err)
	}
	var left []string
	for _, e := range entries {
		for _, of := range []string{base, base + ".prev", base + ".damaged"} {
			number, ok := strings.CutPrefix(e.Name(), "."+of+".")
			if ok && number != "" && strings.Trim(number, "0123456789") == "" {
				left = append(left, filepath.Join(dir, e.Name()))
			}
		}
	}
	return left, nil
}
