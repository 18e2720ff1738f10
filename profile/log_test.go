package profile_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

const logName = profile.FileName + "-wal"

// killedWith is the folder of a profile whose process was killed with n messages queued, one by one: all are in the log.
func killedWith(t *testing.T, n int, claimed bool) (dir string) {
	t.Helper()
	from := t.TempDir()
	p := open(t, from)
	if claimed {
		if err := p.Claim(t.Context(), "http://a", "ada"); err != nil {
			t.Fatal(err)
		}
	}
	for k := range n {
		e := outbox.Entry{
			ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", k), Channel: "c", Order: uint64(k + 1), Text: fmt.Sprint("queued ", k, " "),
		}
		if err := p.Outbox().Commit(t.Context(), outbox.Tx{Put: []outbox.Entry{e}}); err != nil {
			t.Fatal(err)
		}
	}
	dir = copyOf(t, from)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyOf is a copy of a folder.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// loseDatabase leaves the log alone; empty leaves the file there, without a byte.
func loseDatabase(t *testing.T, dir string, empty bool) {
	t.Helper()
	path := filepath.Join(dir, profile.FileName)
	err := os.Remove(path)
	if empty {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// lostDatabase has the database vanish from beside its log, which SQLite then deletes as an old one.
func lostDatabase(t *testing.T) error {
	const queued = 10
	for name, empty := range map[string]bool{"empty": true, "gone": false} {
		dir := killedWith(t, queued, false)
		loseDatabase(t, dir, empty)
		before := content(t, dir)
		if err := use(dir); !errors.Is(err, profile.ErrCorrupt) {
			return fmt.Errorf("%s: using it: %w", name, err)
		}
		if !maps.Equal(content(t, dir), before) {
			return fmt.Errorf("%s: something of it was changed", name)
		}
		var out bytes.Buffer
		got, err := profile.Rescue(dir, &out)
		if err != nil || got.Messages != queued || got.Damaged != 0 || got.Cut != nil || strings.Count(out.String(), `"queued `) != queued {
			return fmt.Errorf("%s: %+v, %w: %s", name, got, err, &out)
		}
		if err := use(dir); err != nil {
			return fmt.Errorf("%s: using it afterwards: %w", name, err)
		}
	}
	return nil
}

// TestLogWithoutDatabaseIsDamage: what is queued is in the log when the process is killed, and mustn't go with it.
func TestLogWithoutDatabaseIsDamage(t *testing.T) {
	if err := lostDatabase(t); err != nil {
		t.Error(err)
	}
}

// TestDamagedLogWithoutDatabase: what is behind the damage is saved, and said not to be all.
func TestDamagedLogWithoutDatabase(t *testing.T) {
	const queued = 20
	sound := killedWith(t, queued, true)
	for _, at := range []int{24, 32 + 4, 10_000, 50_000} {
		dir := copyOf(t, sound)
		loseDatabase(t, dir, false)
		editLog(t, dir, func(log []byte) []byte { log[at] ^= 1; return log })
		got, err := profile.Rescue(dir, &bytes.Buffer{})
		if err != nil || got.Messages < queued-2 || got.Cut == nil {
			t.Errorf("byte %d: %+v, %v", at, got, err)
		}
	}
}

// TestLogOfHalfADatabase: the log has what was written since the last process, the database is gone, and what is on the
// log's pages is saved.
func TestLogOfHalfADatabase(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir)
	old := func(_ int, e *outbox.Entry) { e.Text += strings.Repeat(" old", 500) }
	if err := errors.Join(fill(t, p, 50, old), p.Close()); err != nil {
		t.Fatal(err)
	}
	p = open(t, dir)
	e := queueEntry(1000)
	if err := p.Outbox().Commit(t.Context(), outbox.Tx{Put: []outbox.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	copied := copyOf(t, dir)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	loseDatabase(t, copied, false)
	var out bytes.Buffer
	got, err := profile.Rescue(copied, &out)
	if err != nil || got.Messages == 0 || got.Cut == nil || !strings.Contains(out.String(), e.ID) {
		t.Errorf("%+v, %v: %s", got, err, out.String())
	}
}

// TestEmptyDatabaseOfSomebodyIsDamage: an empty file is a new profile only where there never was one.
func TestEmptyDatabaseOfSomebodyIsDamage(t *testing.T) {
	for _, empty := range []bool{true, false} {
		dir := filled(t, 3)
		loseDatabase(t, dir, empty)
		for range 2 { // whose it was is remembered over an opening that failed
			if err := use(dir); !errors.Is(err, profile.ErrCorrupt) {
				t.Fatalf("empty %v: using it: %v", empty, err)
			}
		}
		if got, err := profile.Rescue(dir, &bytes.Buffer{}); err != nil || got.Messages != 0 || got.Cut == nil {
			t.Errorf("empty %v: %+v, %v", empty, got, err)
		}
		if err := use(dir); err != nil {
			t.Errorf("empty %v: using it afterwards: %v", empty, err)
		}
	}
	fresh := t.TempDir()
	p := open(t, fresh)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	loseDatabase(t, fresh, true)
	if _, err := profile.Rescue(fresh, &bytes.Buffer{}); !errors.Is(err, profile.ErrSound) {
		t.Errorf("rescue of what was nobody's: %v", err)
	}
	if err := use(fresh); err != nil {
		t.Errorf("nobody's: %v", err)
	}
}

// TestDamageInTheLog flips a bit of the log. SQLite ends a log where it doesn't fit, as after a crash, and says nothing:
// all later commits would be gone. What no crash leaves is told, and rescued but for what only the damaged page had. In
// the last two commits the two can't be told apart, and that is all that may be lost without a word.
func TestDamageInTheLog(t *testing.T) {
	const queued, flips = 60, 40
	rng := rand.New(rand.NewPCG(seed(t), 0))
	sound, told := killedWith(t, queued, true), 0
	for range flips {
		dir := copyOf(t, sound)
		at := 0
		editLog(t, dir, func(log []byte) []byte {
			at = rng.IntN(len(log))
			log[at] ^= 1 << rng.IntN(8)
			return log
		})
		before := content(t, dir)
		p, err := profile.Open(dir)
		if err == nil {
			saved, err := p.Outbox().Load(t.Context())
			if n := len(saved.Entries); err != nil || n < queued-2 {
				t.Errorf("byte %d: %d of %d are left, and nothing was said (%v)", at, n, queued, err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		told++
		if !errors.Is(err, profile.ErrCorrupt) || !maps.Equal(content(t, dir), before) {
			t.Fatalf("byte %d: %v", at, err)
		}
		got, err := profile.Rescue(dir, &bytes.Buffer{})
		if err != nil || got.Cut == nil || got.Messages < queued/2 { // nearly always all, but one page may hold many
			t.Errorf("byte %d: %+v, %v", at, got, err)
		}
		if err := use(dir); err != nil {
			t.Errorf("using it afterwards: %v", err)
		}
	}
	if told < flips/2 {
		t.Errorf("only %d of %d were told", told, flips)
	}
}

// editLog changes the log's file.
func editLog(t *testing.T, dir string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, logName)
	log, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(log), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamagedLogHeader: without its header SQLite takes none of the log.
func TestDamagedLogHeader(t *testing.T) {
	const queued = 10
	sound := killedWith(t, queued, true)
	for at := range 32 {
		dir := copyOf(t, sound)
		editLog(t, dir, func(log []byte) []byte { log[at] ^= 4; return log })
		if err := use(dir); !errors.Is(err, profile.ErrCorrupt) {
			t.Fatalf("byte %d: %v", at, err)
		}
		if got, err := profile.Rescue(dir, &bytes.Buffer{}); err != nil || got.Messages != queued {
			t.Errorf("byte %d: %+v, %v", at, got, err)
		}
	}
}

// TestCrashedLogIsSound cuts a log anywhere, as a crash does: it is no damage.
func TestCrashedLogIsSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	dir := killedWith(t, 40, true)
	log, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if n := rng.IntN(len(log) + 1); profile.LogDamaged(log[:n]) {
			t.Fatalf("cut off after %d bytes it counts as damaged", n)
		}
	}
}
