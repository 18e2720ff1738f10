package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/server/uploads"
	"github.com/chatsdk/chatsdk/upload"
)

// uploadStage is a world with a device that uploads one file.
type uploadStage struct {
	w     *World
	r     *Report
	s     Scenario
	dir   string
	d     *Device
	file  *made
	id    string // of the upload
	began time.Time
	broke []UploadFault
}

// FileReport is how one upload came through what broke it. Times are by the run's own clock.
type FileReport struct {
	Fault     string        `json:"fault"`
	Size      int64         `json:"size"`
	Sent      int64         `json:"sent"`              // bytes of the file, all requests together
	SentAgain int64         `json:"sentAgain"`         // of them, those that had been sent before
	InFlight  int64         `json:"inFlight"`          // bytes that weren't acknowledged when requests broke
	FirstByte time.Duration `json:"firstByteNs"`       // from the link's return to the first new byte at the server
	LimitNS   time.Duration `json:"limitNs,omitempty"` // for FirstByte; 0 means none
	Copies    int           `json:"copies"`            // created at the server
	Refreshes int           `json:"refreshes"`         // requests for new tokens, from the beginning of the upload
	SHA256    string        `json:"sha256"`            // at the client, the server and a reader; empty if they differ
}

// String is the report in a line.
func (f FileReport) String() string {
	same := "SHA-256 the same at client, server and reader"
	if f.SHA256 == "" {
		same = "SHA-256 NOT the same"
	}
	first := "no wait for a first byte"
	if f.FirstByte > 0 {
		first = fmt.Sprintf("first new byte after %v (limit %v)", ms(f.FirstByte), f.LimitNS)
	}
	return fmt.Sprintf("%s: %d bytes of %d sent again, %d were in flight, %s, %d refreshes, %d copies, %s",
		f.Fault, f.SentAgain, f.Size, f.InFlight, first, f.Refreshes, f.Copies, same)
}

// setUploadStage starts a device whose profile is on a disk that can be taken from it, lets it say hello, and hands it a
// file.
func setUploadStage(ctx context.Context, w *World, s Scenario, r *Report, dir string, change upload.Policy) (*uploadStage, error) {
	g := &uploadStage{w: w, r: r, s: s, dir: dir}
	var err error
	if g.d, err = w.AddDevice(ctx, "ada"); err != nil {
		return nil, err
	}
	if err := bounded(ctx, g.d.caughtUp); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	if err := g.d.Send(ctx, "hello"); err != nil {
		return nil, err
	}
	if g.file, err = makeFile(filepath.Join(dir, "source"), "film.mp4", uploadSize, w.fork()); err != nil {
		return nil, err
	}
	u, err := g.d.upload(ctx, upload.Request{Path: g.file.path, OnChange: change})
	g.id, g.began = u.ID, time.Now()
	return g, err
}

// fault notes that something breaks now; the returned function notes its end.
func (g *uploadStage) fault(name string) (over func()) {
	g.w.History.FaultBegan(name, g.d.Name)
	f := UploadFault{Client: g.d.Name, Name: name, From: time.Now()}
	return func() {
		f.To = time.Now()
		g.broke = append(g.broke, f)
		g.w.History.FaultEnded(name, g.d.Name)
	}
}

// until waits for something that is looked at every few milliseconds.
func until(ctx context.Context, what string, ok func() (bool, error)) error {
	return bounded(ctx, func(ctx context.Context) error {
		for {
			if done, err := ok(); done || err != nil {
				return err
			}
			pause(ctx, 2*time.Millisecond)
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("wait for %s: %w", what, err)
			}
		}
	})
}

// arrived waits until so much of the file has arrived at the server, whether that keeps it or not. What was sent may be
// far ahead of it: the kernel takes megabytes at once.
func (g *uploadStage) arrived(ctx context.Context, percent int64) error {
	return until(ctx, fmt.Sprintf("%d%% to arrive", percent), func() (there bool, _ error) {
		g.w.opts.Record.note(func(v *HTTPView) {
			there = slices.ContainsFunc(v.Arrivals, func(a HTTPArrival) bool {
				return a.Method == http.MethodPatch && (a.Offset+a.Bytes)*100 >= percent*uploadSize
			})
		})
		return there, nil
	})
}

// firstByte waits for the first byte that is new to the server since the mark, and says how long that took.
func (g *uploadStage) firstByte(ctx context.Context) (first time.Duration, err error) {
	err = until(ctx, "the first new byte", func() (there bool, _ error) {
		first, there = g.w.opts.Record.firstByte("")
		return there, nil
	})
	return first, err
}

// firstByte is how long after the mark the server read a byte of a request for a copy that it took in the end, which may
// have begun before. "" takes requests for all copies.
func (r *HTTPRecord) firstByte(path string) (first time.Duration, ok bool) {
	r.note(func(v *HTTPView) {
		for i := range v.Arrivals {
			a := &v.Arrivals[i]
			if a.Method != http.MethodPatch || a.Status != http.StatusNoContent || a.Marked.IsZero() || path != "" && a.Path != path {
				continue
			}
			if d := a.Marked.Sub(v.Mark); !ok || d < first {
				first, ok = d, true
			}
		}
	})
	return first, ok
}

// came counts requests to a path, "" being all below the uploads' own.
func (r *HTTPRecord) came(since time.Time, method, path string) (n int) {
	r.note(func(v *HTTPView) {
		for i := range v.Arrivals {
			a := &v.Arrivals[i]
			right := a.Path == path || path == "" && strings.HasPrefix(a.Path, uploadsPath)
			if a.Method == method && right && !a.At.Before(since) {
				n++
			}
		}
	})
	return n
}

// present is the upload as the program has it now.
func (g *uploadStage) present(ctx context.Context) (upload.Upload, error) {
	all, err := g.d.uploads(ctx)
	i := slices.IndexFunc(all, func(u upload.Upload) bool { return u.ID == g.id })
	if err != nil || i < 0 {
		return upload.Upload{}, errors.Join(fmt.Errorf("the program doesn't know its upload %s", g.id), err)
	}
	return all[i], nil
}

// settled waits until the upload is over.
func (g *uploadStage) settled(ctx context.Context) (u upload.Upload, err error) {
	err = until(ctx, "the upload's end", func() (bool, error) {
		u, err = g.present(ctx)
		return u.State.Settled() && len(u.Leftovers) == 0, err
	})
	return u, err
}

// held says whether the server still has a request that brings bytes.
func (g *uploadStage) held() bool {
	held := false
	g.w.opts.Record.note(func(v *HTTPView) {
		held = slices.ContainsFunc(v.Arrivals, func(a HTTPArrival) bool { return a.Method == http.MethodPatch && a.Answered.IsZero() })
	})
	return held
}

// finished says whether the server has all of a copy, whoever knows.
func (g *uploadStage) finished(ctx context.Context) (bool, error) {
	rows, err := g.w.store.rows(ctx)
	return slices.ContainsFunc(rows, func(u uploads.Upload) bool { return u.State == uploads.Finished }), err
}

// end waits for the upload, looks at all sides, and reports. first is how long the first new byte took, or 0.
func (g *uploadStage) end(ctx context.Context, fault string, first, limit time.Duration) error {
	u, err := g.settled(ctx)
	if err != nil {
		g.r.problem("%s: %v", fault, err)
		if u, err = g.present(ctx); err != nil {
			return err
		}
	}
	if first > limit {
		g.r.problem("%s: the first new byte came after %v, at most %v is allowed", fault, ms(first), limit)
	}
	v, err := g.w.look(ctx)
	if err != nil {
		return err
	}
	v.Faults = g.broke
	for i := range v.Files {
		v.Files[i].Versions = g.file.versions
	}
	if err := v.downloads(ctx, g.w); err != nil {
		return err
	}
	problems := v.Check()
	g.r.Problems = append(g.r.Problems, problems...)
	f := FileReport{
		Fault: fault, Size: u.Source.Size, FirstByte: first, LimitNS: limit,
		Copies: len(v.Rows), Refreshes: g.w.opts.Record.came(g.began, http.MethodPost, "/api/auth/refresh"),
	}
	g.w.store.mu.Lock()
	f.Copies = len(g.w.store.uploads)
	g.w.store.mu.Unlock()
	f.Sent, f.SentAgain, f.InFlight = v.spent()
	if u.State == upload.Done && len(problems) == 0 {
		f.SHA256 = u.SHA256
	}
	g.r.Uploads = append(g.r.Uploads, f)
	return nil
}
