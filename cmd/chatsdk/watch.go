package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newWatch() *cobra.Command {
	var replay replayOptions
	var live watchOptions
	c := &cobra.Command{
		Use: "watch [CHANNEL...]", Short: "Watch how good the network is, and what the client does about it",
		Long: liveHelp + "\n\n" + replayHelp,
	}
	live.add(c)
	replay.add(c)
	c.Flags().BoolVar(&live.json, "json", false, "one JSON object a line")
	c.RunE = action(func(cmd *cobra.Command, channels []string) error {
		if replay.file == "" {
			return runWatch(cmd, live, channels)
		}
		if len(channels) > 0 {
			return usage(fmt.Errorf("--replay plays a file, and follows no channel such as %q", channels[0]), "leave the channels out")
		}
		return replay.run(cmd, live.json)
	})
	return c
}
