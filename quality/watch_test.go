package quality_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/quality"
)

// TestWatchTellsThePresentAndEachChange follows an outage: each change goes on from the one before, and the edges are told
// once.
func TestWatchTellsThePresentAndEachChange(t *testing.T) {
	goes(t, run(60*ms, quality.Options{}, func(r *rig) error {
		time.Sleep(20 * second)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		changes := r.m.Watch(ctx)
		first := <-changes
		if first.Level != quality.Good || first.FromLevel != quality.Good || first.FromReach != quality.ReachOnline ||
			first.Edge() != quality.EdgeNone || first.RTT.Samples < 20 {
			return fmt.Errorf("first: %+v", first)
		}
		time.AfterFunc(5*second, r.Cut)
		time.AfterFunc(30*second, r.Heal)
		time.AfterFunc(50*second, cancel)
		var edges []string
		last := first
		for c := range changes {
			if c.FromLevel != last.Level || c.FromReach != last.Reach {
				return fmt.Errorf("from %s and %s, after %s and %s", c.FromLevel, c.FromReach, last.Level, last.Reach)
			}
			if e := c.Edge(); e != quality.EdgeNone {
				edges = append(edges, e.String())
			}
			last = c
		}
		if got := strings.Join(edges, " "); got != "offline online" || last.Level != quality.Good {
			return fmt.Errorf("edges %q, in the end %s", got, last.Level)
		}
		return nil
	}))
}

// TestManyWatchers has 1,000 readers and as many that never read: nobody waits for anybody, and each reader gets the last
// word.
func TestManyWatchers(t *testing.T) {
	const watchers = 1000
	goes(t, run(60*ms, quality.Options{}, func(r *rig) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		last := make([]quality.Reach, watchers)
		done := make(chan struct{}, watchers)
		for i := range watchers {
			r.m.Watch(ctx) // and forget
			changes := r.m.Watch(ctx)
			go func() {
				for c := range changes {
					last[i] = c.Reach
				}
				done <- struct{}{}
			}()
		}
		for range 40 { // more than a watcher may be behind
			time.Sleep(5 * second)
			r.Cut()
			if _, err := r.until(quality.ReachOffline, 2*second); err != nil {
				return err
			}
			r.Heal()
			if _, err := r.until(quality.ReachOnline, 2*second); err != nil {
				return err
			}
		}
		r.Cut()
		time.Sleep(5 * second)
		synctest.Wait()
		cancel()
		for range watchers {
			<-done
		}
		for i, reach := range last {
			if reach != quality.ReachOffline {
				return fmt.Errorf("watcher %d was told %s last", i, reach)
			}
		}
		return nil
	}))
}

// A watcher that fell behind gets changes that follow each other, and the present in the end.
func TestSlowWatcherIsToldTheEnd(t *testing.T) {
	goes(t, run(20*ms, quality.Options{Prober: never{}}, func(r *rig) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		changes := r.m.Watch(ctx)
		for range 300 {
			r.m.Observe(quality.Sample{Kind: quality.KindLink, Link: quality.LinkDown})
			synctest.Wait()
			r.m.Observe(quality.Sample{Kind: quality.KindInbound})
			synctest.Wait()
		}
		want := r.m.State()
		n, last := 0, <-changes
		for {
			synctest.Wait()
			select {
			case c := <-changes:
				if c.FromReach != last.Reach || c.FromLevel != last.Level {
					return fmt.Errorf("change %d: from %s, after %s", n, c.FromReach, last.Reach)
				}
				n, last = n+1, c
				continue
			default:
			}
			break
		}
		if last.Reach != want.Reach || n > 70 {
			return fmt.Errorf("%d changes, the last %s, want %s", n, last.Reach, want.Reach)
		}
		return nil
	}))
}

// never is a prober that gets no answer.
type never struct{}

func (never) Probe(ctx context.Context, _ quality.Probe, _ func(time.Duration)) quality.Outcome {
	<-ctx.Done()
	return quality.Outcome{Cause: quality.CauseTimeout}
}

// checkClose closes a monitor at any moment: before its start, in a dial that hangs, while an answer is awaited, behind a
// portal, offline. Close takes no time, and leaves no goroutine, which would hang the bubble, and no dial.
func checkClose(t *testing.T) error {
	for _, after := range []time.Duration{0, 1, 30 * ms, 60 * ms, 90 * ms, 130 * ms, 500 * ms, second, 7*second + 613*ms} {
		for name, disturb := range map[string]func(*rig){
			"works": func(*rig) {}, "cut": func(r *rig) { r.Cut() },
			"server hangs": func(r *rig) { r.Strand(true, true) },
		} {
			err := bubbled(t, func() error {
				r, stop, err := world(60*ms, quality.Options{})
				if err != nil {
					return err
				}
				time.Sleep(after / 2)
				disturb(r)
				time.Sleep(after / 2)
				changes := r.m.Watch(context.Background())
				began := time.Now()
				if err = r.m.Close(); err == nil {
					err = r.m.Close()
				}
				if took := time.Since(began); err == nil && took > 0 {
					err = fmt.Errorf("Close took %v", took)
				}
				for range changes { // is closed
				}
				pings := len(r.arrived(time.Time{}))
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := len(r.arrived(time.Time{})) - pings; err == nil && n > 1 { // one may have been under way
					err = fmt.Errorf("%d probes after Close", n)
				}
				_ = stop()
				return err
			})
			if err != nil {
				return fmt.Errorf("%s, after %v: %w", name, after, err)
			}
		}
	}
	return nil
}

func TestCloseLeavesNothing(t *testing.T) { goes(t, checkClose) }

func TestClosedMonitor(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m, err := quality.New(quality.Options{Prober: never{}})
		if err != nil {
			t.Fatal(err)
		}
		if m.Observe(quality.Sample{Kind: quality.KindInbound}) || m.Stats().Dropped != 1 {
			t.Errorf("a sample was taken before Start: %+v", m.Stats())
		}
		m.NetworkChanged()
		m.SetEffort(quality.Effort{})
		if err := errors.Join(m.Start(), m.Start(), m.Close()); err != nil {
			t.Error(err)
		}
		if err := m.Start(); !errors.Is(err, quality.ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Start after Close: %v", err)
		}
		for range 2 * quality.Mailbox {
			m.Observe(quality.Sample{Kind: quality.KindInbound})
		}
		m.NetworkChanged()
		if _, open := <-m.Watch(context.Background()); open {
			t.Error("a closed monitor can be watched")
		}
		unstarted, err := quality.New(quality.Options{PingURL: "http://server/ping"})
		if err == nil {
			err = unstarted.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for name, row := range map[string]struct {
		o    quality.Options
		says string // what to do, or nothing is wrong
	}{
		"none":         {quality.Options{}, "set Options.PingURL"},
		"no scheme":    {quality.Options{PingURL: "server/ping"}, "https://"},
		"another one":  {quality.Options{PingURL: "ftp://server/ping"}, "https://"},
		"no host":      {quality.Options{PingURL: "http:///ping"}, "https://"},
		"no URL":       {quality.Options{PingURL: "http://u:secret@server:%/"}, "Options.PingURL"},
		"a password":   {quality.Options{PingURL: "http://u:secret@server/"}, "leave it out"},
		"too often":    {quality.Options{Prober: never{}, PingInterval: 1}, "100ms"},
		"negative":     {quality.Options{Prober: never{}, PingInterval: -1}, "100ms"},
		"odd, but so?": {quality.Options{Prober: never{}, ProbeTimeout: -1, Effort: quality.Effort{Patience: -1}, Logger: slog.Default()}, ""},
	} {
		_, err := quality.New(row.o)
		switch {
		case row.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s: %v, want %q in it", name, err, row.says)
		}
	}
}

// TestMonitorDoesNotAllocate: neither the caller nor the monitor's goroutine allocates for a sample.
func TestMonitorDoesNotAllocate(t *testing.T) {
	m, err := quality.New(quality.Options{Prober: never{}, PingInterval: time.Hour})
	if err == nil {
		err = m.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	sample := quality.Sample{Kind: quality.KindRoundTrip, RTT: 20 * ms}
	if n := testing.AllocsPerRun(5000, func() { m.Observe(sample) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
