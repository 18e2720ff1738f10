package profile_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
)

// TestEnqueueCostsOneWriteAndOneSync counts what one caller's messages cost on the disk: each one write and one wait, and
// nearly none of the waits is for a file that became longer, which takes longer. "make bench" says how long.
func TestEnqueueCostsOneWriteAndOneSync(t *testing.T) {
	const (
		messages = 300                              // fewer than fill a log, which is then written back
		longer   = 17                               // how often a log grows until then
		zeros    = 16                               // writes of one growth
		frames   = messages * 22 / 10 * (4096 + 24) // two pages each, and now and then a new one
	)
	disk := profiletest.NewDisk(rand.New(rand.NewPCG(1, 1)))
	defer disk.Close()
	p, err := profile.OpenWith("p", profile.Options{VFS: disk.VFS()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	q, err := outbox.New(outbox.Options{
		Store: p.Outbox(), Send: func(context.Context, []outbox.Entry) ([]outbox.Result, error) { return nil, errors.New("no") },
	})
	if err == nil {
		err = q.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	before := disk.Work()
	for n := range messages {
		if _, err := q.Enqueue(t.Context(), queueEntry(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	after := disk.Work()
	did := profiletest.Work{
		Writes: after.Writes - before.Writes, Bytes: after.Bytes - before.Bytes,
		Syncs: after.Syncs - before.Syncs, Longer: after.Longer - before.Longer,
	}
	t.Logf("%d messages: %+v", messages, did)
	if did.Syncs != messages {
		t.Errorf("%d waits for the disk", did.Syncs)
	}
	if did.Longer > longer {
		t.Errorf("%d of them for a longer file, at most %d", did.Longer, longer)
	}
	if did.Writes > messages+longer*zeros {
		t.Errorf("%d writes", did.Writes)
	}
	if most := int64(frames + frames*5/4); did.Bytes > most { // once as zeros, up to a quarter ahead
		t.Errorf("%d bytes written, at most %d", did.Bytes, most)
	}
}

// shortOfSpace is a file on a disk that is full now and then.
type shortOfSpace struct {
	vfs.File
	bytes vfsutil.SliceFile
	full  bool  // it may not
	space int64 // have more bytes than that
}

func (f *shortOfSpace) ReadAt(b []byte, off int64) (int, error) { return f.bytes.ReadAt(b, off) }
func (f *shortOfSpace) Size() (int64, error)                    { return f.bytes.Size() }
func (f *shortOfSpace) Truncate(size int64) error               { return f.bytes.Truncate(size) }
func (f *shortOfSpace) Sync(vfs.SyncFlag) error                 { return nil }
func (f *shortOfSpace) WriteAt(b []byte, off int64) (int, error) {
	if f.full && off+int64(len(b)) > f.space {
		return 0, sqlite3.FULL
	}
	return f.bytes.WriteAt(b, off)
}

// besidePlain does the same to a log with room and to bytes.
type besidePlain struct {
	rng   *rand.Rand
	disk  *shortOfSpace
	log   vfs.File
	plain []byte
	end   int64 // of the last write
}

func (p *besidePlain) step() error {
	anywhere := p.rng.Int64N(int64(len(p.plain)) + 1)
	switch op := p.rng.IntN(20); {
	case op < 11:
		return p.write(p.end) // as commits do
	case op == 11:
		return p.write(anywhere) // as a log does that begins anew
	case op < 15:
		return p.sync()
	case op < 18:
		return p.read(anywhere)
	case op == 18:
		p.disk.full = !p.disk.full
		p.disk.space = int64(len(p.disk.bytes)) + p.rng.Int64N(30_000) // too little for zeros, and enough for a commit or not
		return nil
	}
	p.plain, p.end = p.plain[:anywhere], anywhere
	return p.log.Truncate(anywhere)
}

func (p *besidePlain) write(off int64) error {
	b := bytes.Repeat([]byte{byte(1 + p.rng.IntN(255))}, 1+p.rng.IntN(9000))
	p.end = off + int64(len(b))
	behind := p.plain[min(p.end, int64(len(p.plain))):]
	p.plain = slices.Concat(p.plain[:off], b, behind)
	_, err := p.log.WriteAt(b, off)
	return err
}

func (p *besidePlain) sync() error {
	if err := p.log.Sync(0); err != nil {
		return err
	}
	if !bytes.HasPrefix(p.disk.bytes, p.plain) || len(bytes.Trim(p.disk.bytes[len(p.plain):], "\x00")) > 0 {
		return errors.New("what is in the file after a sync isn't what was written")
	}
	return nil
}

func (p *besidePlain) read(off int64) error {
	got := make([]byte, 1+p.rng.IntN(5000))
	n, err := p.log.ReadAt(got, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	want := p.plain[off:min(off+int64(len(got)), int64(len(p.plain)))]
	if !bytes.HasPrefix(got[:n], want) {
		return errors.New("what is read isn't what was written")
	}
	return nil
}

// TestRoomyLogIsAFile does anything to a log with room and to a file without, and compares: whatever was written is read,
// and is in the file once a sync succeeded. What the room adds are zeros behind the end.
func TestRoomyLogIsAFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	full := 0
	for range 300 {
		p := &besidePlain{rng: rng, disk: &shortOfSpace{}}
		p.log = profile.RoomyLog(p.disk)
		for range 100 {
			err := p.step()
			if (errors.Is(err, sqlite3.FULL) || errors.Is(err, sqlite3.IOERR_READ)) && p.disk.full {
				full++
				break // who was told begins anew, as SQLite does
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if full == 0 || full == 300 {
		t.Errorf("the disk was full in %d of 300: nothing was tried", full)
	}
}

// TestLostWriteIsAReadError: what was taken and finds no space when it is read is no full disk, for which SQLite may take
// back one statement and keep those before it. Written again it is there.
func TestLostWriteIsAReadError(t *testing.T) {
	disk := &shortOfSpace{full: true}
	log := profile.RoomyLog(disk)
	if _, err := log.WriteAt([]byte("kept"), 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := log.ReadAt(got, 0); !errors.Is(err, sqlite3.IOERR_READ) {
		t.Errorf("the read ended with %v, want a read error", err)
	}
	disk.full = false
	_, err := log.WriteAt([]byte("kept"), 0)
	if err = errors.Join(err, log.Sync(0)); err != nil || !bytes.HasPrefix(disk.bytes, []byte("kept")) {
		t.Errorf("written again: %q, %v", disk.bytes[:min(4, len(disk.bytes))], err)
	}
}
