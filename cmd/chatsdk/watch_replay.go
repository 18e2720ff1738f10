package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/quality/accuracy"
)

const replayHelp = `With --replay FILE a trace is played: the network that the file tells of, in virtual time, with an exchange a second. What the
client says of it is told beside the truth, each second and at each change of either, and at the end how often it was right.

The file is CSV with a line that names its columns: t_ms, rtt_ms (needed), loss_pct and online (1 or 0), in any order, others
are left out. Without t_ms each row is 70 ms; without loss_pct nothing is lost; without online there is a network. The truth
is the level of the row that holds: excellent under 50 ms without loss, good under 150 ms and 1%, fair under 300 ms and 5%,
poor if worse, offline where nothing passes. Where rows change faster than anybody can measure, the accuracy against the last
10 s (median RTT, mean loss) says more: it stands beside. docs/accuracy.md says how to read the numbers.`

// replayOptions are the flags of watch that play a trace.
type replayOptions struct {
	file   string
	seed   uint64
	repeat int
}

func (o *replayOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.file, "replay", "", "CSV file of a trace to play; - is standard input")
	f.Uint64Var(&o.seed, "seed", 1, "with --replay: repeats what is random")
	f.IntVar(&o.repeat, "repeat", 1, "with --replay: how many times to play the trace, one after the other")
}

// replaySummary is the last line of watch --replay --json.
type replaySummary struct {
	Summary bool `json:"summary"`
	Schema  int  `json:"schema"`
	accuracy.Replayed
}

func (o *replayOptions) run(cmd *cobra.Command, asJSON bool) error {
	if o.repeat < 1 {
		return usage(fmt.Errorf("--repeat is %d: a trace is played once at least", o.repeat), "")
	}
	trace, err := o.read(cmd.InOrStdin())
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	tell := func(p accuracy.Point) error { return printPoint(out, p) }
	if asJSON {
		tell = func(p accuracy.Point) error { return printJSON(out, p) }
	} else if _, err := fmt.Fprintf(out, "%12s  %-10s %-10s %-12s %s\n", "time", "truth", "level", "reach", "confidence"); err != nil {
		return err
	}
	r, err := accuracy.Replay(trace, accuracy.ReplayOptions{Seed: o.seed, Repeat: o.repeat}, func(p accuracy.Point) error {
		if cmd.Context().Err() != nil {
			return stopped(cmd.Context())
		}
		return tell(p)
	})
	var coded *codedError
	switch {
	case errors.As(err, &coded):
		return errors.Join(err, out.Flush())
	case errors.Is(err, accuracy.ErrTooLong):
		return usage(err, "see --repeat")
	case err != nil:
		return err
	case asJSON:
		err = printJSON(out, replaySummary{true, schema, r})
	default:
		err = printReplayed(out, r)
	}
	return errors.Join(err, out.Flush())
}

// read reads the trace.
func (o *replayOptions) read(stdin io.Reader) (accuracy.Trace, error) {
	name, in := "standard input", stdin
	if o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return accuracy.Trace{}, config(fmt.Errorf("trace %s: %w", o.file, unwrapPath(err)), "see --replay")
		}
		defer f.Close()
		name, in = o.file, f
	}
	trace, err := accuracy.ReadTrace(in)
	if err != nil {
		return trace, config(fmt.Errorf("trace %s: %w", name, unwrapPath(err)), "docs/accuracy.md says what a trace looks like")
	}
	return trace, nil
}

func printPoint(out io.Writer, p accuracy.Point) error {
	mark := ""
	if p.Truth != p.Level {
		mark = "  ≠"
	}
	_, err := fmt.Fprintf(out, "%10.2f s  %-10s %-10s %-12s %.2f%s\n", p.TMs/1000, p.Truth, p.Level, p.Reach, p.Confidence, mark)
	return err
}

// printReplayed writes the summary for people.
func printReplayed(out io.Writer, r accuracy.Replayed) error {
	settled := "no settled time: the truth never stayed for more than " + accuracy.Grace.String()
	if r.SettledAccuracy != nil {
		settled = fmt.Sprintf("%.1f%% settled (%.0f s that come more than %v after a change)", 100**r.SettledAccuracy, r.SettledSeconds, accuracy.Grace)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%.1f s, %d rows, %d changes of the truth, seed %d\n", r.Seconds, r.Rows, r.Changes, r.Seed)
	fmt.Fprintf(&b, "right: %.1f%%, %s\n", 100*r.Accuracy, settled)
	fmt.Fprintf(&b, "right against the last %.0f s (median RTT, mean loss): %.1f%%\n", r.WindowSeconds, 100*r.WindowAccuracy)
	if n := r.TimeToOffline.Count; n > 0 {
		fmt.Fprintf(&b, "blackouts: %d, told after %.1f s (p50), %.1f s (p95)\n", n, r.TimeToOffline.P50, r.TimeToOffline.P95)
	}
	if n := r.TimeToOnline.Count; n > 0 {
		fmt.Fprintf(&b, "back online: %d, told after %.1f s (p50), %.1f s (p95)\n", n, r.TimeToOnline.P50, r.TimeToOnline.P95)
	}
	fmt.Fprintf(&b, "sure (0.95 or more) for %.0f%% of the time, and right in %.1f%% of that\n\nseconds by truth and answer\n%-11s", 100*r.SureShare,
		100*r.Calibration, "truth")
	all := []quality.Level{quality.Unknown, quality.Excellent, quality.Good, quality.Fair, quality.Poor, quality.Offline}
	for _, l := range all {
		fmt.Fprintf(&b, "%11s", l)
	}
	for _, truth := range slices.DeleteFunc(slices.Clone(all), func(l quality.Level) bool { return r.Confusion[l] == nil }) {
		fmt.Fprintf(&b, "\n%-11s", truth)
		for _, l := range all {
			fmt.Fprintf(&b, "%11.1f", r.Confusion[truth][l])
		}
	}
	b.WriteByte('\n')
	_, err := io.WriteString(out, b.String())
	return err
}
