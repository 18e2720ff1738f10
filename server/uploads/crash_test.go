package uploads_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/wire"
)

// seed is that of a random test: SEED from the environment, or another each time.
func seed(t *testing.T) uint64 {
	t.Helper()
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return rand.Uint64()
}

// cut is a body whose connection is cut.
type cut struct{ *bytes.Reader }

func (c cut) Read(p []byte) (int, error) {
	if c.Len() == 0 {
		return 0, errors.New("connection cut")
	}
	return c.Reader.Read(p)
}

// powerLoss uploads a file through a random sequence of chunks, good, damaged and cut off, of questions, deletions and
// power cuts. After each step the offset is one that was acknowledged or later, and the file's bytes up to it are those
// that were sent.
func powerLoss(seed uint64) func(*house) error {
	return func(h *house) error {
		rng := rand.New(rand.NewPCG(seed, 0))
		whole := make([]byte, 1+rng.IntN(1<<(4+rng.IntN(20)))) // mostly short, sometimes beyond a checkpoint
		for i := range whole {
			whole[i] = byte(rng.Uint32())
		}
		path, err := h.create("alice", len(whole), "Upload-Metadata", meta("sha256", digest(whole)))
		if err != nil {
			return err
		}
		acked := int64(0)
		for step := 0; acked < int64(len(whole)); step++ {
			if step == 1000 {
				return fmt.Errorf("no end: at %d of %d", acked, len(whole))
			}
			what, a, err := h.step(rng, path, whole, acked)
			if err != nil {
				return err
			}
			at := h.at("alice", path)
			if at < acked || a.status == 204 && at != a.offset() {
				return fmt.Errorf("step %d, %s: at %d after %d was acknowledged, %v", step, what, at, acked, a)
			}
			if got := h.disk.content(id(path)); int64(len(got)) < at || !bytes.Equal(got[:at], whole[:at]) {
				return fmt.Errorf("step %d, %s: the file's %d bytes don't begin with the %d that are acknowledged", step, what, len(got), at)
			}
			acked = at
		}
		if a := h.do("GET", path, "alice", nil); !bytes.Equal(a.body, whole) || a.header.Get(wire.HeaderUploadSHA256) != digest(whole) {
			return fmt.Errorf("the whole differs: %d", a.status)
		}
		return nil
	}
}

// step does one thing to the upload.
func (h *house) step(rng *rand.Rand, path string, whole []byte, at int64) (string, answer, error) {
	n := min(1+rng.Int64N(1+rng.Int64N(int64(len(whole)))), int64(len(whole))-at)
	chunk := whole[at : at+n]
	damaged := bytes.Clone(chunk)
	damaged[rng.Int64N(n)] ^= 1
	length := strconv.FormatInt(n, 10)
	switch k := rng.IntN(12); k {
	case 0, 1:
		return "a chunk", h.patch("alice", path, at, chunk), nil
	case 2, 3:
		return "with a checksum", h.patch("alice", path, at, chunk, "Upload-Checksum", sha256Header(chunk)), nil
	case 4:
		return "damaged", h.patch("alice", path, at, damaged, "Upload-Checksum", sha1Header(chunk)), nil
	case 5:
		body := cut{bytes.NewReader(chunk[:rng.Int64N(n)])}
		return "cut off", h.do("PATCH", path, "alice", body, "Upload-Offset", strconv.FormatInt(at, 10), "Content-Length", length), nil
	case 6:
		body := cut{bytes.NewReader(damaged[:rng.Int64N(n)])}
		return "cut off with a checksum", h.do("PATCH", path, "alice", body, "Upload-Offset", strconv.FormatInt(at, 10),
			"Content-Length", length, "Upload-Checksum", sha1Header(chunk)), nil
	case 7:
		return "elsewhere", h.patch("alice", path, at+1, chunk), nil
	case 8:
		return "with a checksum of all", h.patch("alice", path, at, chunk, "Upload-Checksum", prefixHeader(whole[:at+n])), nil
	case 9:
		return "damaged, with a checksum of all", h.patch("alice", path, at, damaged, "Upload-Checksum", prefixHeader(whole[:at+n])), nil
	default:
		if err := h.s.Kill(); err != nil {
			return "", answer{}, err
		}
		if k == 10 {
			h.disk = h.disk.crash(rng)
		}
		return "a crash", answer{}, h.start()
	}
}

func TestPowerLoss(t *testing.T) {
	first := seed(t)
	runs := uint64(20)
	if os.Getenv("SEED") != "" {
		runs = 1
	}
	for n := range runs {
		if err := run(powerLoss(first+n), nil); err != nil {
			t.Fatalf("SEED=%d: %v", first+n, err)
		}
	}
}

// crashAtOnce cuts the power after the first bytes and before anything else.
func crashAtOnce(h *house) error {
	for n := range 20 {
		path, err := h.create("alice", 10)
		if err != nil {
			return err
		}
		if a := h.patch("alice", path, 0, []byte("abcd")); a.status != 204 {
			return fmt.Errorf("patch: %v", a)
		}
		if err := h.s.Kill(); err != nil {
			return err
		}
		h.disk = h.disk.crash(rand.New(rand.NewPCG(uint64(n), 0)))
		if err := h.start(); err != nil {
			return err
		}
		if got := h.disk.content(id(path)); h.at("alice", path) != 4 || len(got) < 4 || string(got[:4]) != "abcd" {
			return fmt.Errorf("the disk has %q, the row says %d", got, h.at("alice", path))
		}
		if err := h.finishTen(path, 4); err != nil {
			return err
		}
	}
	return nil
}

func TestCrashAtOnce(t *testing.T) { check(t, crashAtOnce, nil) }

// TestOrphans starts on a disk with files that nobody has.
func TestOrphans(t *testing.T) {
	checkLive(t, func(h *house, _ *faultnet.Network) error {
		path, err := h.put("alice", []byte("abc"))
		if err != nil {
			return err
		}
		for _, name := range []string{"00000000-0000-4000-8000-000000000000", "README"} {
			if _, err := h.disk.Create(name); err != nil {
				return err
			}
		}
		if err := errors.Join(h.s.Kill(), h.start()); err != nil {
			return err
		}
		time.Sleep(time.Millisecond) // beside the start
		if names, err := h.disk.Names(); err != nil || len(names) != 2 || h.disk.content(id(path)) == nil {
			return fmt.Errorf("left are %v", names)
		}
		return nil
	}, nil)
}

// tail leaves bytes in a file beyond the offset, as a crash does, and ends the upload before them.
func tail(h *house) error {
	a := h.do("POST", "/api/uploads", "alice", nil, "Upload-Defer-Length", "1")
	path := a.header.Get("Location")
	if a := h.patch("alice", path, 0, []byte("abcdefghij")); a.status != 204 {
		return fmt.Errorf("patch: %v", a)
	}
	f, err := h.disk.Create(id(path))
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte("never acknowledged"), 10); err != nil {
		return err
	}
	if a := h.patch("alice", path, 10, nil, "Upload-Length", "10"); a.status != 204 {
		return fmt.Errorf("declare: %v", a)
	}
	return h.finishTen(path, 10)
}

func TestTail(t *testing.T) { check(t, tail, nil) }
