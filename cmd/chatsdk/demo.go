package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/scenario"
)

func newDemo() *cobra.Command {
	c := &cobra.Command{
		Use: "demo", Short: "Watch two clients chat through a network that breaks", Args: cobra.NoArgs,
		Long: `Watch two clients chat through a network that breaks: server, fault proxy and clients in this process, a time line, and a
verdict at the end. The exit code is 1 if anything was lost, doubled or out of order, or late.`,
	}
	seed := c.Flags().Uint64("seed", 1, "repeats what is random")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		ok, err := scenario.Demo(cmd.Context(), scenario.DemoOptions{
			Seed: *seed, Out: cmd.OutOrStdout(), Colour: colour(cmd.OutOrStdout()),
		})
		switch {
		case cmd.Context().Err() != nil:
			return stopped(cmd.Context())
		case err != nil:
			return err
		case !ok:
			return failure(errors.New("the demo didn't hold what it promises"), "the verdict says what")
		}
		return nil
	})
	return c
}

// isTerminal says whether a person is likely to look at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // one of those devices too
	return err != nil || !os.SameFile(info, null)
}

// colour says whether w takes colours and wants them (https://no-color.org).
func colour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// progress is w if a person is likely to look at it, or nil.
func progress(w io.Writer) io.Writer {
	if isTerminal(w) {
		return w
	}
	return nil
}
