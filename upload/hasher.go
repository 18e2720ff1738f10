package upload

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

const (
	hashBlock = 256 << 10 // read at once
	markEvery = 4 << 20   // between two states that can be gone back to
	maxMarks  = 64
)

// hasher computes the SHA-256 of a file from its beginning, and can go back: it keeps its states at some positions. It is
// for one goroutine at a time.
type hasher struct {
	r     io.ReaderAt
	h     hash.Hash
	pos   int64
	marks []mark // in order of their positions
	buf   []byte
}

type mark struct {
	pos   int64
	state []byte
}

// newHasher starts from a state that was kept, or from the beginning where that is of no use.
func newHasher(r io.ReaderAt, pos int64, state []byte) *hasher {
	h := &hasher{r: r, h: sha256.New()}
	if pos > 0 && h.restore(state) == nil {
		h.pos = pos
		h.mark()
	} else {
		h.h.Reset()
	}
	return h
}

func (h *hasher) restore(state []byte) error {
	u, ok := h.h.(encoding.BinaryUnmarshaler)
	if !ok {
		return errors.New("state of SHA-256 can't be restored")
	}
	return u.UnmarshalBinary(state)
}

// mark remembers the present state.
func (h *hasher) mark() {
	if m, ok := h.h.(encoding.BinaryMarshaler); ok && h.pos > 0 {
		if state, err := m.MarshalBinary(); err == nil {
			h.marks = append(h.marks, mark{h.pos, state})
		}
	}
	if len(h.marks) > maxMarks {
		h.marks = slices.Delete(h.marks, 0, len(h.marks)-maxMarks)
	}
}

// back goes to the last known state that isn't beyond pos.
func (h *hasher) back(pos int64) {
	if h.pos <= pos || planted == bugHashAhead {
		return
	}
	h.marks = slices.DeleteFunc(h.marks, func(m mark) bool { return m.pos > pos })
	h.h.Reset()
	h.pos = 0
	if n := len(h.marks); n > 0 && h.restore(h.marks[n-1].state) == nil {
		h.pos = h.marks[n-1].pos
	}
}

// at returns the newest state that isn't beyond pos; nil and 0 if there is none.
func (h *hasher) at(pos int64) (state []byte, at int64) {
	for _, m := range slices.Backward(h.marks) {
		if m.pos <= pos {
			return m.state, m.pos
		}
	}
	return nil, 0
}

// to reads on until the hash is that of the first pos bytes. more, unless nil, takes the same bytes. A file that ends
// before is errChanged.
func (h *hasher) to(ctx context.Context, pos int64, more hash.Hash) error {
	h.back(pos)
	if h.buf == nil {
		h.buf = make([]byte, hashBlock)
	}
	for h.pos < pos {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next := h.pos - h.pos%markEvery + markEvery
		n, err := h.r.ReadAt(h.buf[:min(hashBlock, pos-h.pos, next-h.pos)], h.pos)
		_, _ = h.h.Write(h.buf[:n]) // never fails
		if more != nil {
			_, _ = more.Write(h.buf[:n])
		}
		h.pos += int64(n)
		if n > 0 && (h.pos == next || h.pos == pos) {
			h.mark()
		}
		if h.pos < pos && err != nil {
			if errors.Is(err, io.EOF) {
				return errChanged
			}
			return fmt.Errorf("read file: %w", err)
		}
	}
	return nil
}

// sum is the hash so far, in hex.
func (h *hasher) sum() string { return hex.EncodeToString(h.h.Sum(nil)) }
