package profile

import (
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// A commit waits for the disk, and where its file became longer it waits for the file system as well, which has to keep
// the new length: on ext4 that makes it half as long again, or twice as long. So SQLite's log is made longer than it has
// to be, with zeros that later commits only replace; and all that a commit writes is written at once. What is kept, and
// when, is as without: nothing counts as synced that isn't written, and the zeros are no frames, so that SQLite ends the
// log where they begin, as it ends one whose rest is of an earlier round.
const (
	// roomBytes is how much a log grows by at least: eight commits of one message.
	roomBytes = 64 << 10
	// roomShare is the share of a log by which it grows when that is more: up to the usual length, at which SQLite begins
	// anew, that makes for 17 times.
	roomShare = 4
	// roomPending bounds what is held back of a large transaction.
	roomPending = 256 << 10
)

var zeros [roomBytes]byte

// roomyStart goes before the name of a file system of SQLite in the name of the one whose logs have room.
const roomyStart = "chatsdk-profile:"

// roomy registers a file system that is the named one but for its logs, and returns its name. One that nobody registered
// stays as it is: SQLite says so.
func roomy(name string) string {
	if vfs.Find(name) == nil {
		return name
	}
	vfs.Register(roomyStart+name, roomyFiles{name})
	return roomyStart + name
}

// roomyFiles knows the other file system by its name: it is registered for good, and holds on to none.
type roomyFiles struct{ name string }

var _ vfs.VFSFilename = roomyFiles{}

// Open opens a file that has no name.
func (r roomyFiles) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return vfsutil.WrapOpen(vfs.Find(r.name), name, flags)
}

// OpenFilename opens a file. A log gets room; a database has abilities that vfs.File doesn't show, and stays as it is.
func (r roomyFiles) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := vfsutil.WrapOpenFilename(vfs.Find(r.name), name, flags)
	if err != nil || flags&vfs.OPEN_WAL == 0 {
		return file, out, err
	}
	size, err := file.Size()
	if err != nil {
		_ = file.Close() // SQLite wants the first error as it is
		return nil, out, err
	}
	return &roomyLog{File: file, size: size}, out, nil
}

// Delete removes a file.
func (r roomyFiles) Delete(name string, syncDir bool) error {
	return vfs.Find(r.name).Delete(name, syncDir)
}

// Access says whether there is a file.
func (r roomyFiles) Access(name string, flags vfs.AccessFlag) (bool, error) {
	return vfs.Find(r.name).Access(name, flags)
}

// FullPathname completes a path.
func (r roomyFiles) FullPathname(name string) (string, error) {
	return vfs.Find(r.name).FullPathname(name)
}

// roomyLog is a log with room. It relies on the pragmas of this package: with locking_mode(exclusive) one connection uses it,
// so that its size is known, and with synchronous(full) every commit is followed by Sync.
type roomyLog struct {
	vfs.File
	size int64  // the file's
	held []byte // written to the log and not to the file yet
	at   int64  // where in the file that goes
}

// WriteAt holds b back for as long as what follows is written too, which is until Sync for all of a commit.
func (l *roomyLog) WriteAt(b []byte, off int64) (int, error) {
	if off != l.at+int64(len(l.held)) || len(l.held)+len(b) > roomPending {
		if err := l.flush(); err != nil {
			return 0, err
		}
		l.at = off
	}
	l.held = append(l.held, b...)
	return len(b), nil
}

// flush writes what was held back, behind zeros where the file is too short. Without space for those there may be some
// for the log itself.
func (l *roomyLog) flush() error {
	if len(l.held) == 0 {
		return nil
	}
	held := l.held
	l.held = nil
	if cap(held) <= roomBytes { // nearly every commit: the next one uses it again
		l.held = held[:0]
	}
	end := l.at + int64(len(held))
	if end > l.size {
		l.makeRoom(end + max(roomBytes, end/roomShare))
	}
	if _, err := l.File.WriteAt(held, l.at); err != nil {
		return err
	}
	l.size = max(l.size, end)
	l.at = end
	return nil
}

// makeRoom makes the file longer, as far as that goes.
func (l *roomyLog) makeRoom(to int64) {
	for l.size < to {
		n, err := l.File.WriteAt(zeros[:min(to-l.size, roomBytes)], l.size)
		if err != nil {
			return
		}
		l.size += int64(n)
	}
}

// ReadAt reads what was written. Where that can't be written after all, it isn't a full disk that SQLite hears of, for which
// it may take back one statement and go on, but a read error, for which it takes back the whole transaction: what is lost
// is of statements before, too.
func (l *roomyLog) ReadAt(b []byte, off int64) (int, error) {
	if err := l.flush(); err != nil {
		return 0, sqlite3.IOERR_READ
	}
	return l.File.ReadAt(b, off)
}

// Sync returns when all that was written is on disk.
func (l *roomyLog) Sync(flags vfs.SyncFlag) error {
	if err := l.flush(); err != nil {
		return err
	}
	return l.File.Sync(flags)
}

// Size is the file's.
func (l *roomyLog) Size() (int64, error) {
	if err := l.flush(); err != nil {
		return 0, sqlite3.IOERR_FSTAT
	}
	return l.File.Size()
}

// Truncate makes the file shorter.
func (l *roomyLog) Truncate(size int64) error {
	if err := l.flush(); err != nil {
		return err
	}
	if err := l.File.Truncate(size); err != nil {
		return err
	}
	l.size = min(l.size, size)
	return nil
}

// Close writes what is left.
func (l *roomyLog) Close() error {
	err := l.flush()
	if closed := l.File.Close(); err == nil {
		err = closed
	}
	return err
}
