// Package profiletest is a disk in memory for profiles under test, which loses power, fills up and fails as told.
package profiletest

import (
	"crypto/rand"
	"maps"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// Disk is a file system for SQLite. Give its VFS to profile.OpenWith. It may be used concurrently.
//
// It keeps what was written apart from what was synced. Losing power drops a random part of what wasn't: sectors, sizes,
// names of files, each by itself, as disks and their caches do.
type Disk struct {
	name string

	mu       sync.Mutex // guards below
	rng      *mathrand.Rand
	files    map[string]*file
	gone     map[string]*file // deleted, which power loss may undo
	life     int              // counts deaths: an opening of an earlier life is dead
	left     int              // writes and syncs until power is lost; negative means never
	full     bool
	broken   bool
	readOnly bool
	read     int64
	work     Work
}

// NewDisk makes an empty disk and registers it with SQLite until Close. The source decides what power loss drops.
func NewDisk(rng *mathrand.Rand) *Disk {
	d := &Disk{name: "profiletest-" + rand.Text(), rng: rng, files: map[string]*file{}, gone: map[string]*file{}, left: -1}
	vfs.Register(d.name, fileSystem{d})
	return d
}

// Close ends the disk.
func (d *Disk) Close() { vfs.Unregister(d.name) }

// VFS is the name under which SQLite knows the disk.
func (d *Disk) VFS() string { return d.name }

// Kill ends the process that uses the disk: all that it has open is dead, and what it wrote stays, synced or not.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killLocked()
}

// LosePower kills the process and drops some of what wasn't synced.
func (d *Disk) LosePower() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.losePowerLocked()
}

// LosePowerAfter loses power in place of the write or sync that follows n more of them. A negative n takes it back.
func (d *Disk) LosePowerAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = n
}

// Lives counts from 1: how often a process died on the disk, and one more.
func (d *Disk) Lives() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life + 1
}

// Syncs counts the times that somebody waited for the disk.
func (d *Disk) Syncs() int { return d.Work().Syncs }

// Work is what was written to a disk, and waited for.
type Work struct {
	Writes int
	Bytes  int64 // written
	Syncs  int
	Longer int // syncs that also had to keep a file's new length
}

// Work counts what was done so far, to all files.
func (d *Disk) Work() Work {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.work
}

// BytesRead counts what was read of all files.
func (d *Disk) BytesRead() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.read
}

// SetFull says whether files can't grow any more.
func (d *Disk) SetFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// SetBroken says whether writes and syncs fail.
func (d *Disk) SetBroken(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

// SetReadOnly says whether files can be opened for reading only.
func (d *Disk) SetReadOnly(readOnly bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.readOnly = readOnly
}

// Edit replaces the content of the file whose name ends in suffix, as damage or another program would, and says whether
// there is one.
func (d *Disk) Edit(suffix string, change func([]byte) []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, f := range d.files {
		if strings.HasSuffix(name, suffix) {
			f.live = change(f.live)
			f.kept, f.dirty, f.cut = slices.Clone(f.live), nil, false
			return true
		}
	}
	return false
}

func (d *Disk) killLocked() {
	d.life++
	d.left = -1
	for _, f := range d.files {
		clear(f.locks)
	}
}

func (d *Disk) losePowerLocked() {
	d.killLocked()
	for _, name := range slices.Sorted(maps.Keys(d.gone)) { // in a fixed order, so that a seed tells the same story again
		if d.files[name] == nil && d.coin() {
			d.files[name] = d.gone[name]
		}
	}
	clear(d.gone)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		if !f.named && d.coin() {
			delete(d.files, name)
			continue
		}
		f.losePower(d.coin)
		f.named = true
	}
}

func (d *Disk) coin() bool { return d.rng.IntN(2) == 0 }

// step counts a write or sync of an opening of the given life, and says why it fails.
func (d *Disk) stepLocked(life int) error {
	if life != d.life {
		return sqlite3.IOERR
	}
	if d.left == 0 {
		d.losePowerLocked()
		return sqlite3.IOERR
	}
	if d.left > 0 {
		d.left--
	}
	if d.broken {
		return sqlite3.IOERR
	}
	return nil
}

// fileSystem is the disk as SQLite sees it, so that Disk's own methods are the ones for tests.
type fileSystem struct{ d *Disk }

func (s fileSystem) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	const lasting = vfs.OPEN_MAIN_DB | vfs.OPEN_MAIN_JOURNAL | vfs.OPEN_WAL
	if flags&lasting == 0 {
		return &scratch{}, flags | vfs.OPEN_MEMORY, nil
	}
	d := s.d
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	switch {
	case d.readOnly && f == nil, f == nil && flags&vfs.OPEN_CREATE == 0:
		return nil, flags, sqlite3.CANTOPEN
	case f == nil:
		f = &file{locks: map[*opening]vfs.LockLevel{}}
		d.files[name] = f
	}
	if d.readOnly {
		flags = flags&^(vfs.OPEN_READWRITE|vfs.OPEN_CREATE) | vfs.OPEN_READONLY
	}
	return &opening{d: d, f: f, life: d.life, log: flags&vfs.OPEN_MAIN_DB == 0}, flags, nil
}

func (s fileSystem) Delete(name string, syncDir bool) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	f := s.d.files[name]
	if f == nil {
		return sqlite3.IOERR_DELETE_NOENT
	}
	delete(s.d.files, name)
	if !syncDir && f.named {
		s.d.gone[name] = f
	}
	return nil
}

func (s fileSystem) Access(name string, _ vfs.AccessFlag) (bool, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	return s.d.files[name] != nil, nil
}

func (fileSystem) FullPathname(name string) (string, error) { return name, nil }

// scratch is a file that SQLite doesn't need any more when it closes it.
type scratch struct{ vfsutil.SliceFile }

func (*scratch) Lock(vfs.LockLevel) error         { return nil }
func (*scratch) Unlock(vfs.LockLevel) error       { return nil }
func (*scratch) CheckReservedLock() (bool, error) { return false, nil }
