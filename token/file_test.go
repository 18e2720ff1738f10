package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/token/tokentest"
)

func TestMemoryStore(t *testing.T) {
	tokentest.RunStore(t, func(*testing.T) tokentest.Open {
		s := token.NewMemory()
		return func() token.Store { return s }
	})
}

func openFile(t *testing.T, path string) token.Store {
	t.Helper()
	s, err := token.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFileStore(t *testing.T) {
	tokentest.RunStore(t, func(t *testing.T) tokentest.Open {
		path := filepath.Join(t.TempDir(), "made", "session")
		return func() token.Store { return openFile(t, path) }
	})
}

func TestFileIsForItsOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing there")
	}
	path := filepath.Join(t.TempDir(), "made", "session")
	s := openFile(t, path)
	for v := range uint64(2) {
		if _, err := s.CompareAndSwap(t.Context(), v, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if len(files) < 3 {
		t.Errorf("files %v", files)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if info, _ := os.Stat(filepath.Dir(path)); info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v", info.Mode())
	}
	for name, spoil := range map[string]func(path string) error{
		"group reads":  func(p string) error { return os.Chmod(p, 0o640) },
		"others write": func(p string) error { return os.Chmod(p, 0o602) },
		"folder":       func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) },
		"lock":         func(p string) error { return os.Chmod(p+".lock", 0o666) },
		"link": func(p string) error {
			return errors.Join(os.Rename(p, p+".away"), os.Symlink(p+".away", p))
		},
		"link to nowhere": func(p string) error { return errors.Join(os.Remove(p), os.Symlink(p+".none", p)) },
		"lock is a link":  func(p string) error { return errors.Join(os.Remove(p+".lock"), os.Symlink(p, p+".lock")) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "session")
			s := openFile(t, path)
			if _, err := s.CompareAndSwap(t.Context(), 0, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if unlock, err := s.Lock(t.Context()); err != nil {
				t.Fatal(err)
			} else {
				unlock()
			}
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			if _, err := token.NewFile(path); err == nil {
				t.Error("opened all the same")
			} else if !strings.Contains(err.Error(), "token: ") {
				t.Error(err)
			}
			if name == "folder" || strings.HasPrefix(name, "lock") {
				return
			}
			var damage *token.DamagedError
			if data, version, err := s.Load(t.Context()); err == nil || errors.As(err, &damage) {
				t.Errorf("read all the same: %d bytes, version %d, %v", len(data), version, err)
			}
		})
	}
}

// damages are what happens to files.
var damages = map[string]func(content []byte) []byte{
	"emptied":        func([]byte) []byte { return nil },
	"cut":            func(c []byte) []byte { return c[:len(c)/2] },
	"cut in head":    func(c []byte) []byte { return c[:10] },
	"longer":         func(c []byte) []byte { return append(c, 'x') },
	"a flipped bit":  func(c []byte) []byte { c[len(c)-1] ^= 1; return c },
	"zeros":          func(c []byte) []byte { return make([]byte, len(c)) },
	"something else": func([]byte) []byte { return []byte("{}\n") },
}

func TestDamagedFileIsSetAside(t *testing.T) {
	for name, damage := range damages {
		for _, copies := range []int{1, 2} { // written so often: with one there is no copy before it
			t.Run(name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "session")
				s := openFile(t, path)
				for v := range copies {
					if _, err := s.CompareAndSwap(t.Context(), uint64(v), []byte(secretPart+strings.Repeat("y", v))); err != nil {
						t.Fatal(err)
					}
				}
				content, _ := os.ReadFile(path)
				broken := damage(bytes.Clone(content))
				if err := os.WriteFile(path+".x", broken, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(path+".x", path); err != nil { // .prev is the same file's other name
					t.Fatal(err)
				}
				var found *token.DamagedError
				_, _, err := s.Load(t.Context())
				if !errors.As(err, &found) || found.Restored != (copies == 2) || strings.Contains(err.Error(), secretPart) {
					t.Fatalf("%v", err)
				}
				if aside, err := os.ReadFile(found.SetAside); err != nil || !bytes.Equal(aside, broken) {
					t.Errorf("set aside: %v", err)
				}
				data, version, err := openFile(t, path).Load(t.Context())
				if copies == 2 {
					if err != nil || string(data) != secretPart || version != 3 {
						t.Errorf("the copy before: version %d, %v", version, err)
					}
					return
				}
				if !errors.As(err, &found) || data != nil || version != 0 {
					t.Errorf("looked at again: %d bytes, version %d, %v", len(data), version, err)
				}
				next, err := s.CompareAndSwap(t.Context(), 0, []byte("signed in again"))
				if err != nil || next < 1000 {
					t.Errorf("written over: version %d, %v", next, err)
				}
				if data, v, err := s.Load(t.Context()); string(data) != "signed in again" || v != next || err != nil {
					t.Errorf("afterwards: %d bytes, version %d, %v", len(data), v, err)
				}
			})
		}
	}
}

// A source never takes a damaged store for "nobody is signed in", nor for a session that the server ended.
func TestDamagedStoreIsNotSignedOut(t *testing.T) {
	if err := checkDamagedIsNotSignedOut(t.Context(), t.TempDir()); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "session")
	i := &issuer{life: time.Hour}
	o := token.Options{Refresh: i.refresh, Store: openFile(t, path)}
	s, err := token.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Set(t.Context(), made(0, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // however often it is started
		other, err := token.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if st := other.State(); st.State != token.ReauthRequired || st.Reason != token.ReasonDamaged {
			t.Errorf("%+v", st)
		}
		_ = other.Close()
	}
	// Whoever has the session in memory writes it anew.
	_ = s.Start()
	deadline := time.Now().Add(10 * time.Second)
	for {
		other, err := token.New(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := other.Token(t.Context())
		_ = other.Close()
		if wants(got, err, access(0)) == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not written anew: %v", err)
		}
		s.NetworkChanged()
	}
}

func checkDamagedIsNotSignedOut(ctx context.Context, dir string) error {
	path := filepath.Join(dir, "session")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		return err
	}
	store, err := token.NewFile(path)
	if err != nil {
		return err
	}
	s, err := token.New(token.Options{Refresh: (&issuer{}).refresh, Store: store})
	if err != nil {
		return err
	}
	for name, ask := range map[string]func() (string, error){
		"Token": func() (string, error) { return s.Token(ctx) },
		"Renew": func() (string, error) { return s.Renew(ctx, access(0)) },
	} {
		_, err := ask()
		var damage *token.DamagedError
		if errors.Is(err, token.ErrSignedOut) || errors.Is(err, token.ErrNotSignedIn) || !errors.Is(err, token.ErrDamaged) ||
			!errors.As(err, &damage) || damage.SetAside == "" {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return s.Close()
}

// A write that is broken off anywhere leaves the old or the new, whole.
func TestBrokenOffWrites(t *testing.T) {
	errCut := errors.New("broken off")
	for point, want := range map[string]string{"before rename": "old", "after rename": "new"} {
		path := filepath.Join(t.TempDir(), "session")
		s := openFile(t, path)
		if _, err := s.CompareAndSwap(t.Context(), 0, []byte("old")); err != nil {
			t.Fatal(err)
		}
		restore := token.BreakWrites(point, errCut)
		_, err := s.CompareAndSwap(t.Context(), 1, []byte("new"))
		restore()
		if !errors.Is(err, errCut) {
			t.Errorf("%s: %v", point, err)
		}
		data, version, err := openFile(t, path).Load(t.Context())
		if err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", point, data, err)
		}
		if _, err := s.CompareAndSwap(t.Context(), version, []byte("next")); err != nil {
			t.Errorf("%s, and on: %v", point, err)
		}
	}
}

func FuzzFile(f *testing.F) {
	good := token.Envelope(7, []byte("data\nmore"))
	f.Add(good)
	for _, damage := range damages {
		f.Add(damage(bytes.Clone(good)))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		data, version, err := token.OpenFile(content)
		if err != nil {
			if data != nil || version != 0 {
				t.Error("something beside an error")
			}
			return
		}
		if again, v, err := token.OpenFile(token.Envelope(version, data)); err != nil || v != version || !bytes.Equal(again, data) {
			t.Errorf("round trip: %v", err)
		}
	})
}
