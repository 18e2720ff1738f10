package token

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	// fileMagic begins the first line of a file: magic, version, SHA-256 and length of what follows it.
	fileMagic = "chatsdk-token-1"
	// maxFile bounds what is read: a file of a session is some KiB.
	maxFile = 1 << 20
	// lockPoll is how often a taken lock is tried; the operating system has no waiting that ends with a ctx.
	lockPoll = 5 * time.Millisecond
	// swapLock bounds the wait for the lock of a swap, which is held over one write.
	swapLock = 5 * time.Second
)

// NewFile returns a store in a file, which any number of processes may share. It is made with mode 0600, and its folder,
// if it has to be made, with 0700; a file or folder that others may write, a file that others may read, and a symbolic
// link in place of the file are refused. Beside it lie the copy before (.prev), which never outlives its session, two
// empty files for locks (.lock, .write) and, should it ever be damaged, what was found (.damaged), until somebody signs
// out. What a crash left of a write is removed here. Locks don't hold on most network file systems; there
// the versions do, at the price of a refresh too many. On Windows the folder's access list decides who may read.
func NewFile(path string) (Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("token: path of the session file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("token: make the folder of the session file: %w", err)
	}
	f := &file{path: path}
	if err := f.checkModes(); err != nil {
		return nil, err
	}
	if err := f.sweep(); err != nil {
		return nil, err
	}
	return f, nil
}

// file is the store of NewFile.
type file struct{ path string }

var (
	_ Store   = (*file)(nil)
	_ stamped = (*file)(nil)
)

// checkModes refuses what others could read or write.
func (f *file) checkModes() error {
	dir, err := os.Lstat(filepath.Dir(f.path))
	if err != nil {
		return fmt.Errorf("token: folder of the session file: %w", err)
	}
	if err := checkFolder(dir); err != nil {
		return fmt.Errorf("token: %s %w", filepath.Dir(f.path), err)
	}
	for _, path := range []string{f.path, f.path + ".prev", f.path + ".lock", f.path + ".write"} {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("token: session file: %w", err)
		}
		if err := checkFile(info); err != nil {
			return fmt.Errorf("token: %s %w", path, err)
		}
	}
	return nil
}

// checkFile refuses what isn't a file of ours alone.
func checkFile(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("is a link or no file at all; it must be a file") // a link may lead to where others read
	}
	return checkMode(info)
}

func (f *file) Load(ctx context.Context) ([]byte, uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	data, version, err := read(f.path)
	if !isType[*DamagedError](err) {
		return data, version, err
	}
	unlock, err := f.lock(ctx, ".write")
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	data, version, err = read(f.path) // another process may have been faster
	if damage, ok := errors.AsType[*DamagedError](err); ok {
		return nil, 0, f.setAside(damage)
	}
	return data, version, err
}

// setAside keeps what was found and, if there is a good copy of before, puts that in its place. The caller holds the lock
// of swaps. Without a copy the damaged file stays where it is as well, so that nobody takes it for "never signed in".
func (f *file) setAside(damage *DamagedError) error {
	found, err := os.ReadFile(f.path)
	if err != nil {
		return damage
	}
	aside := f.path + ".damaged"
	if err := write(aside, found); err == nil {
		damage.SetAside = aside
	}
	data, version, err := read(f.path + ".prev")
	if err != nil || version == 0 {
		return damage
	}
	// Two versions on: the one between is what was damaged, and others may have seen it.
	if err := write(f.path, envelope(version+2, data)); err == nil {
		damage.Restored = true
	}
	return damage
}

func (f *file) CompareAndSwap(ctx context.Context, version uint64, data []byte) (uint64, error) {
	unlock, err := f.lock(ctx, ".write")
	if err != nil {
		return 0, err
	}
	defer unlock()
	before, present, err := read(f.path)
	next, fresh := present+1, ends(before, data)
	switch {
	case isType[*DamagedError](err):
		// Its version can't be known; a clock's nanoseconds are beyond any count. Whose the copy is isn't known either.
		present, next, fresh = 0, uint64(time.Now().UnixNano()), true
	case err != nil:
		return 0, err
	}
	if present != version {
		return 0, ErrConflict
	}
	fresh = fresh && planted != bugCopyOutlivesSession
	switch {
	case fresh:
		err = f.dropCopies()
	case present > 0:
		if err = replaceLink(f.path, f.path+".prev"); err != nil {
			err = fmt.Errorf("keep the copy before: %w", err)
		}
	}
	if err == nil {
		err = write(f.path, envelope(next, data))
	}
	if err != nil {
		return 0, err
	}
	if fresh {
		f.keepCopy(next, data)
	}
	return next, nil
}

// fileStamp is what a rename in the file's place changes.
type fileStamp struct {
	changed time.Time
	size    int64
}

func (f *file) stamp() any {
	info, err := os.Lstat(f.path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.ModTime(), info.Size()}
}

func (f *file) Lock(ctx context.Context) (func(), error) { return f.lock(ctx, ".lock") }

// lock takes an operating system's lock, which ends with the process.
func (f *file) lock(ctx context.Context, suffix string) (func(), error) {
	if suffix == ".write" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, swapLock)
		defer cancel()
	}
	path := f.path + suffix
	if info, err := os.Lstat(path); err == nil {
		if err := checkFile(info); err != nil {
			return nil, fmt.Errorf("token: %s %w", path, err)
		}
	}
	l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	if ok, err := l.TryLockContext(ctx, lockPoll); err != nil || !ok {
		_ = l.Close()
		return nil, fmt.Errorf("lock session file: %w", err)
	}
	return sync.OnceFunc(func() { _ = l.Close() }), nil // unlocks
}

// envelope puts version, checksum and length in front of the data.
func envelope(version uint64, data []byte) []byte {
	sum := sha256.Sum256(data)
	head := fmt.Sprintf("%s %d %s %d\n", fileMagic, version, hex.EncodeToString(sum[:]), len(data))
	return append([]byte(head), data...)
}

// open is the opposite of envelope. Its errors hold nothing of the content.
func open(content []byte) (data []byte, version uint64, err error) {
	head, data, ok := bytes.Cut(content, []byte("\n"))
	var magic, sum string
	var length int
	if n, err := fmt.Sscanf(string(head), "%s %d %s %d", &magic, &version, &sum, &length); !ok || n != 4 || err != nil {
		return nil, 0, errors.New("its first line is not a session's")
	}
	switch {
	case magic != fileMagic:
		return nil, 0, errors.New("it was written by another program, or a newer version of this one")
	case version == 0, length != len(data):
		return nil, 0, errors.New("its length is wrong")
	}
	if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
		return nil, 0, errors.New("its checksum is wrong")
	}
	return data, version, nil
}

// read reads a file that may not be there.
func read(path string) ([]byte, uint64, error) {
	in, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open session file: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err == nil {
		err = checkFile(info)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("token: %s %w", path, err)
	}
	content, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, 0, fmt.Errorf("read session file: %w", err)
	}
	data, version, err := open(content)
	if err != nil {
		return nil, 0, &DamagedError{Err: err}
	}
	return data, version, nil
}

// write puts content in place of a file so that at any moment, power cuts included, the old or the new is there whole.
func write(path string, content []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600, refuses what is there
	if err != nil {
		return fmt.Errorf("write session file: %w", err)
	}
	defer os.Remove(temp.Name()) // gone already if all went well
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = reached("before rename")
	}
	if err == nil {
		err = rename(temp.Name(), path)
	}
	if err == nil {
		err = reached("after rename")
	}
	if err == nil {
		err = syncFolder(dir)
	}
	if err != nil {
		return fmt.Errorf("write session file: %w", err)
	}
	return nil
}

// replaceLink makes to a second name of the file that from names, atomically and without copying.
func replaceLink(from, to string) error {
	temp := to + ".new"
	_ = os.Remove(temp) // left by a crash
	if err := os.Link(from, temp); err != nil {
		content, err := os.ReadFile(from) // no hard links here
		if err != nil {
			return err
		}
		return write(to, content)
	}
	if err := rename(temp, to); err != nil {
		return err
	}
	_ = os.Remove(temp) // rename does nothing if both are the same file already
	return nil
}

// reached is where tests break a write off.
var reached = func(string) error { return nil }
