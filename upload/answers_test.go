package upload_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// answers is one table row: what the server does to the first requests of a method, and what comes of it.
type answers struct {
	name   string
	method string
	faults []*fault
	change func(w *world)

	code   upload.Code // "" where the upload is done in the end
	log    string      // requests from the first fault on, up to the end
	atMost time.Duration
	least  time.Duration
}

func header(pairs ...string) map[string]string {
	h := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h[pairs[i]] = pairs[i+1]
	}
	return h
}

// The file has 100,000 bytes: one chunk.
var answerRows = []answers{
	{name: "created at once", method: "PUT", log: "OPTIONS >204, POST >201, PATCH 0>204"},
	{name: "no OPTIONS", method: "OPTIONS", faults: []*fault{{status: 405}}, log: "OPTIONS >405, POST >201, PATCH 0>204"},
	{
		name: "404 of a proxy to OPTIONS", method: "OPTIONS", faults: repeat(2, &fault{status: 404, bare: true}), atMost: 5 * time.Second,
		change: func(w *world) { w.srv.algorithms = "sha256" }, // it takes no chunk without
		log:    "OPTIONS >404, OPTIONS >404, OPTIONS >204, POST >201, PATCH 0>204",
	},
	{
		name: "redirect of a portal to OPTIONS", method: "OPTIONS", atMost: 5 * time.Second,
		faults: []*fault{{status: 302, bare: true, header: header("Location", "http://portal/")}},
		change: func(w *world) { w.srv.algorithms = "sha256" },
		log:    "OPTIONS >302, OPTIONS >204, POST >201, PATCH 0>204",
	},
	{
		name: "no OPTIONS through a proxy", method: "OPTIONS", faults: repeat(999, &fault{status: 404, bare: true}),
		least: 10 * time.Second, atMost: 20 * time.Second,
	},
	{name: "another version", method: "OPTIONS", faults: []*fault{{header: header("Tus-Version", "2.0.0")}}, code: upload.CodeProtocol},
	{name: "no tus server", method: "OPTIONS", faults: repeat(99, &fault{status: 200, bare: true}), code: upload.CodeProtocol},
	{name: "larger than the server takes", change: func(w *world) { w.srv.maxSize = 99_999 }, code: upload.CodeTooLarge, log: "OPTIONS >204"},
	{name: "creation refused", method: "POST", faults: []*fault{{status: 400}}, code: upload.CodeRefused, log: "OPTIONS >204, POST >400"},
	{name: "creation too large", method: "POST", faults: []*fault{{status: 413}}, code: upload.CodeTooLarge, log: "OPTIONS >204, POST >413"},
	{name: "creation at a wrong address", method: "POST", faults: []*fault{{status: 404}}, code: upload.CodeRefused, log: "OPTIONS >204, POST >404"},
	{name: "another version at creation", method: "POST", faults: []*fault{{status: 412}}, code: upload.CodeProtocol, log: "OPTIONS >204, POST >412"},
	{
		name: "Location elsewhere", method: "POST", code: upload.CodeLocation, log: "OPTIONS >204, POST >201",
		faults: []*fault{{header: header("Location", "http://evil/files/1")}},
	},
	{
		name: "creation after 503", method: "POST", faults: []*fault{{status: 503}, {status: 500}},
		log: "OPTIONS >204, POST >503, POST >500, POST >201, HEAD >200, PATCH 0>204",
	},
	{
		name: "429 with Retry-After", method: "PATCH", faults: []*fault{{status: 429, header: header("Retry-After", "7")}},
		log: "OPTIONS >204, POST >201, PATCH 0>429, HEAD >200, PATCH 0>204", least: 7 * time.Second, atMost: 8 * time.Second,
	},
	{
		name: "408 and 425", method: "PATCH", faults: []*fault{{status: 408}, {status: 425}},
		log: "OPTIONS >204, POST >201, PATCH 0>408, HEAD >200, PATCH 0>425, HEAD >200, PATCH 0>204", atMost: 3 * time.Second,
	},
	{
		name: "409 without an offset", method: "PATCH", faults: []*fault{{status: 409}},
		log: "OPTIONS >204, POST >201, PATCH 0>409, HEAD >200, PATCH 0>204", atMost: 2 * time.Second,
	},
	{
		name: "409 with the offset", method: "PATCH", faults: []*fault{{status: 409, header: header("Upload-Offset", "0")}},
		log: "OPTIONS >204, POST >201, PATCH 0>409, PATCH 0>204", atMost: 2 * time.Second,
	},
	{name: "460 three times", method: "PATCH", faults: repeat(3, &fault{status: 460}), code: upload.CodeChecksum},
	{
		name: "460 twice", method: "PATCH", faults: repeat(2, &fault{status: 460}),
		log:    "OPTIONS >204, POST >201, PATCH 0>460, HEAD >200, PATCH 0>460, HEAD >200, PATCH 0>204, PATCH 65536>204",
		change: func(w *world) { w.srv.algorithms = "sha256" },
	},
	{
		name: "413 once", method: "PATCH", faults: []*fault{{status: 413}},
		log: "OPTIONS >204, POST >201, PATCH 0>413, HEAD >200, PATCH 0>204, PATCH 65536>204",
	},
	{name: "413 for ever", method: "PATCH", faults: repeat(99, &fault{status: 413}), code: upload.CodeTooLarge},
	{name: "415", method: "PATCH", faults: []*fault{{status: 415}}, code: upload.CodeRefused},
	{
		name: "422 for the last chunk", method: "PATCH", faults: []*fault{{status: 422}}, // what arrived isn't what was announced
		log: "OPTIONS >204, POST >201, PATCH 0>422, POST >201, PATCH 0>204",
	},
	{name: "422 for the last chunk again", method: "PATCH", faults: repeat(2, &fault{status: 422}), code: upload.CodeCorrupt},
	{
		name: "422 and nothing was announced", method: "PATCH", faults: []*fault{{status: 422}}, code: upload.CodeRefused,
		change: func(w *world) { w.opts.HashFirst = -1 },
	},
	{
		name: "422 before the last chunk", method: "PATCH", faults: []*fault{{status: 422}}, code: upload.CodeRefused,
		change: func(w *world) { w.srv.algorithms = "sha256"; w.opts.ChunkMax = 64 << 10 },
	},
	{
		name: "damaged once, and the server compares", method: "PATCH", faults: []*fault{{corrupt: true}},
		change: func(w *world) { w.srv.compares = true }, log: "OPTIONS >204, POST >201, PATCH 0>422, POST >201, PATCH 0>204",
	},
	{
		name: "404 for the copy", method: "PATCH", faults: []*fault{{vanish: 404}},
		log: "OPTIONS >204, POST >201, PATCH 0>404, POST >201, PATCH 0>204",
	},
	{
		name: "410 for the copy", method: "PATCH", faults: []*fault{{vanish: 410}},
		log: "OPTIONS >204, POST >201, PATCH 0>410, POST >201, PATCH 0>204",
	},
	{
		name: "410 of a server that says no more", method: "PATCH", faults: []*fault{{vanish: 410, bare: true}},
		log: "OPTIONS >204, POST >201, PATCH 0>410, POST >201, PATCH 0>204", atMost: 3 * time.Second,
	},
	{name: "creation gone", method: "POST", faults: []*fault{{status: 410, bare: true}}, code: upload.CodeRefused, log: "OPTIONS >204, POST >410"},
	{
		name: "404 of a proxy", method: "PATCH", faults: repeat(3, &fault{status: 404, bare: true}), atMost: 5 * time.Second,
		log: "OPTIONS >204, POST >201, PATCH 0>404, HEAD >200, PATCH 0>404, HEAD >200, PATCH 0>404, HEAD >200, PATCH 0>204",
	},
	{
		name: "403 of a portal", method: "PATCH", faults: repeat(8, &fault{status: 403, bare: true}), atMost: 10 * time.Second,
		change: func(w *world) { w.opts.Token = &tokens{} },
	},
	{
		name: "403 of a portal for ever", method: "PATCH", faults: repeat(999, &fault{status: 403, bare: true}), code: upload.CodeForbidden,
		least: 10 * time.Second, atMost: 20 * time.Second,
	},
	{name: "403 for good", method: "PATCH", faults: repeat(99, &fault{status: 403}), code: upload.CodeForbidden},
	{
		name: "403 with every token", method: "PATCH", faults: repeat(99, &fault{status: 403}), code: upload.CodeForbidden,
		change: func(w *world) { w.opts.Token = &tokens{} }, atMost: 10 * time.Second,
	},
	{
		name: "423 for a minute", method: "PATCH", faults: repeat(24, &fault{status: 423}),
		least: 20 * time.Second, atMost: 60 * time.Second, // about 1.6 s between tries
	},
	{
		name: "last answer lost", method: "PATCH", faults: []*fault{{lose: true}},
		log: "OPTIONS >204, POST >201, PATCH 0>204, HEAD >200", atMost: 2 * time.Second,
	},
	{
		name: "offset beyond the length", method: "PATCH", faults: []*fault{{header: header("Upload-Offset", "200000")}},
		log: "OPTIONS >204, POST >201, PATCH 0>204, POST >201, PATCH 0>204",
	},
	{
		name: "another SHA-256 once", method: "PATCH", faults: []*fault{{corrupt: true}},
		log: "OPTIONS >204, POST >201, PATCH 0>204, POST >201, PATCH 0>204",
	},
	{name: "another SHA-256 again", method: "PATCH", faults: repeat(2, &fault{corrupt: true}), code: upload.CodeCorrupt},
	{
		name: "redirect at home", method: "PATCH", faults: []*fault{{status: 307, header: header("Location", "/files/copy-1")}},
		log: "OPTIONS >204, POST >201, PATCH 0>307, PATCH 0>204",
	},
	{
		name: "redirect elsewhere", method: "PATCH", code: upload.CodeLocation,
		faults: repeat(99, &fault{status: 308, header: header("Location", "http://evil/files/copy-1")}),
	},
	{
		name: "redirect of a portal for ever", method: "PATCH", code: upload.CodeLocation,
		least: 10 * time.Second, atMost: 20 * time.Second,
		faults: repeat(999, &fault{status: 302, bare: true, header: header("Location", "/files/copy-1")}),
	},
	{
		name: "slow server", method: "PATCH", faults: []*fault{{slow: 8 * time.Second}},
		log: "OPTIONS >204, POST >201, HEAD >200, PATCH 0>204", atMost: 10 * time.Second, // nothing moved for 3 s
	},
}

func repeat(n int, f *fault) []*fault {
	var out []*fault
	for range n {
		out = append(out, f)
	}
	return out
}

// TestAnswers shows what each kind of answer leads to.
func TestAnswers(t *testing.T) {
	for _, row := range answerRows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				if err := row.check(t); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func (row answers) check(t *testing.T) error {
	n := 0
	w := newWorld(t, 100_000, func(w *world) {
		w.srv.script = func(r *http.Request, _ *tusCopy) *fault {
			w.srv.mu.Lock()
			defer w.srv.mu.Unlock()
			if r.Method != row.method || n >= len(row.faults) {
				return nil
			}
			n++
			return row.faults[n-1]
		}
		if row.change != nil {
			row.change(w)
		}
	})
	start := time.Now()
	if err := w.add(upload.Request{}); err != nil {
		return err
	}
	u, err := w.wait()
	took, log := time.Since(start), w.srv.requests()
	log = strings.NewReplacer("DELETE >204, ", "", "DELETE >404, ", "").Replace(log) // of a copy that is of no use, at any time
	var failed *upload.FailedError
	switch {
	case row.code != "" && (!errors.As(err, &failed) || failed.Code != row.code || u.Code != row.code):
		return fmt.Errorf("%s: %w; want %s; %s", u.State, err, row.code, log)
	case row.code == "" && err != nil:
		return fmt.Errorf("%w; %s", err, log)
	case row.log != "" && log != row.log:
		return fmt.Errorf("requests %s; want %s", log, row.log)
	case took < row.least || row.atMost != 0 && took > row.atMost:
		return fmt.Errorf("it took %v", took)
	case row.code != "":
		return nil
	}
	w.srv.leaks = nil // rows that answer for it
	return w.arrivedSomehow(u)
}

// arrivedSomehow is arrived, where a copy that went wrong may not have been found again.
func (w *world) arrivedSomehow(u upload.Upload) error {
	if err := w.arrived(u); err != nil {
		return err
	}
	if s := w.q.State(); s.Drops != 0 {
		return fmt.Errorf("%d copies are still to be dropped", s.Drops)
	}
	return nil
}

// TestFailedKeepsItsCopy: what failed for a reason that may pass goes on from where it was.
func TestFailedKeepsItsCopy(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 3_000_000, nil)
		w.srv.script = func(_ *http.Request, c *tusCopy) *fault {
			if c != nil && len(c.data) > 1_000_000 && w.srv.maxSize == 0 {
				return &fault{status: 403}
			}
			return nil
		}
		if err := w.add(upload.Request{}); err != nil {
			t.Fatal(err)
		}
		u, err := w.wait()
		if u.Code != upload.CodeForbidden || u.URL == "" {
			t.Fatalf("%s: %v", u.State, err)
		}
		if err := w.q.Resume(context.Background(), id); !errors.Is(err, upload.ErrSettled) {
			t.Errorf("resume: %v", err)
		}
		w.srv.script = nil
		if err := errors.Join(w.q.Retry(context.Background(), id), w.done(), w.copies(1)); err != nil {
			t.Error(err)
		}
	})
}

// TestErrorEndsWithProgress: why an attempt failed is told until the server has more than before, and no longer.
func TestErrorEndsWithProgress(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 3_000_000, nil)
		broken := time.Now().Add(10 * time.Second)
		w.srv.script = func(*http.Request, *tusCopy) *fault {
			if time.Now().Before(broken) {
				return &fault{status: 503}
			}
			return nil
		}
		if err := w.add(upload.Request{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if u, _ := w.q.Get(id); u.Err == "" || u.State != upload.WaitingServer {
			t.Errorf("while it fails: %s %q", u.State, u.Err)
		}
		if err := until(w.has(1_500_000)); err != nil {
			t.Fatal(err)
		}
		if u, _ := w.q.Get(id); u.Err != "" || u.State != upload.Uploading {
			t.Errorf("while it goes on: %s %q", u.State, u.Err)
		}
	})
}
