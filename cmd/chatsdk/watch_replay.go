package main

import (
	"errors"

	"github.com/spf13/cobra"
)

const replayHelp = `With --replay a trace is played: the network of a file instead of the one that is there.`

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

func (o *replayOptions) run(*cobra.Command, bool) error {
	return failure(errors.New("traces can't be played yet"), "")
}
