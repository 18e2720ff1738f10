package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// table lines columns up, those with numbers to the right.
func table(out io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
}

// writeHead says what was measured on.
func (r *report) writeHead(w io.Writer) {
	fmt.Fprintf(w, "%s, %s, %d CPUs, seed %d\n", r.Go, r.System, r.CPUs, r.Seed)
	if r.LoadBefore != "" {
		fmt.Fprintf(w, "load average before: %s\n", r.LoadBefore)
	}
}

// writeEnd says what was wrong.
func (r *report) writeEnd(w io.Writer) {
	if r.LoadAfter != "" {
		fmt.Fprintf(w, "load average after: %s\n", r.LoadAfter)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "PROBLEM: %s\n", p)
	}
}

func (r *report) writeThroughput(w io.Writer) {
	for _, t := range r.Throughput {
		fmt.Fprintf(w, "one connection at RTT %.0f ms: %.0f messages/s from Send to acknowledged (%d in %.1f s)\n",
			t.RTTMs, t.PerSecond, t.Acked, t.Seconds)
	}
}

func (r *report) writeTraffic(w io.Writer) {
	for _, t := range r.Traffic {
		fmt.Fprintf(w, "idle in the %s: %.0f bytes/min in %.0f segments/min (over %.0f s; TCP payload, both ways)\n",
			t.Profile, t.BytesPerMinute, t.SegmentsPerMinute, t.Seconds)
	}
}

func (r *report) writeMemory(w io.Writer) {
	m := r.Memory
	if m == nil {
		return
	}
	fmt.Fprintf(w, "each of %d idle clients, its link and the server's side of it: %.1f KiB (heap %.1f, stacks %.1f), "+
		"%.1f goroutines, %.0f µs of CPU a second, %d reconnects\n", m.Clients, m.Bytes/1024, m.Heap/1024, m.Stack/1024,
		m.Goroutines, m.CPU, m.Reconnects)
	for _, name := range slices.Sorted(maps.Keys(m.ByPackage)) {
		fmt.Fprintf(w, "  %.1f goroutines of %s\n", m.ByPackage[name], name)
	}
}

func (r *report) writeHours(w io.Writer) {
	for _, h := range r.Hours {
		fmt.Fprintf(w, "one virtual hour of %d clients, %d messages, %.0f%% loss: %.2f s, %d reconnects (goal 0)\n",
			h.Clients, h.Messages, 100*h.Loss, h.WallSeconds, h.Reconnects)
	}
}

// writeReconnects prints the reconnects with their goals, and the comparison.
func (r *report) writeReconnects(out io.Writer) {
	if len(r.Reconnects) == 0 {
		return
	}
	w := table(out)
	for i, l := range append(r.ResetLateness, r.Lateness) {
		if l != nil {
			fmt.Fprintf(out, "phase %d: timers were late by p50 %.1f, p95 %.1f, max %.1f ms meanwhile\n", i+1, l.P50, l.P95, l.Max)
		}
	}
	for _, set := range slices.Sorted(maps.Keys(r.ResetRTT)) {
		v := r.ResetRTT[set]
		fmt.Fprintf(out, "an echo over a link of %d ms took p50 %.1f, p95 %.1f, max %.1f ms meanwhile: the RTT that resets are counted in\n",
			set, v.P50, v.P95, v.Max)
	}
	fmt.Fprint(w, "\nfault to caught-up, in ms (counted from its end where it lasts)\n")
	fmt.Fprint(w, "fault\tclient\tRTT\tn\tp50\tp95\tmax\tp50/RTT\tp95/RTT\tdetect p50\tp95\tgoal\tp50\tp95\t\n")
	for _, x := range r.Reconnects {
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%.0f\t%.0f\t%.0f\t%.2f\t%.2f\t%.0f\t%.0f\t%s\t%s\t%s\t\n",
			x.Fault, x.Client, x.RTTMs, count(x), x.CaughtUp.P50, x.CaughtUp.P95, x.CaughtUp.Max,
			x.CaughtUp.P50/x.RealMs, x.CaughtUp.P95/x.RealMs, x.Detect.P50, x.Detect.P95,
			x.Goal, met(x.Goal, x.MetP50), met(x.Goal, x.MetP95))
	}
	fmt.Fprintln(w)
	for _, x := range r.Ratios {
		fmt.Fprintf(w, "%s at RTT %.0f ms: %s at p50, %s at p95\n", x.Fault, x.RTTMs, winner(x.P50), winner(x.P95))
	}
	fmt.Fprintln(w)
	_ = w.Flush() // to standard output: nobody is there to tell
}

func count(x row) string {
	if x.Failed > 0 {
		return fmt.Sprintf("%d (%d failed)", x.N, x.Failed)
	}
	return fmt.Sprint(x.N)
}

func met(goal string, ok bool) string {
	switch {
	case goal == "":
		return ""
	case ok:
		return "met"
	}
	return "MISSED"
}

func winner(ratio float64) string {
	if ratio < 1 {
		return fmt.Sprintf("centrifuge-js is %.1f times as quick", 1/ratio)
	}
	return fmt.Sprintf("chatsdk is %.1f times as quick", ratio)
}
