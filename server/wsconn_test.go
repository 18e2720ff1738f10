package server_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/chatsdk/chatsdk/server"
)

// wsFrame makes a frame as servers write them.
func wsFrame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// TestCloseFrameIsSeen writes streams of frames in pieces of every size: the close frame is seen with its last byte,
// and nothing else is taken for one.
func TestCloseFrameIsSeen(t *testing.T) {
	looksLike := bytes.Repeat([]byte{0x88, 0x02, 0x0b, 0xb8}, 100) // payload that could be close frames
	var before []byte
	for _, f := range [][]byte{
		wsFrame(1, []byte("hello")), wsFrame(2, looksLike), wsFrame(9, nil), wsFrame(1, nil), wsFrame(2, make([]byte, 70000)),
		wsFrame(10, []byte{0x88}), wsFrame(2, looksLike[:125]), wsFrame(2, looksLike[:126]),
	} {
		before = append(before, f...)
	}
	for _, last := range [][]byte{wsFrame(8, nil), wsFrame(8, []byte{0x0b, 0xb8, 'x'})} {
		for _, size := range []int{1, 2, 3, 7, 125, 4096, len(before) + len(last)} {
			stream := append(append([]byte(nil), before...), last...)
			f := server.NewFrames()
			at := 0
			for at < len(stream) {
				end := min(at+size, len(stream))
				closed := f.Closes(stream[at:end])
				if closed != (end == len(stream)) {
					t.Fatalf("pieces of %d: closed is %v after %d of %d bytes", size, closed, end, len(stream))
				}
				at = end
			}
		}
	}
}
