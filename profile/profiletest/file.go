package profiletest

import (
	"io"
	"maps"
	"slices"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// sector is the most that a disk writes whole.
const sector = 512

// file is one file of a disk, whose mutex guards it.
type file struct {
	live  []byte             // as the process sees it
	kept  []byte             // as synced
	dirty map[int64]struct{} // sectors of live that were written since
	cut   bool               // live was made shorter since
	named bool               // its entry in the folder survives power loss
	locks map[*opening]vfs.LockLevel
}

func (f *file) write(b []byte, off int64) {
	end := off + int64(len(b))
	f.live = extend(f.live, end)
	copy(f.live[off:], b)
	if f.dirty == nil {
		f.dirty = map[int64]struct{}{}
	}
	for s := off / sector; s*sector < end; s++ {
		f.dirty[s] = struct{}{}
	}
}

func (f *file) sync() {
	if f.cut {
		f.kept = f.kept[:min(len(f.kept), len(f.live))]
	}
	f.kept = extend(f.kept, int64(len(f.live)))
	for s := range f.dirty {
		f.keep(s)
	}
	f.dirty, f.cut = nil, false
}

// keep copies one sector from live to kept.
func (f *file) keep(s int64) {
	start, end := s*sector, min((s+1)*sector, int64(len(f.live)))
	if start >= end {
		return // it was cut off since
	}
	f.kept = extend(f.kept, end)
	copy(f.kept[start:], f.live[start:end])
}

// losePower leaves what was synced, and of what was done since whatever the coin says.
func (f *file) losePower(coin func() bool) {
	if f.cut && coin() {
		f.kept = f.kept[:min(len(f.kept), len(f.live))]
	}
	for _, s := range slices.Sorted(maps.Keys(f.dirty)) {
		if coin() {
			f.keep(s)
		}
	}
	f.live, f.dirty, f.cut = slices.Clone(f.kept), nil, false
}

// extend fills b up with zeros to at least size.
func extend(b []byte, size int64) []byte {
	if n := size - int64(len(b)); n > 0 {
		return append(b, make([]byte, n)...)
	}
	return b
}

// opening is one opening of a file.
type opening struct {
	d    *Disk
	f    *file
	life int
	log  bool // a journal, whose first sync also syncs the folder, as SQLite's own file systems do
}

func (o *opening) Close() error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	delete(o.f.locks, o)
	return nil
}

func (o *opening) ReadAt(b []byte, off int64) (n int, err error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if o.life != o.d.life {
		return 0, sqlite3.IOERR_READ
	}
	if off < int64(len(o.f.live)) {
		n = copy(b, o.f.live[off:])
	}
	o.d.read += int64(n)
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (o *opening) WriteAt(b []byte, off int64) (int, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if err := o.d.stepLocked(o.life); err != nil {
		return 0, err
	}
	if o.d.full && off+int64(len(b)) > int64(len(o.f.live)) {
		return 0, sqlite3.FULL
	}
	o.d.work.Writes++
	o.d.work.Bytes += int64(len(b))
	o.f.write(b, off)
	return len(b), nil
}

func (o *opening) Truncate(size int64) error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if err := o.d.stepLocked(o.life); err != nil {
		return err
	}
	if size < int64(len(o.f.live)) {
		o.f.live, o.f.cut = o.f.live[:size], true
	}
	return nil
}

func (o *opening) Sync(vfs.SyncFlag) error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if err := o.d.stepLocked(o.life); err != nil {
		return err
	}
	o.d.work.Syncs++
	if len(o.f.live) > len(o.f.kept) {
		o.d.work.Longer++
	}
	o.f.sync()
	if o.log {
		o.log = false
		for _, f := range o.d.files {
			f.named = true
		}
		clear(o.d.gone)
	}
	return nil
}

func (o *opening) Size() (int64, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	return int64(len(o.f.live)), nil
}

// Lock answers BUSY while another opening stands in the way.
func (o *opening) Lock(want vfs.LockLevel) error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if o.life != o.d.life {
		return sqlite3.IOERR_LOCK
	}
	for other, level := range o.f.locks {
		switch {
		case other == o:
		case want == vfs.LOCK_SHARED && level >= vfs.LOCK_PENDING,
			want == vfs.LOCK_RESERVED && level >= vfs.LOCK_RESERVED,
			want == vfs.LOCK_EXCLUSIVE && level >= vfs.LOCK_SHARED:
			return sqlite3.BUSY
		}
	}
	o.f.locks[o] = max(o.f.locks[o], want)
	return nil
}

func (o *opening) Unlock(level vfs.LockLevel) error {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	if o.f.locks[o] > level {
		o.f.locks[o] = level
	}
	return nil
}

func (o *opening) CheckReservedLock() (bool, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	for _, level := range o.f.locks {
		if level >= vfs.LOCK_RESERVED {
			return true, nil
		}
	}
	return false, nil
}

// SectorSize is that of a disk that doesn't say; what is torn is smaller.
func (*opening) SectorSize() int { return 0 }

// DeviceCharacteristics promises only what SQLite's own file systems take for granted.
func (*opening) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE
}
