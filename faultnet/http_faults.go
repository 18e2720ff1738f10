package faultnet

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxHTTPFaults bounds the faults of a set, all of which every request looks at.
const maxHTTPFaults = 128

// HTTPOptions configures HTTPFaults.
type HTTPOptions struct {
	// Seed decides which requests meet a fault with a share below 1. Any value will do.
	Seed uint64
	// Faults are those from the start. Defaults to none.
	Faults []HTTPFault
}

// HTTPFaults is a set of HTTP faults and what carries them: RoundTripper on the client's side, Handler on the server's,
// Proxy.HTTP between real sockets. Whether a request meets a fault depends on the seed, the fault's name and the number
// of the request in its stream, and on nothing else: neither on other faults nor on other streams. A RoundTripper, a
// Handler and each connection of a Proxy are one stream each. All methods may be called concurrently, and hold for the
// requests that begin after them.
type HTTPFaults struct {
	seed uint64

	any atomic.Bool // whether there is any fault: looked at for each piece of a proxied connection

	mu      sync.Mutex // guards all below
	set     []*httpFault
	toxics  []*httpFault // those of the control API; looked at after set
	streams int64
	stats   HTTPStats
}

// httpFault is a fault of a set and what it has done.
type httpFault struct {
	HTTPFault
	share float64   // as Share, but 0 means none
	done  *httpDone // guarded by the set's lock; shared with what replaces the fault
}

// httpDone is what a fault has done.
type httpDone struct {
	met  int64
	over map[uint64]struct{} // hashes of the tokens that have run out
}

// maxOver bounds the tokens that a fault remembers: beyond it they live again.
const maxOver = 4096

// HTTPStats counts what was injected.
type HTTPStats struct {
	// Requests is how many requests were looked at; of those that ask for an upgrade only the ones that met a fault.
	Requests int64
	// Injected is how many requests met a fault of a kind, since the set was made.
	Injected map[HTTPKind]int64
	// Faults is how many requests met each of the present faults, by name. A fault that is replaced by one of the same
	// name keeps its count.
	Faults map[string]int64
}

// NewHTTPFaults makes a set.
func NewHTTPFaults(opts HTTPOptions) (*HTTPFaults, error) {
	h := &HTTPFaults{seed: opts.Seed, stats: HTTPStats{Injected: make(map[HTTPKind]int64)}}
	if err := h.Set(opts.Faults...); err != nil {
		return nil, err
	}
	return h, nil
}

// Set replaces the faults, unless one of them is wrong. Those of a control API stay.
func (h *HTTPFaults) Set(faults ...HTTPFault) error {
	return h.change(func([]*httpFault) ([]HTTPFault, error) { return faults, nil })
}

// Add adds a fault behind the others, or replaces the one of its name.
func (h *HTTPFaults) Add(fault HTTPFault) error {
	fault, err := fault.withDefaults()
	if err != nil {
		return err
	}
	return h.change(func(present []*httpFault) ([]HTTPFault, error) {
		var faults []HTTPFault
		found := false
		for _, f := range present {
			if f.Name == fault.Name {
				found = true
				faults = append(faults, fault)
			} else {
				faults = append(faults, f.HTTPFault)
			}
		}
		if !found {
			faults = append(faults, fault)
		}
		return faults, nil
	})
}

// Remove ends the fault of a name, if there is one.
func (h *HTTPFaults) Remove(name string) {
	_ = h.change(func(present []*httpFault) ([]HTTPFault, error) { // fewer of those that were right can't be wrong
		var faults []HTTPFault
		for _, f := range present {
			if f.Name != name {
				faults = append(faults, f.HTTPFault)
			}
		}
		return faults, nil
	})
}

// Heal ends all faults but those of a control API. Requests that hang or are delayed by one stay so.
func (h *HTTPFaults) Heal() { _ = h.Set() }

// Stats returns the counts so far.
func (h *HTTPFaults) Stats() HTTPStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	stats := h.stats
	stats.Injected = maps.Clone(stats.Injected)
	stats.Faults = make(map[string]int64)
	for _, f := range h.presentLocked() {
		stats.Faults[f.Name] += f.done.met
	}
	return stats
}

// HTTPStep is one change of a set of faults at a moment of an HTTPSchedule.
type HTTPStep struct {
	// At is when, counted from the start of Play.
	At time.Duration
	// Name says what happens, for logs and reports.
	Name string
	// Do makes the change. It is called by Play's goroutine and may call every method of the set. Nil does nothing.
	Do func(*HTTPFaults) error
}

// HTTPSchedule is a list of changes. Play sorts it by time; steps of the same moment keep their order.
type HTTPSchedule []HTTPStep

// Play performs the schedule relative to now, and returns when the last step is done. It returns the error of ctx if
// that ends first, or the first error of a step; the set then stays as it is.
func (h *HTTPFaults) Play(ctx context.Context, schedule HTTPSchedule) error {
	steps := slices.Clone(schedule)
	slices.SortStableFunc(steps, func(a, b HTTPStep) int { return int(min(max(a.At-b.At, -1), 1)) })
	start := time.Now()
	for _, step := range steps {
		if err := sleepUntil(ctx, start.Add(step.At), nil); err != nil {
			return err
		}
		if step.Do == nil {
			continue
		}
		if err := step.Do(h); err != nil {
			return fmt.Errorf("step %q: %w", step.Name, err)
		}
	}
	return nil
}

// change replaces the faults by what f makes of the present ones, unless one of those is wrong. f runs under the lock.
func (h *HTTPFaults) change(f func([]*httpFault) ([]HTTPFault, error)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	faults, err := f(h.set)
	if err != nil {
		return err
	}
	if len(faults) > maxHTTPFaults {
		return fmt.Errorf("faultnet: more than %d HTTP faults", maxHTTPFaults)
	}
	set := make([]*httpFault, 0, len(faults))
	for _, fault := range faults {
		fault, err := fault.withDefaults()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(set, func(f *httpFault) bool { return f.Name == fault.Name }) {
			return fmt.Errorf("faultnet: two HTTP faults are called %q", fault.Name)
		}
		set = append(set, &httpFault{HTTPFault: fault, share: fault.Share, done: doneBy(h.set, fault.Name)})
	}
	h.set = set
	h.any.Store(len(h.set)+len(h.toxics) > 0)
	return nil
}

// doneBy is what the fault of a name has done.
func doneBy(faults []*httpFault, name string) *httpDone {
	for _, f := range faults {
		if f.Name == name {
			return f.done
		}
	}
	return &httpDone{over: make(map[uint64]struct{})}
}

// setToxics replaces the faults of the control API, which has checked them.
func (h *HTTPFaults) setToxics(toxics []*toxic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var faults []*httpFault
	for _, t := range toxics {
		if isHTTP(t.kind) {
			faults = append(faults, &httpFault{HTTPFault: t.http, share: t.toxicity, done: doneBy(h.toxics, t.name)})
		}
	}
	h.toxics = faults
	h.any.Store(len(h.set)+len(h.toxics) > 0)
}

// injected is how many requests met the toxic of a name.
func (h *HTTPFaults) injected(name string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return doneBy(h.toxics, name).met
}

func (h *HTTPFaults) presentLocked() []*httpFault {
	return append(slices.Clip(h.set), h.toxics...)
}

// active says whether there is any fault.
func (h *HTTPFaults) active() bool { return h.any.Load() }

// httpStream is a sequence of requests, which are numbered.
type httpStream struct {
	faults *HTTPFaults
	number int64

	mu       sync.Mutex // guards what follows
	requests int64
	upgrades int64 // counted by themselves, so that they change nothing for the others
}

// stream begins a stream of requests.
func (h *HTTPFaults) stream() *httpStream {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams++
	return &httpStream{faults: h, number: h.streams}
}

// verdict is what happens to one request and its reply. The zero value is nothing.
type verdict struct {
	faults          *HTTPFaults
	decisive        *httpFault // answers, or loses the request or the reply; or nil
	slow, cut, date *httpFault // or nil
}

// next looks at the next request of the stream.
func (s *httpStream) next(r *http.Request) verdict {
	if r.Method == http.MethodConnect {
		return verdict{}
	}
	label, count := "http ", &s.requests
	if upgrades(r) {
		label, count = "upgrade ", &s.upgrades
	}
	s.mu.Lock()
	*count++
	number := *count
	s.mu.Unlock()
	return s.faults.decide(label+strconv.FormatInt(s.number, 10), number, r)
}

// upgrades says whether a request wants another protocol on its connection.
func upgrades(r *http.Request) bool {
	return r.Header.Get("Upgrade") != "" && strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade")
}

// decide gives the verdict over a request and counts it.
func (h *HTTPFaults) decide(stream string, request int64, r *http.Request) verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := verdict{faults: h}
	for _, f := range h.presentLocked() {
		slot := v.slot(f.Kind)
		switch {
		case *slot != nil || !f.chooses(r):
		case f.Kind == HTTPTokenExpired && f.runOut(r):
			*slot = f
			h.countLocked(f, 1)
		case f.Limit > 0 && f.done.count(f.Kind) >= f.Limit:
		case f.share < 1 && share(h.seed, stream, "", request, f.Name) >= f.share:
		default:
			*slot = f
			h.countLocked(f, 1)
			f.end(r)
		}
	}
	if !upgrades(r) || v.decisive != nil {
		h.stats.Requests++
	}
	if v.loses(HTTPRequestLost) || v.loses(HTTPReplyLost) { // there is no reply to change
		for _, f := range []*httpFault{v.slow, v.cut, v.date} {
			if f != nil {
				h.countLocked(f, -1)
			}
		}
		v.slow, v.cut, v.date = nil, nil, nil
	}
	return v
}

// count is what a limit is about.
func (d *httpDone) count(kind HTTPKind) int64 {
	if kind == HTTPTokenExpired {
		return int64(len(d.over))
	}
	return d.met
}

// runOut says whether the request's token was answered as run out before.
func (f *httpFault) runOut(r *http.Request) bool {
	_, over := f.done.over[tokenHash(r)]
	return over
}

// end makes the request's token one that has run out, where the fault is about that.
func (f *httpFault) end(r *http.Request) {
	if f.Kind == HTTPTokenExpired && len(f.done.over) < maxOver {
		f.done.over[tokenHash(r)] = struct{}{}
	}
}

// tokenHash names a request's token without keeping it.
func tokenHash(r *http.Request) uint64 {
	hash := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	return binary.BigEndian.Uint64(hash[:])
}

// slot is where a fault of a kind stands in the verdict.
func (v *verdict) slot(kind HTTPKind) **httpFault {
	switch kind {
	case HTTPSlowBody:
		return &v.slow
	case HTTPCutBody:
		return &v.cut
	case HTTPDate:
		return &v.date
	case HTTPStatus, HTTPTokenExpired, HTTPCaptive, HTTPRequestLost, HTTPReplyLost:
	}
	return &v.decisive
}

func (h *HTTPFaults) countLocked(f *httpFault, n int64) {
	f.done.met += n
	h.stats.Injected[f.Kind] += n
}

// spare takes a count back: there was nothing for the fault to do, such as no body to cut.
func (v *verdict) spare(f *httpFault) {
	v.faults.mu.Lock()
	defer v.faults.mu.Unlock()
	v.faults.countLocked(f, -1)
}

// loses says whether the request or the reply is lost, as the kind says.
func (v *verdict) loses(kind HTTPKind) bool { return v.decisive != nil && v.decisive.Kind == kind }
