package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newWatch() *cobra.Command {
	var replay replayOptions
	c := &cobra.Command{
		Use: "watch", Short: "Watch the quality of a network", Args: cobra.NoArgs,
		Long: "Watch the quality of a network.\n\n" + replayHelp,
	}
	replay.add(c)
	asJSON := c.Flags().Bool("json", false, "one JSON object a line")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if replay.file == "" {
			return usage(errors.New("--replay is needed"), "give the file of a trace")
		}
		return replay.run(cmd, *asJSON)
	})
	return c
}
