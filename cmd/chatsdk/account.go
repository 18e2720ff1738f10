package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/server"
)

func newUser() *cobra.Command {
	c := &cobra.Command{
		Use: "add NAME", Short: "Make an account, also while the server runs", Args: cobra.ExactArgs(1),
	}
	data := c.Flags().String("data", "", "the server's data folder (needed)")
	file := c.Flags().String("password-file", "", "file with the password; a trailing newline doesn't count (needed)")
	asJSON := c.Flags().Bool("json", false, "one JSON object")
	c.RunE = action(func(cmd *cobra.Command, args []string) (err error) {
		switch {
		case *data == "":
			return usage(errors.New("--data is needed"), "give the server's data folder")
		case *file == "":
			return usage(errors.New("--password-file is needed"), "passwords on the command line could be read by others")
		}
		password, err := readPassword(*file)
		if err != nil {
			return err
		}
		db, err := openData(cmd.Context(), *data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		if err := server.AddUser(cmd.Context(), db, server.Argon{}, args[0], password); err != nil {
			return addError(err, *data)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Schema int    `json:"schema"`
				User   string `json:"user"`
			}{schema, args[0]})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "user %s added\n", args[0])
		return err
	})
	return parent("user", "Accounts", c)
}

func newChannel() *cobra.Command {
	c := &cobra.Command{
		Use: "add NAME", Short: "Make a channel, also while the server runs", Args: cobra.ExactArgs(1),
		Long: `Make a channel, also while the server runs. A public one needn't be made: it appears when it is first used.`,
	}
	data := c.Flags().String("data", "", "the server's data folder (needed)")
	private := c.Flags().Bool("private", false, "only members may read and write")
	members := c.Flags().StringSlice("member", nil, "a member of a private channel; may be given more than once")
	asJSON := c.Flags().Bool("json", false, "one JSON object")
	c.RunE = action(func(cmd *cobra.Command, args []string) (err error) {
		switch {
		case *data == "":
			return usage(errors.New("--data is needed"), "give the server's data folder")
		case len(*members) > 0 && !*private:
			return usage(errors.New("--member needs --private"), "everybody may use a public channel")
		case *private && len(*members) == 0:
			return usage(errors.New("--private needs a --member"), "nobody could use the channel")
		}
		db, err := openData(cmd.Context(), *data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		key, err := db.Key(cmd.Context())
		if err != nil {
			return dataError(*data, err)
		}
		// A server that is never started, for its rules alone; nothing is hashed, so the cost is the least there is.
		s, err := server.New(server.Config{
			Store: db, Key: key, Logger: slog.New(slog.DiscardHandler), Argon: server.Argon{Time: 1, MemoryKiB: 8, Threads: 1},
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Kill()) }()
		if err := s.AddChannel(cmd.Context(), args[0], *private, *members); err != nil {
			return addError(err, *data)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Schema  int      `json:"schema"`
				Channel string   `json:"channel"`
				Private bool     `json:"private"`
				Members []string `json:"members,omitempty"`
			}{schema, args[0], *private, *members})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "channel %s added\n", args[0])
		return err
	})
	return parent("channel", "Channels", c)
}

// addError gives what went wrong with a new user or channel its exit code.
func addError(err error, data string) error {
	switch {
	case errors.Is(err, server.ErrExists):
		return failure(err, "choose another name")
	case errors.Is(err, server.ErrUnavailable):
		return dataError(data, err)
	}
	return usage(err, "")
}
