package profile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// filled makes a profile with queued and received messages in a folder and closes it.
func filled(t *testing.T, queued int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	p, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	tx := outbox.Tx{}
	for k := range queued {
		tx.Put = append(tx.Put, outbox.Entry{
			ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", k), Channel: "c", Order: uint64(k + 1),
			Text: fmt.Sprint("queued ", k, strings.Repeat(" <&>", 50)),
		})
	}
	err = errors.Join(
		p.Outbox().Commit(t.Context(), tx),
		p.Inbox().Commit(t.Context(), batch(1, 500)),
		p.Claim(t.Context(), "http://a", "ada"),
		p.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// content is every file of a folder but the lock's.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), "profile.db") {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[e.Name()] = string(b)
		}
	}
	return out
}

// edit changes the database's file.
func edit(t *testing.T, dir string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, profile.FileName)
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// use opens a profile and reads all that a client would.
func use(dir string) (err error) {
	p, err := profile.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	ctx := context.Background()
	saved, err := p.Outbox().Load(ctx)
	if err != nil {
		return err
	}
	if saved.Aside > 0 {
		return profile.ErrCorrupt
	}
	for after := uint64(0); ; after += 100 {
		page, err := p.Inbox().Page(ctx, "c", after, 100)
		if err != nil || len(page) == 0 {
			return err
		}
	}
}

// newer has a program of a later version write the profile.
func newer(t *testing.T) error {
	dir := filled(t, 3)
	db, err := driver.Open("file:" + filepath.ToSlash(filepath.Join(dir, profile.FileName)))
	if err == nil {
		_, err = db.Exec(fmt.Sprintf(`PRAGMA user_version = %d; CREATE TABLE from_the_future (x)`, profile.Version()+1))
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return err
	}
	before := content(t, dir)
	if err := use(dir); !errors.Is(err, profile.ErrNewer) {
		return fmt.Errorf("opening it: %w", err)
	}
	if _, err := profile.Rescue(dir, &bytes.Buffer{}); !errors.Is(err, profile.ErrNewer) {
		return fmt.Errorf("rescuing it: %w", err)
	}
	if !maps.Equal(content(t, dir), before) {
		return errors.New("something of it was changed")
	}
	return nil
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	if err := newer(t); err != nil {
		t.Error(err)
	}
}

// TestDamage damages the file in many ways. Each time the error says so, the file stays as it is, Rescue writes what can
// be read, sets the file aside unchanged, and the profile opens anew.
func TestDamage(t *testing.T) {
	const queued = 200
	page := func(n int) func([]byte) []byte {
		return func(b []byte) []byte {
			n := n
			if n < 0 {
				n += len(b) / 4096
			}
			copy(b[n*4096:], bytes.Repeat([]byte{0xa5}, 4096))
			return b
		}
	}
	for name, row := range map[string]struct {
		change func([]byte) []byte
		least  int // messages to be saved at least
	}{
		"no database":       {func([]byte) []byte { return bytes.Repeat([]byte("no database"), 1000) }, 0},
		"first page":        {page(0), 0},
		"a page":            {page(-10), 100},
		"the last page":     {page(-1), 100},
		"half of it":        {func(b []byte) []byte { return b[:len(b)/2/4096*4096] }, 0},
		"all but the end":   {func(b []byte) []byte { return b[:len(b)-4096] }, 100},
		"not a whole page":  {func(b []byte) []byte { return b[:len(b)-1000] }, 100},
		"a bit of a text":   {func(b []byte) []byte { i := bytes.Index(b, []byte("queued 77")); b[i] ^= 1; return b }, queued - 1},
		"every second page": {everySecondPage, 0},
		"a column's name": {func(b []byte) []byte {
			return bytes.Replace(b, []byte("sent    INTEGER"), []byte("sext    INTEGER"), 1)
		}, queued},
		"the queue's definition": {func(b []byte) []byte {
			return bytes.Replace(b, []byte("CREATE TABLE outbox_entries"), []byte("CREATE TABLX outbox_entries"), 1)
		}, queued},
		"the queue's name": {func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("outbox_entries"), []byte("outbox_ent\x01ies"))
		}, queued},
		"all definitions": {func(b []byte) []byte { clear(b[100:4096]); return b }, queued},
		"a table's name": {func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("outbox_counts"), []byte("outbox_cou\x01ts"))
		}, queued},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t, queued)
			edit(t, dir, row.change)
			before := content(t, dir)
			err := use(dir)
			if !errors.Is(err, profile.ErrCorrupt) {
				t.Fatalf("using it: %v", err)
			}
			if !maps.Equal(content(t, dir), before) {
				t.Error("something of it was changed")
			}
			rescued(t, dir, queued, row.least)
		})
	}
}

// TestProgramErrorIsNotDamage has a statement fail on a sound profile: the file isn't blamed for it.
func TestProgramErrorIsNotDamage(t *testing.T) {
	p := open(t, filled(t, 3))
	err := profile.Exec(t.Context(), p, `SELECT x FROM nowhere`)
	if err == nil || errors.Is(err, profile.ErrCorrupt) || !strings.Contains(err.Error(), "no such table: nowhere") {
		t.Errorf("a wrong statement: %v", err)
	}
}

func everySecondPage(b []byte) []byte {
	for k := 1; k < len(b)/4096; k += 2 {
		copy(b[k*4096:], bytes.Repeat([]byte{0}, 4096))
	}
	return b
}

// rescued rescues the profile in dir.
func rescued(t *testing.T, dir string, queued, least int) {
	t.Helper()
	before := content(t, dir)
	var out bytes.Buffer
	got, err := profile.Rescue(dir, &out)
	if err != nil {
		t.Fatalf("rescue: %v", err)
	}
	last := -1
	for line := range strings.Lines(out.String()) {
		var v struct{ Op, Channel, ID, Text string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		var k int
		if _, err := fmt.Sscanf(v.Text, "queued %d ", &k); err != nil || k <= last || k >= queued || v.Op != "send" || v.Channel != "c" {
			t.Fatalf("line %q after %d", line, last)
		}
		last = k
	}
	if n := strings.Count(out.String(), "\n"); n != got.Messages || n < least {
		t.Errorf("%d lines, %+v, want at least %d", n, got, least)
	}
	if got.Messages < queued && got.Cut == nil && got.Damaged == 0 {
		t.Errorf("%+v says that nothing is missing", got)
	}
	after := content(t, dir)
	if len(got.Aside) != len(before) || len(after) != len(before) {
		t.Errorf("set aside %v of %d files", got.Aside, len(before))
	}
	for _, path := range got.Aside {
		name := filepath.Base(path)
		was, _, _ := strings.Cut(name, ".damaged-")
		if after[name] != before[was] {
			t.Errorf("%s isn't what %s was", name, was)
		}
	}
	if err := use(dir); err != nil {
		t.Errorf("using it afterwards: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "rescue-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRescueOfASoundProfileDoesNothing(t *testing.T) {
	dir := filled(t, 3)
	before := content(t, dir)
	var out bytes.Buffer
	if _, err := profile.Rescue(dir, &out); !errors.Is(err, profile.ErrSound) || out.Len() > 0 {
		t.Errorf("%v, %q", err, &out)
	}
	if !maps.Equal(content(t, dir), before) {
		t.Error("something of it was changed")
	}
	p := open(t, dir)
	if _, err := profile.Rescue(dir, &out); !errors.Is(err, profile.ErrLocked) {
		t.Errorf("while it is open: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestRandomDamage damages a few random bytes. Whatever happens, nothing that is read is wrong, and no call panics.
func TestRandomDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 0))
	for range 20 {
		dir := filled(t, 50)
		edit(t, dir, func(b []byte) []byte {
			for range 1 + rng.IntN(30) {
				b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
			}
			return b
		})
		err := use(dir)
		if err != nil && !errors.Is(err, profile.ErrCorrupt) && !errors.Is(err, profile.ErrNewer) && !errors.Is(err, profile.ErrDisk) {
			t.Errorf("using it: %v", err)
		}
		switch _, err := profile.Rescue(dir, &bytes.Buffer{}); {
		case errors.Is(err, profile.ErrSound), errors.Is(err, profile.ErrNewer):
		case err != nil:
			t.Errorf("rescuing it: %v", err)
		default:
			if err := use(dir); err != nil {
				t.Errorf("using it afterwards: %v", err)
			}
		}
	}
}

// TestClockSetBack opens a profile with a clock that is a quarter of a century behind: virtual time begins in 2000.
func TestClockSetBack(t *testing.T) {
	dir := filled(t, 10)
	synctest.Test(t, func(t *testing.T) {
		if now := time.Now(); now.Year() > 2001 {
			t.Fatalf("the clock says %v: nothing is tried", now)
		}
		p := open(t, dir)
		saved, err := p.Outbox().Load(t.Context())
		if err != nil || len(saved.Entries) != 10 {
			t.Errorf("%d queued, %v", len(saved.Entries), err)
		}
		marks, err := p.Inbox().Load(t.Context())
		if c := marks["c"]; err != nil || c.Last != 500 || c.Processed != 500 {
			t.Errorf("%+v, %v", c, err)
		}
		if err := p.Inbox().Commit(t.Context(), inbox.Tx{Messages: []inbox.Message{message(501)}}); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

// owned wants a profile to belong to whom it was claimed for first.
func owned(t *testing.T) error {
	p := open(t, t.TempDir())
	if _, _, ok, err := p.Owner(t.Context()); ok || err != nil {
		return fmt.Errorf("a fresh profile is owned: %v, %w", ok, err)
	}
	for range 2 {
		if err := p.Claim(t.Context(), "http://a", "ada"); err != nil {
			return err
		}
	}
	for _, other := range [][2]string{{"http://a", "bob"}, {"http://b", "ada"}} {
		err := p.Claim(t.Context(), other[0], other[1])
		var e *profile.OwnerError
		if !errors.Is(err, profile.ErrOwned) || !errors.As(err, &e) || e.User != "ada" || e.Server != "http://a" {
			return fmt.Errorf("claimed by %v: %w", other, err)
		}
	}
	var locked *profile.LockedError
	if _, err := profile.Open(p.Dir()); !errors.As(err, &locked) || locked.Server != "http://a" || locked.User != "ada" {
		return fmt.Errorf("who finds it open isn't told whose it is: %w", err)
	}
	server, user, ok, err := p.Owner(t.Context())
	if server != "http://a" || user != "ada" || !ok || err != nil {
		return fmt.Errorf("owner is %s at %s, %v, %w", user, server, ok, err)
	}
	return nil
}

func TestOwnerStays(t *testing.T) {
	if err := owned(t); err != nil {
		t.Error(err)
	}
}

func TestClosedProfile(t *testing.T) {
	p := open(t, t.TempDir())
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	if err := p.Inbox().Commit(t.Context(), batch(1, 1)); !errors.Is(err, profile.ErrClosed) {
		t.Errorf("commit: %v", err)
	}
	if _, _, err := p.Tokens().Load(t.Context()); !errors.Is(err, profile.ErrClosed) {
		t.Errorf("load: %v", err)
	}
}
