package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/scenario"
)

// allScenarios are those that there are; tests have their own.
var allScenarios = scenario.All

// exitThreshold says that everything ran, and a scenario missed what it has to show.
const exitThreshold = 99

// suiteReport is a report as a line of JSON.
type suiteReport struct {
	Schema int `json:"schema"`
	scenario.Report
}

func newSuite() *cobra.Command {
	return parent("suite", "Failure scenarios", newSuiteRun(), newSuiteAccuracy(), newSuiteList())
}

func newSuiteRun() *cobra.Command {
	c := &cobra.Command{
		Use: "run [ID...]", Short: "Run failure scenarios on real sockets, all or those named",
		Long: `Run failure scenarios on sockets of the loopback interface, all or those named, some of them at a time: most of each is
waiting. Those that keep the machine busy come last and alone, so that nothing is measured beside them. A report for each
goes to stdout, in the order of chatsdk suite list or of the names; the exit code is 99 if one of them missed a threshold.`,
	}
	seed := c.Flags().Uint64("seed", 1, "repeats what is random")
	dir := c.Flags().String("data", "", "where the servers keep their data; a temporary folder that is removed, if empty")
	parallel := c.Flags().Int("parallel", scenario.DefaultParallel, "most scenarios at a time; 1 runs one after the other")
	asJSON := c.Flags().Bool("json", false, "one JSON object for each scenario")
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		chosen, err := chooseScenarios(args)
		if err != nil {
			return err
		}
		if *parallel < 1 {
			return usage(fmt.Errorf("--parallel is %d: at least 1 scenario has to run", *parallel), "")
		}
		o := scenario.SuiteOptions{Parallel: *parallel}
		o.Seed, o.Dir, o.Out = *seed, *dir, progress(cmd.ErrOrStderr())
		missed := 0
		var all scenario.HTTPReport
		for r, err := range scenario.RunSuite(cmd.Context(), chosen, o) {
			if cmd.Context().Err() != nil {
				return stopped(cmd.Context())
			}
			if err != nil {
				return err
			}
			if !r.OK {
				missed++
			}
			if r.HTTP != nil {
				all.Add(*r.HTTP)
			}
			if *asJSON {
				err = printJSON(cmd.OutOrStdout(), suiteReport{schema, r})
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), strings.TrimSuffix(r.String(), "\n")+"\n")
			}
			if err != nil {
				return err
			}
		}
		if rate := all.RefreshRate(); rate != "" && !*asJSON {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), rate); err != nil {
				return err
			}
		}
		if missed > 0 {
			err := fmt.Errorf("%d of %d scenarios missed a threshold", missed, len(chosen))
			return &codedError{exitThreshold, err, fmt.Sprintf("the report says which; --seed %d repeats it", *seed)}
		}
		return nil
	})
	return c
}

func newSuiteList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Say which scenarios there are, and why", Args: cobra.NoArgs}
	asJSON := c.Flags().Bool("json", false, "one JSON object for each scenario")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		for _, s := range allScenarios() {
			var err error
			if *asJSON {
				err = printJSON(cmd.OutOrStdout(), struct {
					Schema int    `json:"schema"`
					ID     string `json:"id"`
					Name   string `json:"name"`
					Why    string `json:"why"`
				}{schema, s.ID, s.Name, s.Why})
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s: %s\n", s.ID, s.Name, s.Why)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return c
}

// chooseScenarios finds the named scenarios, or gives all.
func chooseScenarios(ids []string) ([]scenario.Scenario, error) {
	all := allScenarios()
	if len(ids) == 0 {
		return all, nil
	}
	var out []scenario.Scenario
	for _, id := range ids {
		i := slices.IndexFunc(all, func(s scenario.Scenario) bool { return s.ID == id })
		if i < 0 {
			return nil, usage(fmt.Errorf("there is no scenario %q", id), "see chatsdk suite list")
		}
		if slices.ContainsFunc(out, func(s scenario.Scenario) bool { return s.ID == id }) {
			return nil, usage(errors.New("scenario "+id+" is named twice"), "")
		}
		out = append(out, all[i])
	}
	return out, nil
}
