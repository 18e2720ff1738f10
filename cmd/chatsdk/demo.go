package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/internal/demo"
	"github.com/chatsdk/chatsdk/scenario"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	listen string
	seed   uint64
	tour   bool
	json   bool
}

func newDemo() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use: "demo", Short: "Break a network and watch two clients on it, in a page", Args: cobra.NoArgs,
		Long: `Break a network and watch two clients on it: server, a fault proxy for each client, and their agents, all in this process and a
temporary folder, for one page. It prints the page's address, with the token that lets in behind the #, and serves until it
is stopped. The page slows, cuts and resets the links, plays a portal, stops the server, and plays the scenarios of
chatsdk suite. docs/demo.md has what is behind it.

With --tour nobody has to do anything: seven faults while both clients talk, a time line, and a verdict at the end. The exit
code is 1 then if anything was lost, doubled or out of order, or late.`,
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "loopback address for the page, port 0 takes a free one")
	f.Uint64Var(&o.seed, "seed", 1, "repeats what is random")
	f.BoolVar(&o.tour, "tour", false, "break it by a fixed plan, without a page, and judge")
	f.BoolVar(&o.json, "json", false, "print address, token and process as one JSON object")
	addLogFlag(c, "error")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if o.tour {
			return runTour(cmd, o)
		}
		return runDemo(cmd, o)
	})
	return c
}

// runTour is the demo that nobody has to do anything for.
func runTour(cmd *cobra.Command, o demoOptions) error {
	if o.json || cmd.Flags().Changed("listen") {
		return usage(errors.New("--listen and --json are for the page, which --tour goes without"), "leave them out")
	}
	ok, err := scenario.Demo(cmd.Context(), scenario.DemoOptions{
		Seed: o.seed, Out: cmd.OutOrStdout(), Colour: colour(cmd.OutOrStdout()),
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
}

// runDemo serves the demo until it is stopped.
func runDemo(cmd *cobra.Command, o demoOptions) (err error) {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	if strings.HasPrefix(o.listen, "unix:") {
		return usage(fmt.Errorf("--listen %s: no browser opens a unix socket", o.listen), "give a loopback address such as 127.0.0.1:0")
	}
	ln, err := listenHere(o.listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	ctx := cmd.Context()
	d, err := demo.New(ctx, demo.Options{Seed: o.seed, Version: version(), Logger: log})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // it was told to stop, and did
	case err != nil:
		return err
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(ln) }()
	if w := progress(cmd.ErrOrStderr()); w != nil && !o.json {
		fmt.Fprintln(w, "Open this page in a browser; Ctrl-C ends the demo.")
	}
	if err = o.sayWhere(cmd.OutOrStdout(), d, agent.Address(ln)); err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
			return errors.Join(err, d.Close())
		}
	}
	err = errors.Join(err, d.Close())
	return errors.Join(err, <-served)
}

// sayWhere prints how the page is reached: what a person opens, or what a program reads.
func (o demoOptions) sayWhere(out io.Writer, d *demo.Demo, base string) error {
	if o.json {
		return printWhere(out, base, d.Token())
	}
	_, err := fmt.Fprintln(out, d.Address(base))
	return err
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
