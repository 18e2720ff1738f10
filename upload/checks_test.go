package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// once makes a script of one fault, for the first request of a method from an offset on.
func once(method string, from int, f *fault) func(r *http.Request, c *tusCopy) *fault {
	var mu sync.Mutex
	done := false
	return func(r *http.Request, c *tusCopy) *fault {
		mu.Lock()
		defer mu.Unlock()
		if done || r.Method != method || c != nil && len(c.data) < from {
			return nil
		}
		done = true
		return f
	}
}

// none says whether no answer of this kind was given.
func (w *world) none(status string) error {
	if log := w.srv.requests(); strings.Contains(log, status) {
		return fmt.Errorf("there was a %s: %s", status, log)
	}
	return nil
}

// copies says whether so many copies were made.
func (w *world) copies(n int) error {
	w.srv.mu.Lock()
	defer w.srv.mu.Unlock()
	if w.srv.made != n {
		return fmt.Errorf("%d copies were made, want %d; %v", w.srv.made, n, w.srv.log)
	}
	return nil
}

func checkOffset(t *testing.T) error {
	w := newWorld(t, 3_000_000, func(w *world) { w.srv.script = once(http.MethodPatch, 1, &fault{after: 300_000}) })
	return errors.Join(w.finish(), w.none(">409"), w.copies(1))
}

func checkToken(t *testing.T) error {
	source := &tokens{}
	w := newWorld(t, 3_000_000, func(w *world) { w.srv.token, w.opts.Token = "token-0", source })
	if err := errors.Join(w.add(upload.Request{}), until(w.has(1_500_000))); err != nil {
		return err
	}
	w.srv.setToken("token-9") // and it takes a while until the source knows
	w.link.Reset()
	time.Sleep(5 * time.Second)
	if u, _ := w.q.Get(id); u.State != upload.WaitingAuth || u.URL == "" {
		return fmt.Errorf("state %s, %s", u.State, u.Err)
	}
	source.mu.Lock()
	source.n = 9
	source.mu.Unlock()
	w.q.Kick()
	return errors.Join(w.done(), w.copies(1))
}

func checkChecksum(t *testing.T) error {
	w := newWorld(t, 3_000_000, func(w *world) { w.srv.algorithms = "sha1,sha256" })
	return errors.Join(w.finish(), w.none(">460"))
}

func checkPrefix(t *testing.T) error {
	w := newWorld(t, 3_000_000, func(w *world) { w.srv.algorithms = "sha256-prefix,sha256,sha1" })
	return errors.Join(w.finish(), w.none(">460"))
}

// checkDiverged has the server's copy become another file's: no later chunk can be right, and what is there isn't either.
func checkDiverged(t *testing.T) error {
	w := newWorld(t, 3_000_000, func(w *world) {
		w.opts.HashFirst, w.opts.ChunkMax = -1, 1<<20
		w.srv.algorithms = "sha256-prefix"
		w.srv.script = once(http.MethodPatch, 1_000_000, &fault{alter: true})
	})
	err := errors.Join(w.finish(), w.copies(2))
	if refused := strings.Count(w.srv.requests(), ">460"); refused != 3 {
		err = errors.Join(err, fmt.Errorf("refused %d times: %s", refused, w.srv.requests()))
	}
	return err
}

func checkRewound(t *testing.T) error {
	return errors.Join(rewound(t, ""), rewound(t, "sha256"), rewound(t, "sha256-prefix"))
}

func rewound(t *testing.T, algorithms string) error {
	var reasons []string
	w := newWorld(t, 20_000_000, func(w *world) {
		w.opts.HashFirst = -1
		w.srv.algorithms = algorithms
		w.srv.script = once(http.MethodHead, 9_000_000, &fault{forget: 2_000_000})
	})
	if err := w.add(upload.Request{}); err != nil {
		return err
	}
	var watching sync.WaitGroup
	var found error
	changes := w.q.Watch(t.Context())
	watching.Go(func() {
		last := int64(0)
		for c := range changes {
			if c.Upload.Progress.Acked < last && c.Reason != upload.ReasonRewound {
				found = fmt.Errorf("progress fell from %d to %d: %s", last, c.Upload.Progress.Acked, c.Reason)
			}
			last = c.Upload.Progress.Acked
			reasons = append(reasons, c.Reason)
		}
	})
	if err := until(w.has(10_000_000)); err != nil {
		return err
	}
	w.link.Reset()
	err := w.done()
	_ = w.q.Close()
	watching.Wait()
	err = errors.Join(err, found)
	if !strings.Contains(strings.Join(reasons, " "), upload.ReasonRewound) {
		err = errors.Join(err, fmt.Errorf("nobody told that it was rewound: %v", reasons))
	}
	return errors.Join(err, w.copies(1))
}

func checkLostCreation(t *testing.T) error {
	w := newWorld(t, 100_000, func(w *world) { w.srv.script = once(http.MethodPost, 0, &fault{lose: true}) })
	return errors.Join(w.finish(), w.copies(1))
}

func checkHalfOpen(t *testing.T) error {
	w := newWorld(t, 8_000_000, nil)
	if err := errors.Join(w.add(upload.Request{}), until(w.has(2_000_000))); err != nil {
		return err
	}
	w.link.Strand(true, true)
	broken, had := time.Now(), w.live()
	if err := until(w.has(had + 1)); err != nil {
		return err
	}
	took := time.Since(broken)
	t.Logf("new bytes %v after the link broke unseen", took)
	if took > 5*time.Second {
		return fmt.Errorf("it took %v", took)
	}
	return w.done()
}

// live is how many bytes the server has of the only copy.
func (w *world) live() int {
	for _, c := range w.srv.live() {
		w.srv.mu.Lock()
		defer w.srv.mu.Unlock()
		return len(c.data)
	}
	return 0
}

func checkLastLook(t *testing.T) error {
	w := newWorld(t, 3_000_000, nil)
	w.srv.script = func(r *http.Request, c *tusCopy) *fault {
		if r.Method == http.MethodPatch && int64(len(c.data))+r.ContentLength == c.length {
			data := bytes.Clone(w.data)
			data[0] ^= 1 // long sent
			w.write(data)
		}
		return nil
	}
	if err := w.add(upload.Request{}); err != nil {
		return err
	}
	if u, err := w.wait(); !errors.Is(err, upload.ErrSourceChanged) || u.Code != upload.CodeSourceChanged {
		return fmt.Errorf("%s: %w", u.State, err)
	}
	time.Sleep(time.Minute)
	if n := len(w.srv.live()); n != 0 {
		return fmt.Errorf("%d copies are left", n)
	}
	return nil
}

// kept is what the store has of the upload.
func (w *world) kept() upload.Upload {
	saved, err := w.opts.Store.Load(context.Background())
	if err != nil || len(saved.Uploads) == 0 {
		return upload.Upload{}
	}
	return saved.Uploads[0]
}

func checkWrittenFirst(t *testing.T) error {
	var found error
	w := newWorld(t, 100_000, nil)
	w.srv.script = func(r *http.Request, _ *tusCopy) *fault {
		if u := w.kept(); r.Method == http.MethodPost && (!u.Posted || u.Key == "") {
			found = fmt.Errorf("the creation came before the store knew of it: %+v", u)
		}
		return nil
	}
	return errors.Join(w.finish(), found)
}

func checkURLFirst(t *testing.T) error {
	var found error
	w := newWorld(t, 100_000, nil)
	w.srv.script = func(r *http.Request, _ *tusCopy) *fault {
		if u := w.kept(); r.Method == http.MethodPatch && u.URL == "" {
			found = fmt.Errorf("bytes came before the store knew the URL: %+v", u)
		}
		return nil
	}
	return errors.Join(w.finish(), found)
}

func checkLocked(t *testing.T) error {
	w := newWorld(t, 3_000_000, nil)
	free := time.Now().Add(10 * time.Second)
	w.srv.script = func(r *http.Request, c *tusCopy) *fault {
		if c != nil && len(c.data) > 0 && time.Now().Before(free) {
			return &fault{status: http.StatusLocked}
		}
		return nil
	}
	if err := w.add(upload.Request{}); err != nil {
		return err
	}
	time.Sleep(7 * time.Second)
	if u, _ := w.q.Get(id); u.State != upload.WaitingLock {
		return fmt.Errorf("state %s", u.State)
	}
	err := w.done()
	u, _ := w.q.Get(id)
	if late := u.DoneAt.Sub(free); late > 5*time.Second {
		err = errors.Join(err, fmt.Errorf("done %v after the lock was free", late))
	}
	return err
}

func checkOrigins(t *testing.T) error {
	var mu sync.Mutex
	var found error
	w := newWorld(t, 100_000, func(w *world) {
		w.opts.Token = &tokens{}
		w.opts.Origins = []string{"http://other:80"}
		w.opts.Header = http.Header{"X-Api-Key": {"secret"}}
		w.srv.script = func(r *http.Request, _ *tusCopy) *fault {
			mu.Lock()
			defer mu.Unlock()
			home := r.Host == "server:80" || r.Host == "server"
			if secret := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key"); home != (secret != "") {
				found = errors.Join(found, fmt.Errorf("%s %s got %q", r.Method, r.Host, secret))
			}
			if r.Method == http.MethodPost {
				return &fault{header: map[string]string{"Location": "http://other/files/copy-1"}}
			}
			return nil
		}
	})
	ln, err := w.net.Listen("other:80")
	if err != nil {
		return err
	}
	other := &http.Server{Handler: w.srv}
	w.served.Go(func() { _ = other.Serve(ln) })
	defer other.Close()
	err = w.finish()
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(err, found, w.elsewhere(other))
}

// elsewhere makes a server's Location lead to an origin that isn't allowed.
func (w *world) elsewhere(*http.Server) error {
	if to, err := w.q.Locate("http://evil/files/1"); err == nil {
		return fmt.Errorf("%s is allowed", to)
	}
	return nil
}

func checkAccounts(t *testing.T) error {
	w := newWorld(t, 100_000, nil)
	ctx := context.Background()
	err := errors.Join(w.q.SetAccount(ctx, "ada"), w.q.SetAccount(ctx, "bob"), w.add(upload.Request{Account: "ada"}))
	if err != nil {
		return err
	}
	time.Sleep(time.Minute)
	if u, _ := w.q.Get(id); u.State != upload.WaitingAuth || len(w.srv.requests()) != 0 {
		return fmt.Errorf("state %s; %s", u.State, w.srv.requests())
	}
	_ = w.q.Close()
	w.start() // the account is kept
	time.Sleep(time.Minute)
	if u, _ := w.q.Get(id); u.State != upload.WaitingAuth || len(w.srv.requests()) != 0 {
		return fmt.Errorf("in a new process: state %s; %s", u.State, w.srv.requests())
	}
	if err := w.q.SetAccount(ctx, "ada"); err != nil {
		return err
	}
	return w.done()
}

func checkCancel(t *testing.T) error {
	w := newWorld(t, 8_000_000, nil)
	if err := errors.Join(w.add(upload.Request{}), until(w.has(2_000_000))); err != nil {
		return err
	}
	w.link.Cut()
	if err := w.q.Cancel(context.Background(), id); err != nil {
		return err
	}
	u, err := w.wait()
	if u.State != upload.Cancelled || !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", u.State, err)
	}
	time.Sleep(5 * time.Second)
	_ = w.q.Close()
	w.link.Heal()
	w.start()
	time.Sleep(time.Minute)
	if n := len(w.srv.live()); n != 0 {
		return fmt.Errorf("%d copies are left: %s", n, w.srv.requests())
	}
	if s := w.q.State(); s.Drops != 0 {
		return fmt.Errorf("still %d to drop", s.Drops)
	}
	return nil
}

func checkAhead(t *testing.T) error {
	w := newWorld(t, 3_000_000, func(w *world) {
		w.srv.script = once(http.MethodHead, 1, &fault{header: map[string]string{"Upload-Offset": "2900000"}})
	})
	if err := errors.Join(w.add(upload.Request{}), until(w.has(1_500_000))); err != nil {
		return err
	}
	w.link.Reset()
	return errors.Join(w.done(), w.none(">409"), w.copies(2))
}
