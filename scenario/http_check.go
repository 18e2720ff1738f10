package scenario

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// crossing is what a request that was sent before the client knew better may take beyond the round trip: scheduling
	// on a busy machine.
	crossing = 100 * time.Millisecond
	// leastWait is the wait that a 429 asks for that doesn't say how long: the shortest that isn't at once.
	leastWait = time.Second
	// crowd is how many requests may come within a round trip after a wait, of all those that waited.
	crowd = 3
)

// Check compares the record with the thresholds and returns what doesn't hold.
func (v *HTTPView) Check(t HTTPThresholds) []string {
	var out []string
	problem := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	v.checkDone(t, problem)
	v.checkSession(t, problem)
	for i := range v.Faults {
		v.checkFault(&v.Faults[i], problem)
	}
	if t.RetryAfter {
		v.checkRetryAfter(problem)
	}
	return out
}

// tell takes one thing that doesn't hold.
type tell func(format string, args ...any)

// checkDone asks that every message is done, and 99 of 100 soon.
func (v *HTTPView) checkDone(t HTTPThresholds, problem tell) {
	undone, first := 0, ""
	for i := range v.Calls {
		c := &v.Calls[i]
		if c.Done() {
			continue
		}
		if undone++; undone == 1 {
			first = fmt.Sprintf("%s of %s: %q", c.ID, c.Client, c.Err)
		}
	}
	if undone > 0 {
		problem("%d of %d messages aren't done, the first %s", undone, len(v.Calls), first)
	}
	if len(v.Calls) == 0 {
		problem("no message was offered: the run shows nothing")
		return
	}
	if soon, all := v.soon(t.Done99); t.Done99 > 0 && (all == 0 || soon*100 < all*99) {
		problem("%d of %d messages that were offered during a fault were done within %v, at least 99 of 100 have to be", soon, all, t.Done99)
	}
}

// soon counts the messages that were offered during a fault, and those of them that were done within a time.
func (v *HTTPView) soon(within time.Duration) (soon, all int) {
	for i := range v.Calls {
		c := &v.Calls[i]
		if !slices.ContainsFunc(v.Faults, func(f HTTPWindow) bool { return !c.Began.Before(f.From) && c.Began.Before(f.To) }) {
			continue
		}
		all++
		if c.Done() && c.Ended.Sub(c.Began) <= within {
			soon++
		}
	}
	return soon, all
}

// checkSession asks that nobody is logged out and nobody refreshes more than needed.
func (v *HTTPView) checkSession(t HTTPThresholds, problem tell) {
	for _, s := range v.Sessions {
		if s.Over {
			problem("%s was logged out: %s", s.Client, s.State)
		}
	}
	if arrived := v.refreshArrivals(); t.Refreshes >= 0 && arrived != t.Refreshes {
		problem("%d requests for new tokens arrived, %d are needed", arrived, t.Refreshes)
	}
}

func (v *HTTPView) refreshArrivals() int {
	n := 0
	for i := range v.Arrivals {
		if strings.HasSuffix(v.Arrivals[i].Path, "/auth/refresh") {
			n++
		}
	}
	return n
}

// checkFault asks for the bounds of one fault.
func (v *HTTPView) checkFault(f *HTTPWindow, problem tell) {
	if f.Bounds.Hit > 0 && (f.Met == 0 || float64(f.Met) < f.Bounds.Hit*float64(f.Requests)) {
		problem("%s: %d of %d requests met it, at least %.0f%% should: the run shows nothing", f.Name, f.Met, f.Requests, 100*f.Bounds.Hit)
	}
	if f.Bounds.Load > 0 {
		offered, arrived := v.load(f)
		if offered == 0 || float64(arrived) > f.Bounds.Load*float64(offered) {
			problem("%s: %d requests arrived for %d messages, at most %.2f for each are allowed", f.Name, arrived, offered, f.Bounds.Load)
		}
	}
	if f.Bounds.OpenWithin > 0 {
		opened, ok := v.circuit(f.From, "open")
		if !ok || opened.Sub(f.From) > f.Bounds.OpenWithin {
			problem("%s: the circuit opened after %s, at most %v is allowed", f.Name, since(opened, ok, f.From), f.Bounds.OpenWithin)
		}
	}
	if f.Bounds.DoneWithin == 0 {
		return
	}
	closed, ok := v.circuit(f.To, "closed")
	if !ok || closed.Sub(f.To) > f.Bounds.DoneWithin {
		problem("%s: the circuit closed %s after the end, at most %v is allowed", f.Name, since(closed, ok, f.To), f.Bounds.DoneWithin)
	}
	if last := v.caughtUp(f.To); last.Sub(f.To) > f.Bounds.DoneWithin {
		problem("%s: everything was done %v after the end, at most %v is allowed", f.Name, ms(last.Sub(f.To)), f.Bounds.DoneWithin)
	}
}

// load counts what was offered and what arrived during a fault.
func (v *HTTPView) load(f *HTTPWindow) (offered, arrived int) {
	during := func(at time.Time) bool { return !at.Before(f.From) && at.Before(f.To) }
	for i := range v.Calls {
		if during(v.Calls[i].Began) {
			offered++
		}
	}
	for i := range v.Arrivals {
		if during(v.Arrivals[i].At) {
			arrived++
		}
	}
	return offered, arrived
}

// circuit finds the first change to a state from a moment on.
func (v *HTTPView) circuit(from time.Time, to string) (at time.Time, ok bool) {
	for _, c := range v.Circuits {
		if c.To == to && !c.At.Before(from) {
			return c.At, true
		}
	}
	return time.Time{}, false
}

func since(at time.Time, ok bool, from time.Time) string {
	if !ok {
		return "never"
	}
	return ms(at.Sub(from)).String()
}

// caughtUp is when the last message was done that was offered before a moment.
func (v *HTTPView) caughtUp(moment time.Time) (last time.Time) {
	for i := range v.Calls {
		if c := &v.Calls[i]; c.Began.Before(moment) && c.Done() && c.Ended.After(last) {
			last = c.Ended
		}
	}
	return last
}

// checkRetryAfter asks that after each 429 nothing arrives before the server allowed it, but what was on its way, and
// that those who waited don't come all at once.
func (v *HTTPView) checkRetryAfter(problem tell) {
	holds := 0
	for i := range v.Arrivals {
		a := &v.Arrivals[i]
		if a.Status != http.StatusTooManyRequests {
			continue
		}
		holds++
		known, until := a.Answered.Add(v.RTT+crossing), a.allowedAt()
		var after []time.Time
		for j := range v.Arrivals {
			at := v.Arrivals[j].At
			switch {
			case at.After(known) && at.Before(until):
				problem("a request arrived %v before the time that a 429 with Retry-After %q had asked for", ms(until.Sub(at)), a.RetryAfter)
			case !at.Before(until):
				after = append(after, at)
			}
		}
		if n := firstRush(after, v.RTT); n > crowd {
			problem("%d requests arrived at once after a 429 with Retry-After %q, at most %d should", n, a.RetryAfter, crowd)
		}
	}
	if holds == 0 {
		problem("no request was answered with 429: the run shows nothing")
	}
}

// allowedAt is when the next request may arrive after a 429. Seconds count from the answer; a date is one.
func (a *HTTPArrival) allowedAt() time.Time {
	if n, err := strconv.Atoi(a.RetryAfter); err == nil {
		return a.Answered.Add(time.Duration(n) * time.Second)
	}
	if at, err := http.ParseTime(a.RetryAfter); err == nil {
		return at
	}
	return a.Answered.Add(leastWait)
}

// firstRush counts the arrivals less than a round trip after the first.
func firstRush(at []time.Time, rtt time.Duration) int {
	if len(at) == 0 {
		return 0
	}
	end := slices.MinFunc(at, time.Time.Compare).Add(rtt)
	n := 0
	for _, t := range at {
		if t.Before(end) {
			n++
		}
	}
	return n
}

// HTTPReport is what a run of HTTP clients showed. Its JSON field names are stable.
type HTTPReport struct {
	Calls       Spread `json:"calls"` // of those that are done
	Offered     int    `json:"offered"`
	Arrived     int    `json:"arrived"`     // requests at the server, all endpoints
	Refreshes   int    `json:"refreshes"`   // times that a client needed new tokens
	RefreshesOK int    `json:"refreshesOk"` // of them, those that ended with some
	RefreshSent int    `json:"refreshSent"` // requests for them
	Opened      int    `json:"opened"`      // circuits

	Outages []HTTPOutage `json:"outages,omitempty"`
}

// HTTPOutage is how clients came through a fault that has a bound for its end. 0 means never.
type HTTPOutage struct {
	Name     string        `json:"name"`
	OpenedNS time.Duration `json:"openedNs"` // the circuit, from the beginning
	ClosedNS time.Duration `json:"closedNs"` // the circuit, from the end
	DoneNS   time.Duration `json:"doneNs"`   // everything that was offered before the end, from the end
	LimitNS  time.Duration `json:"limitNs"`  // of the two
}

// outages says how clients came through the faults.
func (v *HTTPView) outages() (all []HTTPOutage) {
	for i := range v.Faults {
		f := &v.Faults[i]
		if f.Bounds.DoneWithin == 0 {
			continue
		}
		o := HTTPOutage{Name: f.Name, DoneNS: v.caughtUp(f.To).Sub(f.To), LimitNS: f.Bounds.DoneWithin}
		if at, ok := v.circuit(f.From, "open"); ok {
			o.OpenedNS = at.Sub(f.From)
		}
		if at, ok := v.circuit(f.To, "closed"); ok {
			o.ClosedNS = at.Sub(f.To)
		}
		all = append(all, o)
	}
	return all
}

// Summary is the record in numbers.
func (v *HTTPView) Summary() *HTTPReport {
	r := &HTTPReport{Offered: len(v.Calls), Arrived: len(v.Arrivals), RefreshSent: len(v.Refreshes)}
	var took []time.Duration
	for i := range v.Calls {
		if c := &v.Calls[i]; c.Done() {
			took = append(took, c.Ended.Sub(c.Began))
		}
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		r.Calls = Spread{N: n, P50: Percentile(took, 50), P95: Percentile(took, 95), Max: took[n-1]}
	}
	r.Refreshes, r.RefreshesOK = v.refreshes()
	r.Outages = v.outages()
	for _, c := range v.Circuits {
		if c.To == "open" {
			r.Opened++
		}
	}
	return r
}

// refreshes counts how often new tokens were needed, and how often they came: requests that failed belong to the one
// that brought some. A session that ended needed some that never came.
func (v *HTTPView) refreshes() (needed, brought int) {
	trying := map[string]bool{}
	for _, f := range v.Refreshes {
		if trying[f.Client] = !f.OK; f.OK {
			brought++
		}
	}
	needed = brought
	for _, failed := range trying {
		if failed {
			needed++
		}
	}
	return needed, brought
}

// Add counts another run in. Distributions aren't added.
func (r *HTTPReport) Add(other HTTPReport) {
	r.Offered += other.Offered
	r.Arrived += other.Arrived
	r.Refreshes += other.Refreshes
	r.RefreshesOK += other.RefreshesOK
	r.RefreshSent += other.RefreshSent
	r.Opened += other.Opened
}

// RefreshRate says for people how many refreshes succeeded, or nothing if none was needed.
func (r *HTTPReport) RefreshRate() string {
	if r.Refreshes == 0 {
		return ""
	}
	return fmt.Sprintf("token refreshes that succeeded: %d of %d (%.1f%%), in %d requests",
		r.RefreshesOK, r.Refreshes, 100*float64(r.RefreshesOK)/float64(r.Refreshes), r.RefreshSent)
}

// String is the report in one line.
func (r *HTTPReport) String() string {
	return fmt.Sprintf("%d messages in %d requests: p50 %v, p95 %v, max %v; circuit opened %d times; tokens refreshed %d of %d times",
		r.Offered, r.Arrived, ms(r.Calls.P50), ms(r.Calls.P95), ms(r.Calls.Max), r.Opened, r.RefreshesOK, r.Refreshes)
}
