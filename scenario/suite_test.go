package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
)

// shift is a run of scenarios that do nothing but take their time, which Warm says.
type shift struct {
	mu      sync.Mutex // guards below
	running map[string]bool
	most    int
	wrong   []string
	ended   int
}

func (h *shift) run(ctx context.Context, s scenario.Scenario) (scenario.Report, error) {
	h.mu.Lock()
	for id := range h.running {
		if other, _ := scenario.Find(id); s.Alone || other.Alone {
			h.wrong = append(h.wrong, fmt.Sprintf("%s runs beside %s", s.ID, id))
		}
	}
	h.running[s.ID] = true
	h.most = max(h.most, len(h.running))
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.running, s.ID)
		h.ended++
	}()
	select {
	case <-time.After(s.Warm):
		if s.Why == "" {
			return scenario.Report{}, errFails
		}
		return scenario.Report{ID: s.ID, OK: true}, nil
	case <-ctx.Done():
		return scenario.Report{}, ctx.Err()
	}
}

var errFails = errors.New("fails")

// suite are all scenarios, of which each later one is done sooner.
func suite() []scenario.Scenario {
	all := scenario.All()
	for i := range all {
		all[i].Warm = time.Duration(len(all)-i) * time.Second
	}
	return all
}

// TestSuiteReportsInOrder: several at a time and no more, those that keep the machine busy alone, and the reports in the
// order of the scenarios whichever is done first.
func TestSuiteReportsInOrder(t *testing.T) {
	for _, parallel := range []int{1, 3, 100} {
		bubble.Run(t, func(t *testing.T) {
			all, h := suite(), &shift{running: map[string]bool{}}
			var want, got []string
			var alone, sum time.Duration
			beside := len(all)
			for _, s := range all {
				want = append(want, s.ID)
				sum += s.Warm
				if s.Alone {
					alone += s.Warm
					beside--
				}
			}
			began := time.Now()
			for r, err := range scenario.InOrder(t.Context(), all, parallel, h.run) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("reports of %v, want %v", got, want)
			}
			if alone == 0 || len(h.wrong) > 0 || h.most != min(parallel, beside) {
				t.Errorf("%d at a time: %d ran at once; %q; alone took %v", parallel, h.most, h.wrong, alone)
			}
			took := time.Since(began)
			if parallel == 1 && took != sum || parallel == 100 && took != all[0].Warm+alone {
				t.Errorf("%d at a time took %v of %v", parallel, took, sum)
			}
		})
	}
}

// TestSuiteStops: an error, the end of the context and the end of the loop end what runs.
func TestSuiteStops(t *testing.T) {
	count := func(seq func(func(scenario.Report, error) bool), most int) (n int, err error) {
		for _, e := range seq {
			if n++; e != nil || n == most {
				return n, e
			}
		}
		return n, nil
	}
	check := func(name string, change func([]scenario.Scenario), life time.Duration, most, wantN int, want error, took time.Duration) {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				all, h := suite(), &shift{running: map[string]bool{}}
				change(all)
				ctx, cancel := context.WithTimeout(t.Context(), life)
				defer cancel()
				began := time.Now()
				n, err := count(scenario.InOrder(ctx, all, 3, h.run), most)
				if n != wantN || !errors.Is(err, want) || time.Since(began) != took {
					t.Errorf("%d reports, %v, after %v", n, err, time.Since(began))
				}
				if len(h.running) > 0 || h.ended > 4 { // the one that ended may have made room for another
					t.Errorf("%d ran, %v still do", h.ended, h.running)
				}
			})
		})
	}
	first := func(all []scenario.Scenario) time.Duration { return all[0].Warm }(suite())
	none := func([]scenario.Scenario) {}
	check("context", none, time.Second, -1, 1, context.DeadlineExceeded, time.Second)
	check("error", func(all []scenario.Scenario) { all[0].Why, all[0].Warm = "", time.Second }, time.Hour, -1, 1, errFails, time.Second)
	check("loop", func(all []scenario.Scenario) { all[0].Warm, all[1].Warm, all[2].Warm = 1, first, first }, time.Hour, 1, 1, nil, 1)
}

// TestServerComesBackOnAnotherPort: scenarios run beside each other, so a port that a server has left may be somebody
// else's when it comes back.
func TestServerComesBackOnAnotherPort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w, err := scenario.NewRealWorld(ctx, t.TempDir(), scenario.WorldOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := w.AddClient(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.StopServer(ctx, false); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", w.ServerAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := w.StartServer(ctx); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Send(ctx, "hello"), w.Settle(ctx)); err != nil {
		t.Error(err)
	}
}
