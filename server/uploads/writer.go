package uploads

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"

	"github.com/chatsdk/chatsdk/internal/wire"
)

const (
	// copyBytes is what a request holds in memory of its body.
	copyBytes = 128 << 10
	// checkpointBytes and checkpointTime bound what a crash of the server costs of a chunk that has no checksum: what came
	// since the last one. A sync every 4 MiB costs a disk of 100 MB/s and 5 ms a sync an eighth of its time.
	checkpointBytes = 4 << 20
	checkpointTime  = time.Second
	// behindBytes is after how much of a chunk the disk begins to write beside the receiving, so that little is left to wait
	// for when the chunk is there and has to be on the disk before it is acknowledged.
	behindBytes = 8 << 20
)

func notThere(err error) bool { return errors.Is(err, os.ErrNotExist) }

func offset(u Upload) string { return strconv.FormatInt(u.Offset, 10) }

// writer appends to an upload. Nothing is acknowledged before commit.
type writer struct {
	u    *upload
	file File      // nil if nothing was or is to be written
	sum  hash.Hash // of the bytes up to at, once hashing is done
	at   int64
	made bool // the file may be new: its name isn't known to be on the disk

	hashing sync.WaitGroup // of the last part, beside the reading of the next
	syncing chan error     // what a sync behind the writing came to; nil if none is under way
	behind  int64          // up to where a sync was begun
	unsafe  error          // why a sync failed; then nothing more is acknowledged
}

// open begins to append at the row's offset. Beyond it the file may hold what a crash left: it is written over, and cut
// off by commit if the upload ends before.
func (u *upload) open() (*writer, error) {
	w := &writer{u: u, sum: sha256.New(), at: u.row.Offset, behind: u.row.Offset, made: u.row.Offset == 0}
	if u.row.Hash != nil {
		if err := w.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.row.Hash); err != nil {
			return nil, fmt.Errorf("state of the hash: %w", err)
		}
	}
	var err error
	if w.file, err = u.h.o.FS.Create(u.row.ID); err != nil {
		return nil, err
	}
	end, err := w.file.Seek(0, io.SeekEnd)
	if err == nil && end < w.at { // somebody took a part of the file away
		err = fmt.Errorf("upload %s: the file ends at %d, before the offset %d", u.row.ID, end, w.at)
	}
	if err == nil && end > w.at && planted != bugKeepTail {
		err = w.file.Truncate(w.at)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *writer) close() {
	w.hashing.Wait()
	_ = w.awaitSync()  // nothing of it was acknowledged
	_ = w.file.Close() // what matters was synced
}

// write appends. It is hashed beside the next read and write: p has to stay as it is until the next write returned.
func (w *writer) write(p []byte) error {
	if _, err := w.file.WriteAt(p, w.at); err != nil {
		return err
	}
	w.hashing.Wait()
	w.hashing.Go(func() { w.sum.Write(p) })
	w.at += int64(len(p))
	return w.syncBehind()
}

// syncBehind has the disk write what came so far, while more comes. A disk that can't keep up holds the client back here:
// what it hasn't is at most twice behindBytes.
func (w *writer) syncBehind() error {
	if w.at-w.behind < behindBytes || planted == bugAckBeforeSync {
		return nil
	}
	if err := w.awaitSync(); err != nil {
		return err
	}
	done := make(chan error, 1)
	w.syncing, w.behind = done, w.at
	go func() { done <- w.file.Sync() }()
	return nil
}

// awaitSync waits for the sync that is under way. A failed one is the last word: systems tell of a failure once, and the
// next sync would answer that all is well.
func (w *writer) awaitSync() error {
	if w.syncing != nil {
		w.unsafe, w.syncing = <-w.syncing, nil
	}
	err := w.unsafe
	if planted == bugSyncAgain {
		w.unsafe = nil
	}
	return err
}

// commit brings what was written to the disk, and then acknowledges it in the row. With the last byte it also ends the
// upload, or discards it if the whole isn't what the client announced.
func (w *writer) commit() error {
	row := *w.u.row
	if planted != bugAckBeforeSync {
		if err := w.sync(); err != nil {
			return err
		}
	}
	w.hashing.Wait()
	state, err := w.sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	now := storedTime()
	row.Offset, row.Hash, row.ExpiresAt = w.at, state, now.Add(w.u.h.o.OpenTTL)
	if row.Offset == row.Length {
		row.State, row.SHA256, row.ExpiresAt = Finished, hex.EncodeToString(w.sum.Sum(nil)), now.Add(w.u.h.o.UnpostedTTL)
		m, err := parseMetadata(row.Metadata)
		if err != nil {
			return err
		}
		for _, want := range []string{m.sum(), w.u.request.digest} {
			if want != "" && want != row.SHA256 {
				return w.discard(row.SHA256)
			}
		}
	}
	ctx, cancel := storeContext()
	defer cancel()
	err = w.u.h.o.Store.AdvanceUpload(ctx, row, w.u.row.Offset, w.u.h.o.Quota)
	if errors.Is(err, ErrConflict) {
		w.abandoned(ctx)
	}
	if err != nil {
		return err
	}
	w.u.h.o.Count("bytes", row.Offset-w.u.row.Offset)
	if row.State == Finished {
		w.u.h.o.Count("finished", 1)
	}
	*w.u.row = row
	return nil
}

// sync brings bytes and, of a new file, the name to the disk.
func (w *writer) sync() error {
	if err := w.awaitSync(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		if planted != bugSyncAgain {
			w.unsafe = err
		}
		return err
	}
	w.behind = w.at
	if !w.made || planted == bugNoDirSync {
		return nil
	}
	if err := w.u.h.o.FS.Sync(); err != nil {
		return err
	}
	w.made = false
	return nil
}

// discard ends an upload whose bytes aren't those that the client announced.
func (w *writer) discard(sum string) error {
	ctx, cancel := storeContext()
	defer cancel()
	if err := w.u.h.o.Store.DeleteUpload(ctx, w.u.row.ID); err != nil {
		return err
	}
	w.u.h.remove(w.u.row.ID)
	w.u.h.o.Count("discarded", 1)
	return refusal(wire.CodeDigestMismatch, "the SHA-256 of what arrived is "+sum+": the upload was deleted, start it anew")
}

// abandoned deletes the file if the row went while it was written.
func (w *writer) abandoned(ctx context.Context) {
	row, err := w.u.h.o.Store.Upload(ctx, w.u.row.ID)
	if errors.Is(err, ErrNotFound) || err == nil && row.State == Gone {
		w.u.h.remove(w.u.row.ID)
	}
}

// WriteChunk appends the body of a request. A chunk with a checksum is taken whole or not at all; of one without, what
// has arrived is kept however it ends.
func (u *upload) WriteChunk(_ context.Context, _ int64, src io.Reader) (int64, error) {
	begin := u.row.Offset
	w, err := u.open()
	if err != nil {
		return 0, u.h.fail("open upload", err)
	}
	defer w.close()
	if u.request.sum != nil {
		return w.summed(src)
	}
	last := time.Now()
	err = w.copy(src, func() error {
		if w.at-u.row.Offset < checkpointBytes && time.Since(last) < checkpointTime {
			return nil
		}
		err := w.commit()
		last = time.Now()
		return err
	})
	if w.at > u.row.Offset {
		err = errors.Join(err, w.commit())
	}
	return u.row.Offset - begin, u.h.fails("write chunk", err)
}

// copy appends what src has, and calls each after each part.
func (w *writer) copy(src io.Reader, each func() error) error {
	buf, other := make([]byte, copyBytes), make([]byte, copyBytes)
	for {
		buf, other = other, buf // the last part is being hashed
		n, err := src.Read(buf)
		if n > 0 {
			if err := w.write(buf[:n]); err != nil {
				return err
			}
			if err := each(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// summed appends a chunk with a checksum.
func (w *writer) summed(src io.Reader) (int64, error) {
	u, sum := w.u, w.u.request.sum
	begin := w.at
	if sum.Hash != nil {
		src = io.TeeReader(src, sum)
	}
	err := w.copy(src, func() error { return nil })
	w.hashing.Wait()
	whole := u.request.length < 0 || w.at-begin == u.request.length || planted == bugSumIncomplete
	right := sum.right(w.sum) || planted == bugSumIncomplete && w.at-begin != u.request.length
	switch {
	case err != nil:
	case !whole: // nobody knows whether what came is right
		if err = u.request.why(); err == nil {
			err = handler.ErrUnexpectedEOF
		}
	case !right:
		err = refusal(wire.CodeChecksumMismatch, "the chunk arrived damaged: send it again")
		if planted == bugKeepBadChunk {
			err = errors.Join(err, w.commit())
			return w.at - begin, err
		}
	case w.at == begin:
		return 0, nil
	default:
		err = w.commit()
		return u.row.Offset - begin, u.h.fails("write chunk", err)
	}
	if planted == bugHashNotReset { // as if the state were kept in memory from chunk to chunk
		if state, e := w.sum.(encoding.BinaryMarshaler).MarshalBinary(); e == nil {
			row := *u.row
			row.Hash = state
			ctx, cancel := storeContext()
			defer cancel()
			_ = u.h.o.Store.AdvanceUpload(ctx, row, row.Offset, u.h.o.Quota)
		}
	}
	if e := w.file.Truncate(begin); e != nil {
		u.h.o.Log.Warn("cut off a chunk that wasn't taken", "id", u.row.ID, "error", e) // it is written over, or cut off then
	}
	return 0, u.h.fails("write chunk", err)
}

// ConcatUploads puts the parts together. It begins anew each time, until the row says that it is done.
func (u *upload) ConcatUploads(ctx context.Context, parts []handler.Upload) error {
	lock, err := u.h.locks.NewLock(u.row.ID)
	if err != nil {
		return err
	}
	if err := lock.Lock(ctx, nil); err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }() // it can't fail
	fresh, err := u.h.owned(u.request.user, u.row.ID)
	if err != nil {
		return err
	}
	if *u.row = *fresh; u.row.State == Finished { // by another try
		return nil
	}
	w, err := u.open()
	if err != nil {
		return u.h.fail("open upload", err)
	}
	defer w.close()
	each := func() error {
		_ = u.request.control.SetWriteDeadline(time.Now().Add(2 * networkTimeout)) // it may take long
		return u.request.why()
	}
	for _, part := range parts {
		if err := w.append(part.(*upload), each); err != nil {
			return u.h.fail("put uploads together", err)
		}
	}
	return u.h.fails("put uploads together", w.commit())
}

// append copies a whole part.
func (w *writer) append(part *upload, each func() error) error {
	if part.row.Length == 0 {
		return nil
	}
	f, err := w.u.h.o.FS.Open(part.row.ID)
	if notThere(err) {
		return refusal(wire.CodeUploadExpired, "a part was deleted meanwhile")
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	begin := w.at
	if err := w.copy(io.LimitReader(f, part.row.Length), each); err != nil {
		return err
	}
	if w.at-begin != part.row.Length {
		return fmt.Errorf("part %s has %d bytes of %d", part.row.ID, w.at-begin, part.row.Length)
	}
	return nil
}
