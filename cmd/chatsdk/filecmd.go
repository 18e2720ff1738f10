package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/upload"
)

// sessionOptions are the flags of commands that do one thing in a profile's session.
type sessionOptions struct {
	profile, server, user, passwordFile string
	json                                bool
}

func (o *sessionOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.profile, profileFlag, "", profileUsage+" (needed)")
	f.StringVar(&o.server, "server", "", "the server's address, such as http://127.0.0.1:8080 (needed)")
	f.StringVar(&o.user, "user", "", "who to sign in as, where the profile holds no session")
	f.StringVar(&o.passwordFile, "password-file", "", "file with the password; a trailing newline doesn't count")
	f.BoolVar(&o.json, "json", false, "one JSON object a line")
	addLogFlag(c, "error")
}

func (o *sessionOptions) check() error {
	switch {
	case o.profile == "":
		return usage(errors.New("--profile is needed"), "give a folder for what the client must not lose")
	case o.server == "":
		return usage(errors.New("--server is needed"), "give the server's address, such as --server http://127.0.0.1:8080")
	case (o.user == "") != (o.passwordFile == ""):
		return usage(errors.New("--user and --password-file go together"), "give both, or none where the profile holds a session")
	}
	return nil
}

// password reads the password file, where one is given.
func (o *sessionOptions) password() (string, error) {
	if o.passwordFile == "" {
		return "", nil
	}
	return readPassword(o.passwordFile)
}

// fileOptions are the flags that upload and download share.
type fileOptions struct {
	sessionOptions

	wait time.Duration
}

func (o *fileOptions) add(c *cobra.Command) {
	o.sessionOptions.add(c)
	c.Flags().DurationVar(&o.wait, "wait", 0, "how long to try; 0 tries until it is done")
}

type (
	// takeFile does what is done on the disk, before anything is sent.
	takeFile func(ctx context.Context, client *chatsdk.Client) error
	// moveFile does the rest.
	moveFile func(ctx context.Context, client *chatsdk.Client, signIn func() error) error
)

// run opens a client for a user, whose account the profile is from now on, and closes it after move, for which --wait
// counts. take, if it isn't nil, has the time that it needs.
func (o *fileOptions) run(cmd *cobra.Command, take takeFile, move moveFile) (err error) {
	password, err := o.password()
	if err != nil {
		return err
	}
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	h, err := openHome(o.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	client, err := chatsdk.Open(cmd.Context(), chatsdk.Options{Server: o.server, Store: h, Logger: log})
	if err != nil {
		return config(err, "see --server")
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	server := client.State().Server
	user, err := h.userFor(cmd.Context(), server, o.user)
	if err != nil {
		return err
	}
	if err := h.claim(cmd.Context(), server, user); err != nil {
		return err
	}
	if take != nil {
		if err := take(cmd.Context(), client); err != nil {
			return err
		}
	}
	ctx, cancel := cmd.Context(), func() {}
	if o.wait > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.wait)
	}
	defer cancel()
	return move(ctx, client, func() error {
		if _, _, in := client.Session(); !in {
			if password == "" {
				return &codedError{exitSignedOut, errors.New("not signed in"), "give --user and --password-file"}
			}
			if err := client.SignIn(ctx, user, password); err != nil {
				return o.stopped(cmd.Context(), ctx, err)
			}
		}
		client.Connect()
		return nil
	})
}

// stopped gives an end before it was done its exit code: a signal, the end of --wait, or a refusal.
func (o *fileOptions) stopped(run, ctx context.Context, err error) error {
	var refused *chatsdk.ServerError
	switch {
	case run.Err() != nil:
		return stopped(run)
	case ctx.Err() != nil:
		return &codedError{exitTimeout, fmt.Errorf("not done within %v: %w", o.wait, lastOf(err)), "the same command goes on from there"}
	case errors.Is(err, chatsdk.ErrSignedOut), errors.Is(err, chatsdk.ErrNotSignedIn), errors.Is(err, chatsdk.ErrSessionDamaged):
		return &codedError{exitSignedOut, err, "give --user and --password-file"}
	case errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403):
		return &codedError{exitSignedOut, err, "check --user and --password-file"}
	case errors.Is(err, upload.ErrDisk):
		return config(err, "see --profile")
	}
	return failure(err, "")
}
