package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/quality/accuracy"
)

// accuracySets are the sets of seeds by name.
var accuracySets = map[string]accuracy.Set{accuracy.Reporting.String(): accuracy.Reporting, accuracy.Tuning.String(): accuracy.Tuning}

// maxAccuracyLength bounds a run: a day takes seconds.
const maxAccuracyLength = 24 * time.Hour

// accuracyReport is what suite accuracy --json writes.
type accuracyReport struct {
	Schema int `json:"schema"`
	accuracy.Report
}

func newSuiteAccuracy() *cobra.Command {
	c := &cobra.Command{
		Use: "accuracy", Short: "Measure how often the quality of a network is told right", Args: cobra.NoArgs,
		Long: `Measure how often the quality of a network is told right: levels by latency, blackouts, captive portals, dead servers, changes
of address, loss, also one way alone or in bursts, each without traffic, with 1 and with 10 exchanges a second, in the foreground and in the
background, in virtual time. The truth is what the simulated link is set to. Beside it are the first sketch's algorithm and
whoever always says what is commonest, on the same links, and the best that anybody could do where information is short.

The tables go to stdout; with --json the figures go to a file, or to stdout instead of the tables. The exit code is 99 if a
goal is missed; the error names each. The numbers of the estimator were chosen with the tuning seeds alone, and the goals are
for the reporting seeds. docs/accuracy.md says what is measured, and how to read it.`,
	}
	var o accuracy.SuiteOptions
	f := c.Flags()
	f.IntVar(&o.Runs, "runs", accuracy.DefaultRuns, "runs of each setting, and three times as many of blackouts")
	f.DurationVar(&o.Length, "length", accuracy.DefaultLength, "length of each run, in virtual time")
	set := f.String("set", accuracy.Reporting.String(), "seeds: reporting, or tuning")
	file := f.String("json", "", "file for all figures as one JSON object; - is standard output, without the tables")
	f.Lookup("json").Annotations = map[string][]string{byHand: {}} // CHATSDK_JSON=true is for those that only say yes or no
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		var ok bool
		switch o.Set, ok = accuracySets[*set]; {
		case !ok:
			return usage(fmt.Errorf("--set is %q: there are reporting and tuning", *set), "")
		case o.Runs < 1 || o.Runs > accuracy.MaxRuns:
			return usage(fmt.Errorf("--runs is %d: from 1 to %d can be made", o.Runs, accuracy.MaxRuns), "")
		case o.Length < time.Minute || o.Length > maxAccuracyLength:
			return usage(fmt.Errorf("--length is %v: from %v to %v can be played", o.Length, time.Minute, maxAccuracyLength), "")
		}
		bar := progress(cmd.ErrOrStderr())
		results, err := accuracy.Suite(cmd.Context(), o, func(r accuracy.Result) {
			if bar != nil {
				_, _ = fmt.Fprintf(bar, "\r%s\x1b[K", r.String()) // nobody misses one that can't be shown
			}
		})
		if bar != nil {
			_, _ = io.WriteString(bar, "\r\x1b[K")
		}
		if err != nil {
			return stopped(cmd.Context())
		}
		report := accuracy.NewReport(results, o.Length)
		if err := writeAccuracy(cmd.OutOrStdout(), *file, report, results); err != nil {
			return err
		}
		if missed := accuracy.Missed(report.Goals); len(missed) > 0 {
			err := errors.New("missed: " + strings.Join(missed, "; "))
			return &codedError{exitThreshold, err, "docs/accuracy.md says what each means"}
		}
		return nil
	})
	return c
}

// writeAccuracy writes the figures where they are wanted.
func writeAccuracy(out io.Writer, file string, report accuracy.Report, results []accuracy.Result) error {
	if file == "-" {
		return printJSON(out, accuracyReport{schema, report})
	}
	if err := report.Write(out, results); err != nil || file == "" {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return config(fmt.Errorf("%s: %w", file, unwrapPath(err)), "see --json")
	}
	return errors.Join(printJSON(f, accuracyReport{schema, report}), f.Close())
}
