package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

func TestBreakerModel(t *testing.T) {
	s := seed(t)
	for i := range uint64(400) {
		if err := checkBreakerModel(s + i); err != nil {
			t.Fatalf("seed %d: %v", s+i, err)
		}
	}
}

// permitted is an attempt under way in the model.
type permitted struct {
	permit api.Permit
	epoch  int // of the model when it was given
}

// model is what the breaker's state has to be, kept in the plainest way: every sample of the window, every lease.
type model struct {
	o       api.BreakerOptions
	state   api.Circuit
	epoch   int // counts changes of state
	row     int
	samples []sample
	stage   int
	good    int
	probes  map[api.Permit]time.Time
}

type sample struct {
	at  time.Time
	bad bool
}

func (m *model) enter(s api.Circuit) {
	m.state, m.stage, m.good, m.probes = s, 1, 0, map[api.Permit]time.Time{}
	m.epoch++
	m.row, m.samples = 0, nil
}

// busy drops the probes whose lease is over and counts the others.
func (m *model) busy(now time.Time) int {
	for p, end := range m.probes {
		if !now.Before(end) {
			delete(m.probes, p)
		}
	}
	return len(m.probes)
}

// record takes a result; the window's edge is a slot wide, in which either answer of the breaker is right: sure is
// false there.
func (m *model) record(now time.Time, p permitted, r api.Result) (sure bool) {
	if p.epoch != m.epoch || r == api.ResultNone && m.state == api.Closed {
		return true
	}
	if m.state == api.HalfOpen {
		if _, held := m.probes[p.permit]; !held {
			return true
		}
		delete(m.probes, p.permit)
		switch r {
		case api.ResultFailed, api.ResultSlow:
			m.enter(api.Open)
		case api.ResultOK:
			if m.good++; m.good == m.stage {
				m.stage, m.good = 2*m.stage, 0
			}
			if m.stage > 8 {
				m.enter(api.Closed)
			}
		}
		return true
	}
	m.samples = append(m.samples, sample{now, r != api.ResultOK})
	if r == api.ResultFailed {
		m.row++
	} else {
		m.row = 0
	}
	if m.row >= m.o.Consecutive {
		m.enter(api.Open)
		return true
	}
	if r == api.ResultOK {
		return true
	}
	// The breaker's window ends somewhere in its last slot.
	least := m.o.Window - m.o.Window/10
	cuts := []time.Duration{least, m.o.Window}
	for _, s := range m.samples {
		if age := now.Sub(s.at); age > least && age < m.o.Window {
			cuts = append(cuts, age)
		}
	}
	open, all := false, true
	for _, cut := range cuts {
		if m.tooMany(now, cut) {
			open = true
		} else {
			all = false
		}
	}
	if all {
		m.enter(api.Open)
	}
	return open == all
}

func (m *model) tooMany(now time.Time, window time.Duration) bool {
	n, bad := 0, 0
	for _, s := range m.samples {
		if now.Sub(s.at) <= window {
			n++
			if s.bad {
				bad++
			}
		}
	}
	return n >= m.o.MinSamples && float64(bad) >= m.o.Rate*float64(n)
}

// checkBreakerModel drives a circuit and its model with the same random calls: results that come late, of another
// generation, of probes whose lease is over, and never.
func checkBreakerModel(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 11))
	b := api.NewBreaker(api.BreakerOptions{}, rng.IntN(2) == 0, seed)
	m := &model{o: b.Options()}
	m.enter(api.Closed)
	now := time.Now()
	var flying []permitted
	failing := 0.0
	for step := range 600 {
		now = now.Add(time.Duration(rng.IntN(300)) * time.Millisecond)
		if rng.IntN(40) == 0 {
			failing = []float64{0, 0.3, 1}[rng.IntN(3)]
			now = now.Add(time.Duration(rng.IntN(4)) * time.Second)
		}
		switch k := rng.IntN(20); {
		case k == 0 && b.Hint():
			if m.state != api.Open {
				return fmt.Errorf("step %d: a hint moved a circuit that is %v", step, m.state)
			}
			m.enter(api.HalfOpen)
		case k < 11:
			lease := time.Duration(1+rng.IntN(5)) * time.Second
			p, ok, err := admitBoth(b, m, now, lease)
			if err != nil {
				return fmt.Errorf("step %d: %w", step, err)
			}
			if ok && rng.IntN(12) > 0 { // else it hangs for ever
				flying = append(flying, p)
			}
		case len(flying) > 0:
			i := rng.IntN(len(flying))
			p := flying[i]
			flying = append(flying[:i], flying[i+1:]...)
			r := api.ResultOK
			if rng.Float64() < failing {
				r = []api.Result{api.ResultFailed, api.ResultFailed, api.ResultSlow, api.ResultNone}[rng.IntN(4)]
			}
			before := m.epoch
			b.Record(now, p.permit, r, 0)
			sure := m.record(now, p, r)
			if got, _ := b.State(); !sure && got != m.state {
				m.enter(got) // the edge of a slot: both are right
				before = m.epoch - 1
			}
			if got, _ := b.State(); got != m.state {
				return fmt.Errorf("step %d: %v after result %d of epoch %d (now %d), want %v", step, got, r, p.epoch, before, m.state)
			}
		}
	}
	return nil
}

// admitBoth asks both for a permit.
func admitBoth(b *api.Breaker, m *model, now time.Time, lease time.Duration) (permitted, bool, error) {
	was, until := b.State()
	p, ok, again := b.Admit(now, lease)
	if was == api.Open && !now.Before(until) {
		m.enter(api.HalfOpen)
	}
	want := m.state == api.Closed || m.state == api.HalfOpen && m.busy(now) < m.stage
	if ok != want || !ok && !again.After(now) && m.state != api.HalfOpen {
		return permitted{}, false, fmt.Errorf("admitted %v in %v with %d of %d probes under way (again in %v)",
			ok, m.state, len(m.probes), m.stage, again.Sub(now))
	}
	if m.state == api.Open {
		o := m.o
		if d := until.Sub(now); d > o.OpenMax {
			return permitted{}, false, fmt.Errorf("open for another %v, at most %v", d, o.OpenMax)
		}
	}
	if ok && m.state == api.HalfOpen {
		m.probes[p] = now.Add(lease)
	}
	return permitted{permit: p, epoch: m.epoch}, ok, nil
}

func TestStaleResultsDontCloseTheCircuit(t *testing.T) { check(checkStale).run(t) }

// checkStale lets answers from before the outage arrive while a probe is under way.
func checkStale() error {
	b := api.NewBreaker(api.BreakerOptions{}, false, 1)
	now := time.Now()
	var old []api.Permit
	for range 30 {
		p, ok, _ := b.Admit(now, time.Second)
		if !ok {
			return errors.New("a closed circuit refused")
		}
		old = append(old, p)
	}
	for _, p := range old[:5] {
		b.Record(now, p, api.ResultFailed, 0)
	}
	now = now.Add(2 * time.Second)
	probe, ok, _ := b.Admit(now, time.Second)
	if !ok || !probe.Probe() {
		return errors.New("no probe after the wait")
	}
	for _, p := range old[5:] {
		b.Record(now, p, api.ResultOK, 0)
	}
	if s, _ := b.State(); s != api.HalfOpen {
		return fmt.Errorf("stale successes made it %v", s)
	}
	if _, ok, _ := b.Admit(now, time.Second); ok {
		return errors.New("a second probe beside the first")
	}
	for _, p := range old[5:] {
		b.Record(now, p, api.ResultFailed, 0)
	}
	if s, _ := b.State(); s != api.HalfOpen {
		return fmt.Errorf("stale failures made it %v", s)
	}
	return nil
}

func TestHungProbeLosesItsLease(t *testing.T) { check(checkHungProbe).run(t) }

// checkHungProbe has a transport that doesn't heed its context: the first call after the outage never returns.
func checkHungProbe() error {
	down, hang := true, make(chan struct{})
	var hung atomic.Bool
	c, err := client(func(req *http.Request) (*http.Response, error) {
		if down {
			return nil, refusedDial()
		}
		if hung.CompareAndSwap(false, true) {
			<-hang
		}
		return answer(req, 200, ""), nil
	}, api.Options{Deadline: 30 * time.Second})
	if err != nil {
		return err
	}
	for range 5 {
		_, _, _ = get(api.With(context.Background(), api.Call{Deadline: 10 * time.Millisecond}), c, "GET", "/x", "")
	}
	if h := c.Hosts()[0]; h.Circuit != api.Open {
		return fmt.Errorf("after 5 refused connections: %+v", h)
	}
	down = false
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _, _ = get(context.Background(), c, "GET", "/hangs", "")
	}()
	time.Sleep(2 * time.Second)
	_, _, err = get(context.Background(), c, "GET", "/x", "")
	close(hang)
	<-gone
	if !hung.Load() || err != nil {
		return fmt.Errorf("a call beside a probe that hangs (%v): %w", hung.Load(), err)
	}
	return c.Close()
}

func TestPanicInAProbeGivesItsPermitBack(t *testing.T) { check(checkPanicProbe).run(t) }

func checkPanicProbe() error {
	down, burst := true, false
	c, err := client(func(req *http.Request) (*http.Response, error) {
		switch {
		case down:
			return nil, refusedDial()
		case !burst:
			burst = true
			panic("transport")
		}
		return answer(req, 200, ""), nil
	}, api.Options{Deadline: 5 * time.Second})
	if err != nil {
		return err
	}
	for range 5 {
		_, _, _ = get(api.With(context.Background(), api.Call{Deadline: 10 * time.Millisecond}), c, "GET", "/x", "")
	}
	down = false
	time.Sleep(2 * time.Second)
	func() {
		defer func() { _ = recover() }()
		_, _, _ = get(context.Background(), c, "GET", "/x", "")
	}()
	began := time.Now()
	if _, _, err := get(context.Background(), c, "GET", "/x", ""); err != nil || !burst || time.Since(began) > 100*time.Millisecond {
		return fmt.Errorf("after a probe that panicked (%v), %v later: %w", burst, time.Since(began), err)
	}
	return c.Close()
}

// TestHintsOpenTheWay: whoever knows that the server is back ends the wait.
func TestHintsOpenTheWay(t *testing.T) {
	for name, hint := range map[string]func(*api.Client){
		"ServerUp": (*api.Client).ServerUp, "NetworkChanged": (*api.Client).NetworkChanged,
	} {
		t.Run(name, func(t *testing.T) {
			check(func() error {
				down := true
				var changes []string
				c, err := client(func(req *http.Request) (*http.Response, error) {
					if down {
						return nil, refusedDial()
					}
					return answer(req, 200, ""), nil
				}, api.Options{Background: true, Deadline: 20 * time.Millisecond, FailFast: true, OnStateChange: func(ch api.CircuitChange) {
					changes = append(changes, fmt.Sprint(ch.From, ">", ch.To))
				}})
				if err != nil {
					return err
				}
				for range 5 {
					_, _, _ = get(context.Background(), c, "GET", "/x", "")
				}
				down = false
				if _, _, err := get(context.Background(), c, "GET", "/x", ""); !errors.Is(err, api.ErrCircuitOpen) {
					return fmt.Errorf("an open circuit: %w", err)
				}
				hint(c)
				for range 15 { // 1, 2, 4 and 8 probes
					if _, _, err := get(context.Background(), c, "GET", "/x", ""); err != nil {
						return err
					}
				}
				if got := fmt.Sprint(changes); got != "[closed>open open>half-open half-open>closed]" {
					return errors.New(got)
				}
				return c.Close()
			}).run(t)
		})
	}
}

// TestObserverMayCallBackIn: OnStateChange runs outside of locks.
func TestObserverMayCallBackIn(t *testing.T) {
	check(func() error {
		var c *api.Client
		told := 0
		c, err := client(func(*http.Request) (*http.Response, error) { return nil, refusedDial() }, api.Options{
			Deadline: 100 * time.Millisecond, MaxAttempts: 1,
			OnStateChange: func(ch api.CircuitChange) {
				if told++; told > 3 {
					return // each of these calls changes the circuit again
				}
				c.Hosts()
				c.ServerUp()
				_, _, _ = get(api.With(context.Background(), api.Call{Deadline: time.Millisecond}), c, "GET", "/from-the-callback", "")
			},
			OnAttempt: func(api.Attempt) { c.Hosts() },
		})
		if err != nil {
			return err
		}
		for range 10 {
			_, _, _ = get(context.Background(), c, "GET", "/x", "")
		}
		if told < 1 {
			return fmt.Errorf("told %d", told)
		}
		return c.Close()
	}).run(t)
}
