package upload_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// TestCalls shows what the calls answer in each state.
func TestCalls(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 3_000_000, nil)
		ctx := context.Background()
		is := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		var bad *upload.InvalidError
		for _, r := range []upload.Request{{ID: "x", Path: w.path}, {}, {Path: w.path, Name: "/"}, {Path: w.path, ContentType: "a\nb"}} {
			if _, err := w.q.Add(ctx, r); !errors.As(err, &bad) {
				t.Errorf("%+v: %v", r, err)
			}
		}
		_, err := w.q.Add(ctx, upload.Request{Path: filepath.Join(w.dir, "nothing")})
		is("a file that isn't there", err, fs.ErrNotExist)
		if _, err = w.q.Add(ctx, upload.Request{Path: w.dir}); err == nil {
			t.Error("a folder is taken")
		}
		is("unknown", w.q.Pause(ctx, id), upload.ErrNotFound)
		is("add", w.add(upload.Request{Name: "../x/ü.png", Label: "general"}), nil)
		u, err := w.q.Add(ctx, upload.Request{ID: id, Path: "/elsewhere"})
		if err != nil || u.Path != w.path || u.Name != "ü.png" || u.ContentType != "image/png" || u.Label != "general" {
			t.Errorf("the same id again: %+v, %v", u, err)
		}
		is("retry", w.q.Retry(ctx, id), upload.ErrNotFailed)
		is("remove", w.q.Remove(ctx, id), upload.ErrNotSettled)
		is("until", until(w.has(500_000)), nil)
		is("pause", w.q.Pause(ctx, id), nil)
		time.Sleep(time.Second)
		had := w.live()
		_ = w.q.Close() // it is kept over a restart
		w.start()
		time.Sleep(time.Minute)
		if u, _ := w.q.Get(id); u.State != upload.Paused || w.live() != had {
			t.Errorf("paused: %s, %d bytes after %d", u.State, w.live(), had)
		}
		is("resume", w.q.Resume(ctx, id), nil)
		is("done", w.done(), nil)
		if u, _ := w.q.Get(id); u.Progress.ResumedFrom != int64(had) {
			t.Errorf("resumed from %d, want %d", u.Progress.ResumedFrom, had)
		}
		is("cancel", w.q.Cancel(ctx, id), upload.ErrSettled)
		is("remove", w.q.Remove(ctx, id), nil)
		if _, ok := w.q.Get(id); ok || len(w.kept().ID) != 0 || len(w.srv.live()) != 1 {
			t.Error("it is still there, or its copy isn't")
		}
		_ = w.q.Close()
		is("closed", w.q.Pause(ctx, id), net.ErrClosed)
		is("closed", w.q.Start(), upload.ErrClosed)
	})
}

// TestRoom: settled uploads make room for new ones, open ones don't.
func TestRoom(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 10, func(w *world) { w.opts.MaxUploads = 2 })
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		w.q.SetOnline(false)
		for i := range 3 {
			_, err := w.q.Add(context.Background(), upload.Request{Path: w.path})
			if i < 2 && err != nil || i == 2 && !errors.Is(err, upload.ErrFull) {
				t.Errorf("upload %d: %v", i+2, err)
			}
		}
		if _, ok := w.q.Get(id); ok || len(w.q.Uploads()) != 2 {
			t.Error("the settled one is still there")
		}
		time.Sleep(time.Minute)
		if s := w.q.State(); s.States[upload.WaitingNetwork] != 2 || s.Online {
			t.Errorf("offline: %+v", s)
		}
	})
}

// TestProgressIsBounded: at most 10 changes a second and upload tell of progress alone, and they end at the whole.
func TestProgressIsBounded(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 6_000_000, nil)
		changes := w.q.Watch(t.Context())
		n, last := 0, upload.Change{}
		counted := make(chan struct{})
		go func() {
			defer close(counted)
			for c := range changes {
				if c.Reason == upload.ReasonProgress {
					n++
				}
				last = c
			}
		}()
		start := time.Now()
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		u, _ := w.q.Get(id)
		took := u.DoneAt.Sub(start)
		_ = w.q.Close()
		<-counted
		if most := int(took/(100*time.Millisecond)) + 5; n > most || n < 20 {
			t.Errorf("%d changes in %v", n, took)
		}
		if p := last.Upload.Progress; last.To != upload.Done || p.Acked != 6_000_000 || p.Total != p.Acked || p.Rate < 800_000 || p.Rate > 1_100_000 {
			t.Errorf("the end is %s %+v", last.To, p)
		}
	})
}

// TestGoodput: on a clean link without checksums an upload takes at most a ninth longer than a bare PUT.
func TestGoodput(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 20_000_000, func(w *world) {
			w.net.SetBuffer(1 << 20)
			c := w.link.Conditions()
			c.Up.Rate = 4 << 20
			w.link.Set(c)
		})
		start := time.Now()
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		u, _ := w.q.Get(id)
		took := u.DoneAt.Sub(start)
		bare, err := w.put()
		t.Logf("upload %v, bare PUT %v", took, bare)
		if err != nil || float64(bare) < 0.9*float64(took) {
			t.Errorf("upload %v, bare PUT %v, %v", took, bare, err)
		}
	})
}

// put sends the file as one request.
func (w *world) put() (time.Duration, error) {
	ln, err := w.net.Listen("server:81")
	if err != nil {
		return 0, err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })}
	w.served.Go(func() { _ = srv.Serve(ln) })
	defer srv.Close()
	transport := &http.Transport{DialContext: w.net.Dialer("client")}
	defer transport.CloseIdleConnections()
	f, err := os.Open(w.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	start := time.Now()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://server:81/", f)
	if err != nil {
		return 0, err
	}
	req.ContentLength = int64(len(w.data))
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", res.StatusCode)
	}
	return time.Since(start), nil
}

// TestBusyChatHasRoom: while the chat is busy an upload keeps to half of what it measured, and takes all again after.
func TestBusyChatHasRoom(t *testing.T) {
	for _, bounded := range []bool{false, true} {
		bubble.Run(t, func(t *testing.T) {
			const rate = rate / 4
			w := newWorld(t, 9_000_000, func(w *world) { w.slow(rate) })
			if err := errors.Join(w.add(upload.Request{}), until(w.has(1_500_000))); err != nil {
				t.Fatal(err)
			}
			over := func() float64 {
				time.Sleep(2 * time.Second) // what is in buffers
				had := w.live()
				time.Sleep(10 * time.Second)
				return float64(w.live()-had) / 10 / rate
			}
			change := func(on bool) {
				if !bounded {
					w.q.SetBusy(on)
				} else if w.q.SetRate(0); on {
					w.q.SetRate(rate / 2)
				}
			}
			change(true)
			if part := over(); part < 0.4 || part > 0.55 {
				t.Errorf("held back, it sends %.2f of the rate", part)
			}
			change(false)
			if part := over(); part < 0.85 {
				t.Errorf("later it sends %.2f of the rate", part)
			}
			_ = w.q.Cancel(context.Background(), id)
		})
	}
}

// TestSourceChanges: whatever happens to the file, before or during, is found, and an untouched one isn't.
func TestSourceChanges(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(w *world) error
		code upload.Code
	}{
		"nothing":   {func(*world) error { return nil }, ""},
		"truncated": {func(w *world) error { return os.Truncate(w.path, 1_000_000) }, upload.CodeSourceChanged},
		"longer": {func(w *world) error {
			return os.WriteFile(w.path, append(append([]byte{}, w.data...), 1), 0o600)
		}, upload.CodeSourceChanged},
		"replaced": {func(w *world) error {
			other := append([]byte{1}, w.data[1:]...)
			return errors.Join(os.WriteFile(w.path+"2", other, 0o600), os.Rename(w.path+"2", w.path))
		}, upload.CodeSourceChanged},
		"edited with its time put back": {func(w *world) error {
			info, err := os.Stat(w.path)
			if err != nil {
				return err
			}
			other := append([]byte{}, w.data...)
			other[300_000] ^= 1
			return errors.Join(os.WriteFile(w.path, other, 0o600), os.Chtimes(w.path, info.ModTime(), info.ModTime()))
		}, upload.CodeSourceChanged},
		"other permissions": {func(w *world) error { return os.Chmod(w.path, 0o400) }, ""},
		"removed":           {func(w *world) error { return os.Remove(w.path) }, upload.CodeSourceMissing},
	} {
		if name == "edited with its time put back" && runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
			continue // nothing but the content shows it there, see identity_other.go
		}
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " in a new process: ", restart), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					w := newWorld(t, 2_000_000, func(w *world) {
						w.opts.CheckpointEvery = time.Millisecond
						w.slow(rate / 2)
					})
					if err := errors.Join(w.add(upload.Request{}), until(w.has(1_200_000))); err != nil {
						t.Fatal(err)
					}
					if restart {
						w.link.Reset()
						_ = w.q.Close()
					}
					if err := c.do(w); err != nil {
						t.Fatal(err)
					}
					if restart {
						w.start()
					}
					u, err := w.wait()
					if u.Code != c.code || c.code == "" && err != nil {
						t.Errorf("%s, %q: %v", u.State, u.Code, err)
					}
				})
			})
		}
	}
}
