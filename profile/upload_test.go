package profile_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
	"github.com/chatsdk/chatsdk/upload"
	"github.com/chatsdk/chatsdk/upload/uploadtest"
)

func TestUploadStore(t *testing.T) {
	uploadtest.RunStore(t, func(t *testing.T) uploadtest.Open {
		open := reopener(t, t.TempDir())
		return func() upload.Store { return open().Uploads() }
	})
}

// checkpoint is the n-th upload with so many bytes acknowledged, and a state of SHA-256 that goes with them.
func checkpoint(n int, offset int64) upload.Upload {
	return upload.Upload{
		ID: fmt.Sprintf("0190b6a4-5f3c-7c1e-8a2b-%012d", n), Account: "ada@http://127.0.0.1:8080", Path: fmt.Sprint("/home/ada/", n),
		Name: fmt.Sprint(n), Source: upload.Source{Size: 1 << 40}, Order: uint64(n), Key: "key", URL: "http://127.0.0.1:8080/api/uploads/1",
		Offset: offset, HashedTo: offset, HashState: fmt.Appendf(bytes.Repeat([]byte("state"), 20), "%d", offset),
	}
}

// uploadPowerLoss cuts the power at random writes while uploads are added, move on and are forgotten. What Commit
// acknowledged is there; of what was under way all or nothing; an offset never parts from its hash.
func uploadPowerLoss(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 2))
	d := profiletest.NewDisk(rng)
	defer d.Close()
	w := &uploadWorld{rng: rng, kept: map[int]int64{}}
	for cut := range 150 {
		d.LosePowerAfter(rng.IntN(80))
		if p, err := profile.OpenWith("p", profile.Options{VFS: d.VFS()}); err == nil {
			err = w.work(p.Uploads())
			_ = p.Close()
			if err != nil {
				return fmt.Errorf("cut %d: %w", cut, err)
			}
		}
		d.LosePowerAfter(-1)
		if err := w.check(d.VFS()); err != nil {
			return fmt.Errorf("cut %d: %w", cut, err)
		}
	}
	if w.n < 150 {
		return fmt.Errorf("only %d uploads in 150 cuts: nothing was tried", w.n)
	}
	return nil
}

type uploadWorld struct {
	rng   *rand.Rand
	n     int           // uploads so far
	kept  map[int]int64 // offset of each that is owed; -1: it was removed
	doubt upload.Tx     // what was under way when the power went
}

// work commits until the power goes.
func (w *uploadWorld) work(s upload.Store) error {
	for {
		w.doubt = upload.Tx{}
		k, offset := w.n+1, int64(0)
		if w.n > 0 && w.rng.IntN(3) > 0 {
			k = 1 + w.rng.IntN(w.n)
			if w.kept[k] < 0 {
				continue
			}
			offset = w.kept[k] + 1 + w.rng.Int64N(1<<20)
		}
		tx := upload.Tx{Put: []upload.Upload{checkpoint(k, offset)}}
		if k <= w.n && w.rng.IntN(4) == 0 {
			offset, tx = -1, upload.Tx{Remove: []string{checkpoint(k, 0).ID}}
		}
		if err := s.Commit(context.Background(), tx); err != nil {
			if !errors.Is(err, upload.ErrDisk) {
				return fmt.Errorf("commit without power: %w", err)
			}
			w.doubt = tx
			return nil
		}
		w.kept[k], w.n = offset, max(w.n, k)
	}
}

// check compares what is kept with what is owed, and takes note of what became of the last transaction.
func (w *uploadWorld) check(vfs string) error {
	p, err := profile.OpenWith("p", profile.Options{VFS: vfs})
	if err != nil {
		return err
	}
	defer p.Close()
	saved, err := p.Uploads().Load(context.Background())
	if err != nil || len(saved.Aside) > 0 || saved.Order < uint64(w.n) {
		return fmt.Errorf("load: %d aside, order %d of %d, %w", len(saved.Aside), saved.Order, w.n, err)
	}
	found := map[int]int64{}
	for _, u := range saved.Uploads {
		k := int(u.Order)
		if want := checkpoint(k, u.Offset); !bytes.Equal(u.HashState, want.HashState) || u.HashedTo != u.Offset || u.ID != want.ID {
			return fmt.Errorf("upload %d was torn: %+v", k, u)
		}
		found[k] = u.Offset
	}
	for _, u := range w.doubt.Put {
		k := int(u.Order)
		if offset, ok := found[k]; ok && offset == u.Offset {
			w.kept[k], w.n = u.Offset, max(w.n, k)
		}
	}
	for k, offset := range w.kept {
		got, ok := found[k]
		if ok != (offset >= 0) && len(w.doubt.Remove) > 0 && w.doubt.Remove[0] == checkpoint(k, 0).ID && !ok {
			w.kept[k] = -1
		} else if ok != (offset >= 0) || ok && got != offset {
			return fmt.Errorf("upload %d is at %d (%v), and %d was acknowledged", k, got, ok, offset)
		}
		delete(found, k)
	}
	if len(found) > 0 {
		return fmt.Errorf("nobody added %v", found)
	}
	return nil
}

func TestUploadPowerLoss(t *testing.T) {
	if err := uploadPowerLoss(seed(t)); err != nil {
		t.Error(err)
	}
}

// TestUploadFullDisk has a disk that is full and then has room again.
func TestUploadFullDisk(t *testing.T) {
	d := profiletest.NewDisk(rand.New(rand.NewPCG(1, 1)))
	defer d.Close()
	p, err := profile.OpenWith("p", profile.Options{VFS: d.VFS()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	put := func(offset int64) error {
		return p.Uploads().Commit(t.Context(), upload.Tx{Put: []upload.Upload{checkpoint(1, offset)}})
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}
	d.SetFull(true)
	last := int64(0)
	for err == nil && last < 10_000 {
		last++
		err = put(last)
	}
	if !errors.Is(err, upload.ErrDisk) || !errors.Is(err, profile.ErrDiskFull) {
		t.Fatalf("after %d writes to a full disk: %v", last, err)
	}
	saved, err := p.Uploads().Load(t.Context())
	if err != nil || len(saved.Uploads) != 1 || saved.Uploads[0].Offset != last-1 {
		t.Errorf("a full disk holds %+v, %v", saved, err)
	}
	d.SetFull(false)
	if err := put(last); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestDamagedUploadIsSetAside changes one byte of one row in the file.
func TestDamagedUploadIsSetAside(t *testing.T) {
	dir := t.TempDir()
	open := reopener(t, dir)
	p := open()
	var all []upload.Upload
	for n, name := range []string{"first", "DAMAGE ME", "third"} {
		u := checkpoint(n+1, 0)
		u.Name = name
		all = append(all, u)
	}
	if err := errors.Join(p.Uploads().Commit(t.Context(), upload.Tx{Put: all}), p.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, profile.FileName)
	file, err := os.ReadFile(path)
	if err != nil || bytes.Count(file, []byte("DAMAGE ME")) != 1 {
		t.Fatalf("the name isn't in the file once: %v", err)
	}
	if err := os.WriteFile(path, bytes.Replace(file, []byte("DAMAGE ME"), []byte("DAMAGE NE"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	saved, err := open().Uploads().Load(t.Context())
	if err != nil || len(saved.Uploads) != 2 || len(saved.Aside) != 1 || saved.Order != 3 {
		t.Fatalf("load: %+v, %v", saved, err)
	}
	if a := saved.Aside[0]; a.ID != all[1].ID || !bytes.Contains(a.Raw, []byte("DAMAGE NE")) || !strings.Contains(a.Reason, "damaged") {
		t.Errorf("set aside: %+v", a)
	}
}

// TestUploadTimes keeps moments apart that look alike: files have been changed in 1970, and one that was would be taken
// for another after a restart.
func TestUploadTimes(t *testing.T) {
	open := reopener(t, t.TempDir())
	for _, at := range []time.Time{{}, time.Unix(0, 0).UTC(), time.Unix(-1, 5).UTC(), time.Date(2500, 1, 1, 0, 0, 0, 7, time.UTC)} {
		u := checkpoint(1, 0)
		u.Source.ModTime = at
		if err := open().Uploads().Commit(t.Context(), upload.Tx{Put: []upload.Upload{u}}); err != nil {
			t.Fatal(err)
		}
		saved, err := open().Uploads().Load(t.Context())
		if err != nil || len(saved.Uploads) != 1 || !saved.Uploads[0].Source.ModTime.Equal(at) {
			t.Errorf("%v came back as %+v, %v", at, saved, err)
		}
	}
}

// TestRescueNamesFiles rescues messages that wait for files: one whose path is there, one whose isn't, beside a damaged row.
func TestRescueNamesFiles(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir)
	fill(t, p, 3, func(k int, e *outbox.Entry) {
		if e.Text = []string{"", "lost", "DAMAGE ME"}[k]; k < 2 {
			e.Needs = []outbox.Need{{Name: "upload:" + checkpoint(k+1, 0).ID}, {Name: "the application's own"}}
		}
	})
	err := p.Uploads().Commit(t.Context(), upload.Tx{Put: []upload.Upload{checkpoint(1, 5)}})
	if err := errors.Join(err, p.Close()); err != nil {
		t.Fatal(err)
	}
	edit(t, dir, func(b []byte) []byte { return bytes.Replace(b, []byte("DAMAGE ME"), []byte("DAMAGE NE"), 1) })
	var out bytes.Buffer
	got, err := profile.Rescue(dir, &out)
	if err != nil || got.Messages != 2 || got.Damaged != 1 || got.Files != 1 || !strings.Contains(out.String(), `"files":["/home/ada/1"]}`) {
		t.Errorf("%+v, %v: %s", got, err, out.String())
	}
}

// TestUploadOfVersion1 reads a row as it was written before leftovers had metadata.
func TestUploadOfVersion1(t *testing.T) {
	const row = "AQAACgAAAAoAAA4A/9uP+c4DAP/bj/nOAwD/24/5zgMA/9uP+c4DAP/bj/nOAwADYWRhAAIvYQFhAAAAAANrLjEAAAAAAghodHRwOi8vYQFrAgADay4xCqjREKo="
	data, err := base64.StdEncoding.DecodeString(row)
	if err != nil {
		t.Fatal(err)
	}
	u, err := profile.DecodeUpload(3, "0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182", data)
	want := []upload.Leftover{{URL: "http://a", Key: "k", Size: 1}, {Key: "k.1", Size: 5}}
	if err != nil || u.State != upload.Cancelled || u.Path != "/a" || !reflect.DeepEqual(u.Leftovers, want) {
		t.Errorf("%+v, %v", u, err)
	}
	data[0]++ // what comes next isn't known yet, and its checksum isn't right
	if u, err := profile.DecodeUpload(3, u.ID, data); err == nil {
		t.Errorf("%+v", u)
	}
}

// FuzzUploadData shows the reader of rows what a damaged or foreign file may hold.
func FuzzUploadData(f *testing.F) {
	u := checkpoint(1, 5)
	u.Leftovers = []upload.Leftover{{URL: "http://a", Key: "k", Size: 1, Metadata: "key aw=="}}
	data := profile.EncodeUpload(&u)
	f.Add(data[0], data[1:len(data)-4])
	f.Add(byte(1), []byte{})
	f.Fuzz(func(t *testing.T, version byte, body []byte) {
		got, err := profile.DecodeUpload(1, u.ID, profile.SealRow(version, u.ID, body))
		if err != nil {
			return
		}
		again, err := profile.DecodeUpload(1, u.ID, profile.EncodeUpload(&got))
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%+v, written and read again: %+v, %v", got, again, err)
		}
	})
}
