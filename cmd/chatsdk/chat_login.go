package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
)

// defaultSignInTimeout is how long login and logout try to reach the server.
const defaultSignInTimeout = 30 * time.Second

// loginOptions are the flags of login and logout.
type loginOptions struct {
	server, profile, user, passwordFile string
	timeout                             time.Duration
	json                                bool
}

func (o *loginOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.profile, profileFlag, "", profileUsage+" (needed)")
	f.DurationVar(&o.timeout, "timeout", defaultSignInTimeout, "how long to try to reach the server")
	f.BoolVar(&o.json, "json", false, "one JSON object")
	addLogFlag(c, "error")
}

func newLogin() *cobra.Command {
	var o loginOptions
	c := &cobra.Command{Use: "login", Short: "Sign in and keep the session in a profile", Args: cobra.NoArgs}
	o.add(c)
	f := c.Flags()
	f.StringVar(&o.server, "server", "", "the server's address, such as http://127.0.0.1:8080 (needed)")
	f.StringVar(&o.user, "user", "", "who to sign in as (needed)")
	f.StringVar(&o.passwordFile, "password-file", "", "file with the password; a trailing newline doesn't count (needed)")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		for flag, v := range map[string]string{"server": o.server, profileFlag: o.profile, "user": o.user, "password-file": o.passwordFile} {
			if v == "" {
				return usage(fmt.Errorf("--%s is needed", flag), "")
			}
		}
		return withClient(cmd, o, o.login)
	})
	return c
}

func newLogout() *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use: "logout", Short: "End the session that a profile keeps", Args: cobra.NoArgs,
		Long: `End the session that a profile keeps, here at once and at the server if it can be reached. What is queued stays queued, and
goes out after the next login.`,
	}
	o.add(c)
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if o.profile == "" {
			return usage(errors.New("--profile is needed"), "")
		}
		return withClient(cmd, o, o.logout)
	})
	return c
}

// withClient opens the profile and a client on it that isn't connected, and closes both after body.
func withClient(cmd *cobra.Command, o loginOptions, body func(*cobra.Command, *home, *chatsdk.Client) error) (err error) {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	h, err := openHome(o.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if o.server == "" {
		var owned bool
		o.server, _, owned, err = h.owner(cmd.Context())
		if err != nil {
			return err
		}
		if !owned {
			return &codedError{exitSignedOut, errors.New("nobody is signed in"), ""}
		}
	}
	client, err := chatsdk.Open(cmd.Context(), chatsdk.Options{Server: o.server, Store: h, Logger: log})
	if err != nil {
		return config(err, "see --server")
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return body(cmd, h, client)
}

func (o loginOptions) login(cmd *cobra.Command, h *home, client *chatsdk.Client) error {
	server := client.State().Server
	if _, err := h.userFor(cmd.Context(), server, o.user); err != nil {
		return err
	}
	password, err := readPassword(o.passwordFile)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	if err := client.SignIn(ctx, o.user, password); err != nil {
		return signInError(cmd.Context(), err)
	}
	return o.print(cmd, client.State(), "signed in as "+o.user)
}

func signInError(ctx context.Context, err error) error {
	var refused *chatsdk.ServerError
	switch {
	case ctx.Err() != nil:
		return stopped(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return &codedError{exitNetwork, lastOf(err), "the server wasn't reached in time; see --server and --timeout"}
	case errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403):
		return &codedError{exitSignedOut, err, "check --user and --password-file"}
	}
	return failure(err, "")
}

func (o loginOptions) logout(cmd *cobra.Command, _ *home, client *chatsdk.Client) error {
	state := client.State()
	if state.User == "" {
		return &codedError{exitSignedOut, errors.New("nobody is signed in"), ""}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	if err := client.SignOut(ctx); err != nil {
		return &codedError{exitNetwork, fmt.Errorf("signed out here, but the server doesn't know: %w", err), "it forgets the session by itself in time"}
	}
	return o.print(cmd, state, state.User+" signed out")
}

func (o loginOptions) print(cmd *cobra.Command, s chatsdk.Status, line string) error {
	if o.json {
		return printJSON(cmd.OutOrStdout(), struct {
			Schema int    `json:"schema"`
			Server string `json:"server"`
			User   string `json:"user"`
			Device string `json:"device"`
		}{schema, s.Server, s.User, s.Device})
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), printable(line))
	return err
}
