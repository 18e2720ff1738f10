package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// observation is what knowing the network costs for each thing that happens. The traffic of its probes is part of what is
// counted of idle clients: see measureTraffic.
type observation struct {
	What   string  `json:"what"`
	Nanos  float64 `json:"cpuNanoseconds"`
	Allocs int64   `json:"allocs"`
	Bytes  int64   `json:"bytes"`
	Goal   string  `json:"goal"`
	Met    bool    `json:"goalMet"`
}

const (
	observedRTT  = 80 * time.Millisecond
	observedEach = 100 * time.Millisecond // of virtual time: a busy client
)

// measureQuality tells an estimator what a busy client tells it.
func measureQuality(_ context.Context, _ config, _ string, r *report) error {
	e := quality.NewEstimator(quality.Foreground.Effort())
	now := time.Now()
	var id, segments uint64
	take := func(s quality.Sample) error {
		now = now.Add(observedEach)
		s.At = now
		if why := e.Observe(s); why != quality.Taken {
			return fmt.Errorf("a sample was refused: %v", why)
		}
		return nil
	}
	for _, o := range []struct {
		what string
		run  func() error
	}{
		{"an exchange: that it began, and its answer", func() error {
			id++
			if err := take(quality.Sample{Kind: quality.KindBegin, ID: id, Source: quality.SourcePing}); err != nil {
				return err
			}
			return take(quality.Sample{Kind: quality.KindRoundTrip, ID: id, Source: quality.SourcePing, RTT: observedRTT})
		}},
		{"a reading of a socket's counters", func() error {
			segments += 3
			return take(quality.Sample{
				Kind: quality.KindSocket, Socket: 1,
				Counters: quality.Counters{Sent: segments, Retransmitted: segments / 100, Delivered: segments},
			})
		}},
		{"a report", func() error { _ = e.Report(now); return nil }},
	} {
		c, err := measureCost(o.run)
		if err != nil {
			return fmt.Errorf("%s: %w", o.what, err)
		}
		r.Quality = append(r.Quality, observation{o.what, c.nanos, c.allocs, c.bytes, "no allocation", c.allocs == 0 && c.bytes == 0})
	}
	return nil
}

func (r *report) writeQuality(w io.Writer) {
	if len(r.Quality) == 0 {
		return
	}
	t := table(w)
	fmt.Fprint(t, "\nestimating the network, cost of\tns of CPU\tallocations\tbytes\tgoal\t\t\n")
	for _, o := range r.Quality {
		fmt.Fprintf(t, "%s\t%.0f\t%d\t%d\t%s\t%s\t\n", o.What, o.Nanos, o.Allocs, o.Bytes, o.Goal, met(o.Goal, o.Met))
	}
	_ = t.Flush() // to standard output: nobody is there to tell
	fmt.Fprintln(w)
}
