package uploads_test

import (
	"bytes"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"

	"github.com/chatsdk/chatsdk/server/uploads"
)

// disk is a folder that knows what a power cut would leave of it.
type disk struct {
	mu    sync.Mutex
	names map[string]*inode // guarded by mu
	kept  map[string]*inode // guarded by mu; the names that are on the disk
	room  int64             // guarded by mu; bytes that may still be written, or -1
	fails int               // guarded by mu; the sync of a file that fails, counted from now on; 0 is none
}

type inode struct{ data, synced []byte }

func newDisk() *disk {
	return &disk{names: map[string]*inode{}, kept: map[string]*inode{}, room: -1}
}

// crash is the disk after a power cut: names and bytes that weren't synced are there or not, or are zeros.
func (d *disk) crash(rng *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newDisk()
	for name, node := range d.kept {
		data := bytes.Clone(node.synced)
		if grown := len(node.data) - len(data); grown > 0 {
			extra := make([]byte, rng.IntN(grown+1)) // zeros: the length was written and the bytes weren't
			if rng.IntN(2) == 0 {
				copy(extra, node.data[len(data):])
			}
			data = append(data, extra...)
		}
		after.names[name] = &inode{data, bytes.Clone(data)}
		after.kept[name] = after.names[name]
	}
	return after
}

func (d *disk) setRoom(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = n
}

// failSync makes one sync of a file fail: the n-th from now on. The next one answers that all is well, as systems do.
func (d *disk) failSync(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = n
}

// willFail says whether the sync that is to fail hasn't come yet.
func (d *disk) willFail() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fails > 0
}

func (d *disk) content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if node := d.names[name]; node != nil {
		return bytes.Clone(node.data)
	}
	return nil
}

func (d *disk) open(name string, create bool) (uploads.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	node := d.names[name]
	if node == nil {
		if !create {
			return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		}
		node = &inode{}
		d.names[name] = node
	}
	return &handle{disk: d, node: node}, nil
}

func (d *disk) Create(name string) (uploads.File, error) { return d.open(name, true) }

func (d *disk) Open(name string) (uploads.File, error) { return d.open(name, false) }

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] == nil {
		return os.ErrNotExist
	}
	delete(d.names, name)
	return nil
}

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = map[string]*inode{}
	maps.Copy(d.kept, d.names)
	return nil
}

func (d *disk) Names() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.names {
		names = append(names, name)
	}
	return names, nil
}

func (d *disk) Close() error { return nil }

// handle is an open file.
type handle struct {
	disk *disk
	node *inode
	at   int64
}

func (h *handle) Read(p []byte) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.at >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[h.at:])
	h.at += int64(n)
	return n, nil
}

func (h *handle) Seek(offset int64, whence int) (int64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += h.at
	case io.SeekEnd:
		offset += int64(len(h.node.data))
	}
	h.at = offset
	return offset, nil
}

func (h *handle) WriteAt(p []byte, at int64) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.disk.room >= 0 {
		if int64(len(p)) > h.disk.room {
			return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
		}
		h.disk.room -= int64(len(p))
	}
	if need := int(at) + len(p) - len(h.node.data); need > 0 {
		h.node.data = append(h.node.data, make([]byte, need)...)
	}
	return copy(h.node.data[at:], p), nil
}

func (h *handle) Truncate(size int64) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.node.data = h.node.data[:size]
	return nil
}

func (h *handle) Sync() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.disk.fails--; h.disk.fails == 0 {
		return &os.PathError{Op: "sync", Path: "x", Err: syscall.EIO}
	}
	h.node.synced = bytes.Clone(h.node.data)
	return nil
}

func (h *handle) Close() error { return nil }
