package profile_test

import (
	"bytes"
	"encoding/binary"
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

// fill puts n messages into the queue, each as change makes it; nil leaves it as it is.
func fill(t *testing.T, p *profile.Profile, n int, change func(k int, e *outbox.Entry)) error {
	t.Helper()
	tx := outbox.Tx{}
	for k := range n {
		e := outbox.Entry{
			ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", k), Channel: "c", Order: uint64(k + 1), Text: fmt.Sprint("queued ", k),
		}
		if change != nil {
			change(k, &e)
		}
		tx.Put = append(tx.Put, e)
	}
	return p.Outbox().Commit(t.Context(), tx)
}

// TestRescueFromPages: texts of all lengths, so that they end on the leaf, on one page more and on many.
func TestRescueFromPages(t *testing.T) {
	for _, header := range []bool{false, true} {
		t.Run(fmt.Sprint("without header: ", header), func(t *testing.T) {
			const queued = 300
			dir := t.TempDir()
			p := open(t, dir)
			err := fill(t, p, queued, func(k int, e *outbox.Entry) {
				e.Text += " " + strings.Repeat("x", []int{0, 1000, 3900 + k, 8055 + k/6, 4080 + k, 16_000 + k}[k%6])
			})
			if err := errors.Join(err, p.Close()); err != nil {
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
			err := errors.Join(
				fill(t, p, queued, func(_ int, e *outbox.Entry) { e.Text += strings.Repeat(" old", 300) }),
				fill(t, p, queued, func(k int, e *outbox.Entry) {
					e.State = outbox.Cancelled
					if k%10 == 0 {
						e.Version, e.State = 1, outbox.Queued // and a shorter text
					}
				}),
			)
			if row.forget {
				err = errors.Join(err, profile.Exec(t.Context(), p, `DELETE FROM outbox_entries WHERE state != 0`))
			}
			if err := errors.Join(err, p.Close()); err != nil {
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
	if err := errors.Join(fill(t, p, 10, nil), p.Close()); err != nil {
		t.Fatal(err)
	}
	p = open(t, dir)
	if err := errors.Join(fill(t, p, 20, nil), os.CopyFS(copied, os.DirFS(dir)), p.Close()); err != nil {
		t.Fatal(err)
	}
	edit(t, copied, noDefinitions(false))
	var out bytes.Buffer
	if got, err := profile.Rescue(copied, &out); err != nil || got.Messages != 20 {
		t.Errorf("%+v, %v, %s", got, err, out.String())
	}
}

// TestRescueSaysWhose: a rescued message goes out as nobody else.
func TestRescueSaysWhose(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir)
	err := fill(t, p, 2, func(k int, e *outbox.Entry) {
		if k == 1 {
			e.Account = "ada@http://a"
		}
	})
	if err := errors.Join(err, p.Close()); err != nil {
		t.Fatal(err)
	}
	edit(t, dir, noDefinitions(false))
	var out bytes.Buffer
	if _, err := profile.Rescue(dir, &out); err != nil {
		t.Fatal(err)
	}
	want := `{"op":"send","channel":"c","text":"queued 0","id":"00000000-0000-7000-8000-000000000000"}
{"op":"send","channel":"c","text":"queued 1","id":"00000000-0000-7000-8000-000000000001","account":"ada@http://a"}
`
	if out.String() != want {
		t.Errorf("got %s, want %s", &out, want)
	}
}

// TestRescueSkipsRecordsWithoutHeader: a record whose header claims to be shorter than its own length is damage, not rows.
func TestRescueSkipsRecordsWithoutHeader(t *testing.T) {
	const queued, page, leaf = 3, 4096, 0x0d
	dir := filled(t, queued)
	found := false
	edit(t, dir, func(b []byte) []byte {
		noDefinitions(false)(b)
		for at := page; at < len(b); at += page {
			if b[at] != leaf || !bytes.Contains(b[at:at+page], []byte("00000000-0000-7000-8000-")) {
				continue
			}
			cells := int(binary.BigEndian.Uint16(b[at+3:]))
			for n := range cells {
				cell := b[at+int(binary.BigEndian.Uint16(b[at+8+2*n:])):]
				_, length := binary.Uvarint(cell) // one or two bytes, told by the highest bit as in SQLite's own
				_, row := binary.Uvarint(cell[length:])
				cell[length+row] = 0
				found = true
			}
		}
		return b
	})
	var out bytes.Buffer
	got, err := profile.Rescue(dir, &out)
	if err != nil || !found || got.Messages != 0 || got.Cut == nil {
		t.Errorf("%+v, %v; a record was found to damage: %v", got, err, found)
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
			copy(noDefinitions(false)(b)[max(0, at)%len(b):], damage)
			return b
		})
		got, err := profile.Rescue(dir, &bytes.Buffer{})
		if err == nil && got.Messages > queued {
			t.Errorf("%+v", got)
		}
	})
}

// FuzzEntryColumns takes records apart that hold anything.
func FuzzEntryColumns(f *testing.F) {
	f.Add([]byte{5, 0, 15, 1, 14, 'i', 0, 'd'})
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, record []byte) {
		if id, data, ok := profile.EntryColumns(record); ok && len(id)+len(data) >= len(record) {
			t.Errorf("%d bytes hold %q and %q", len(record), id, data)
		}
	})
}
