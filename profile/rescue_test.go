package profile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// noDefinitions clears what says which tables there are and where they begin, and what says which pages are free if
// header is set: then only the pages themselves tell.
func noDefinitions(header bool) func([]byte) []byte {
	return func(b []byte) []byte {
		if header {
			clear(b[:4096])
		} else {
			clear(b[100:4096])
		}
		return b
	}
}

// fill puts n messages into the queue.
func fill(t *testing.T, p *profile.Profile, n int, change func(k int, e *outbox.Entry)) {
	t.Helper()
	tx := outbox.Tx{}
	for k := range n {
		e := outbox.Entry{
			ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", k), Channel: "c", Order: uint64(k + 1), Text: fmt.Sprintf("queued %d ", k),
		}
		change(k, &e)
		tx.Put = append(tx.Put, e)
	}
	if err := p.Outbox().Commit(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
}

// TestRescueFromPages: texts of all lengths, so that they end on the leaf, on one page more and on many.
func TestRescueFromPages(t *testing.T) {
	for _, header := range []bool{false, true} {
		t.Run(fmt.Sprint("without header: ", header), func(t *testing.T) {
			const queued = 300
			dir := t.TempDir()
			p := open(t, dir)
			fill(t, p, queued, func(k int, e *outbox.Entry) {
				e.Text += strings.Repeat("x", []int{0, 1000, 3900 + k, 8055 + k/6, 4080 + k, 16_000 + k}[k%6])
			})
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, noDefinitions(header))
			var out bytes.Buffer
			got, err := profile.Rescue(dir, &out)
			if err != nil || got.Messages != queued || got.Damaged != 0 || got.Cut == nil {
				t.Fatalf("%+v, %v", got, err)
			}
			for k, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
				if want := fmt.Sprintf(`"text":"queued %d x`, k); !strings.Contains(line, want) && k%6 > 0 {
					t.Fatalf("line %d: %.100s", k, line)
				}
			}
		})
	}
}

// TestRescueLeavesWhatIsOver: messages that were cancelled, edited and forgotten leave old rows on pages that are free now.
// They don't come back. Where the list of those pages is lost, what is later is told from what it says, in whatever
// order the pages come, and only what left no trace at all would come back.
func TestRescueLeavesWhatIsOver(t *testing.T) {
	const queued = 600
	reversed := func(b []byte) []byte {
		pages := slices.Collect(slices.Chunk(noDefinitions(true)(b), 4096))
		slices.Reverse(pages)
		return slices.Concat(pages...)
	}
	for name, row := range map[string]struct {
		forget bool
		damage func([]byte) []byte
	}{
		"definitions":      {true, noDefinitions(false)},
		"header":           {false, noDefinitions(true)},
		"header, reversed": {false, reversed},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := open(t, dir)
			fill(t, p, queued, func(_ int, e *outbox.Entry) { e.Text += strings.Repeat("old ", 300) })
			fill(t, p, queued, func(k int, e *outbox.Entry) {
				e.State = outbox.Cancelled
				if k%10 == 0 {
					e.Version, e.State = 1, outbox.Queued // and a shorter text
				}
			})
			if row.forget {
				if err := profile.Exec(t.Context(), p, `DELETE FROM outbox_entries WHERE state != 0`); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, profile.FileName))
			if err != nil || !bytes.Contains(b, []byte("old old old")) {
				t.Fatalf("nothing old is left, so nothing is shown: %v", err)
			}
			edit(t, dir, row.damage)
			var out bytes.Buffer
			got, err := profile.Rescue(dir, &out)
			if err != nil || got.Messages != queued/10 || strings.Contains(out.String(), "old") {
				t.Errorf("%+v, %v, %.1000s", got, err, out.String())
			}
		})
	}
}

// TestRescueFromTheLog: what was written last is in the log when the process dies.
func TestRescueFromTheLog(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	p := open(t, dir)
	fill(t, p, 10, func(int, *outbox.Entry) {})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = open(t, dir)
	fill(t, p, 20, func(int, *outbox.Entry) {})
	err := os.CopyFS(copied, os.DirFS(dir))
	if err := errors.Join(err, p.Close()); err != nil {
		t.Fatal(err)
	}
	edit(t, copied, noDefinitions(false))
	var out bytes.Buffer
	if got, err := profile.Rescue(copied, &out); err != nil || got.Messages != 20 {
		t.Errorf("%+v, %v, %s", got, err, out.String())
	}
}

// FuzzRescue shows Rescue files that are damaged at one place.
func FuzzRescue(f *testing.F) {
	f.Add(100, []byte("x"))
	f.Add(4096+3, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(32, []byte{0, 0, 0, 2, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, at int, damage []byte) {
		const queued = 20
		dir := filled(t, queued)
		edit(t, dir, func(b []byte) []byte {
			clear(b[100:4096])
			copy(b[max(0, at)%len(b):], damage)
			return b
		})
		got, err := profile.Rescue(dir, &bytes.Buffer{})
		if err == nil && got.Messages > queued {
			t.Errorf("%+v", got)
		}
	})
}
