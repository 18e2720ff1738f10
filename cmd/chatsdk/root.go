package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// terminal is what a command has of the world around it.
type terminal struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env []string // as os.Environ gives it
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, t terminal) int {
	ctx, stop := untilSignal(ctx)
	defer stop()
	root := newRoot(t)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var coded *codedError
	if !errors.As(err, &coded) { // cobra's own: unknown commands, wrong number of arguments
		coded = usage(err, "see chatsdk --help")
	}
	_, _ = fmt.Fprintln(t.err, coded.line())
	return coded.code
}

// newRoot makes the command tree. Every call makes a new one: nothing is kept between two runs.
func newRoot(t terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "chatsdk",
		Short: "Chat that keeps working on bad networks",
		Long: `Chat that keeps working on bad networks: server, client, and a network that breaks on request.

Flags win over CHATSDK_* variables (CHATSDK_LISTEN is --listen, CHATSDK_ACCESS_TTL is --access-ttl), those over the TOML
file of --config, that over the default. In the file a key is a flag's name; keys at the top are for every command that
has the flag, those in a table named after a command, such as [serve] or [user.add], for that one alone.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong configuration, 4 not signed in, 5 network, 6 too late,
99 a suite missed a threshold, 130 and 143 stopped by a signal (a server that was told to stop, and did, ends with 0).`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.PersistentFlags().String("config", "", "TOML file with settings")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, "see "+cmd.CommandPath()+" --help")
	})
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return bind(cmd, t.env) }
	root.AddCommand(newServe(), newUser(), newChannel(), newLogin(), newLogout(), newChat(), newSend(), newUpload(), newDownload(), newOutbox(), newProxy(),
		newAgent(), newStatus(), newSuite(), newDemo(), newWatch(), newDoctor(), newVersion())
	return root
}

// parent is a command that only holds others.
func parent(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage(errors.New("which "+use+" command?"), "see "+cmd.CommandPath()+" --help")
		},
	}
	c.AddCommand(children...)
	return c
}

// action makes errors of a command's body carry an exit code.
func action(body func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := body(cmd, args)
		var coded *codedError
		if err == nil || errors.As(err, &coded) {
			return err
		}
		return failure(err, "")
	}
}
