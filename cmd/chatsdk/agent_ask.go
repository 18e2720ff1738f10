package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
)

// holdingAgent finds the agent that has a profile open, where that is why it couldn't be opened.
func holdingAgent(dir string, err error) (agent.Info, bool) {
	var locked *profile.LockedError
	if !errors.As(err, &locked) {
		return agent.Info{}, false
	}
	i, err := agent.Find(dir)
	// One that was killed leaves its file, and another program may have the profile by now.
	return i, err == nil && (locked.PID == 0 || locked.PID == i.PID)
}

// agentError says what an agent's answer means to a person.
func agentError(err error) error {
	var p *agent.Problem
	switch {
	case errors.Is(err, agent.ErrNone):
		return failure(errors.New("no agent is running on this profile"), "start one with chatsdk agent")
	case errors.As(err, &p):
		return failure(errors.New(p.Detail), "")
	}
	return failure(err, "")
}

// askToAct has the agent do what was asked of one entry. asked is false where none has the profile.
func askToAct(ctx context.Context, dir string, locked error, op outbox.HandOp, id string) (asked bool, err error) {
	i, ok := holdingAgent(dir, locked)
	if !ok {
		return false, nil
	}
	act := i.Retry
	if op == outbox.HandCancel {
		act = i.Cancel
	}
	if _, err = act(ctx, id); errors.Is(err, agent.ErrNone) {
		return false, nil // it ended in this moment
	}
	if err != nil {
		err = agentError(err)
	}
	return true, err
}

// askForEntries lists what the agent names of its outbox.
func askForEntries(cmd *cobra.Command, i agent.Info, all, asJSON bool) error {
	s, err := i.Snapshot(cmd.Context())
	if err != nil {
		return agentError(err)
	}
	var entries []outbox.Entry
	open := 0
	for _, e := range s.Outbox.Entries {
		state, _ := outbox.ParseState(e.State)
		settled := state == outbox.Sent || state == outbox.Cancelled || state == outbox.Expired
		if !settled {
			open++
		} else if !all {
			continue
		}
		entry := outbox.Entry{ID: e.ID, Channel: e.Channel, Text: e.Text, State: state, Seq: e.Seq, CreatedAt: e.At.Time, Err: e.Reason}
		if state == outbox.Queued {
			entry.Blocked, entry.Err = outbox.Blocked(e.Reason), ""
		}
		entries = append(entries, entry)
	}
	if n := s.Outbox.Queued + s.Outbox.Sending + s.Outbox.Parked - open; n > 0 {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%d older ones are left out: an agent has the profile open, and names the newest\n", n)
	}
	if !asJSON {
		return printEntries(cmd.OutOrStdout(), entries, nil, false)
	}
	for _, e := range entries {
		v := entryOf(e, nil)
		v.Cut = utf8.RuneCountInString(e.Text) >= agent.TextRunes
		if err := printJSON(cmd.OutOrStdout(), v); err != nil {
			return err
		}
	}
	return nil
}

func newStatus() *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "Say how a profile's client is, by its agent", Args: cobra.NoArgs,
		Long: `Say how the client of a profile is, as the agent that has it open tells: session, network, connection, outbox, uploads and
channels. Without a running agent it is exit code 1; chatsdk watch --once asks without one.`,
	}
	dir := addProfileFlag(c)
	asJSON := c.Flags().Bool("json", false, "the agent's snapshot as one JSON object")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if err := checkProfile(*dir); err != nil {
			return err
		}
		i, err := agent.Find(*dir)
		var s agent.Snapshot
		if err == nil {
			s, err = i.Snapshot(cmd.Context())
		}
		switch {
		case errors.Is(err, os.ErrPermission):
			return config(err, "see --profile")
		case err != nil:
			return agentError(err)
		case *asJSON:
			return printJSON(cmd.OutOrStdout(), s)
		}
		return printStatus(cmd.OutOrStdout(), s)
	})
	return c
}

// printStatus says in lines what a person wants to know.
func printStatus(out io.Writer, s agent.Snapshot) error {
	user := s.Session.User
	if user == "" {
		user = "nobody"
	}
	rtt := "-"
	if s.Quality.RTTMS != nil {
		rtt = fmt.Sprintf("%.1f ms", *s.Quality.RTTMS)
	}
	connection := s.Connection.State
	if at := s.Connection.RetryAt; !at.IsZero() {
		connection += fmt.Sprintf(", next try in %.1f s", max(0, at.Sub(s.Time.Time)).Seconds())
	}
	uploads := 0
	for _, u := range s.Uploads {
		if u.State == "queued" || u.State == "sending" || u.State == "waiting" {
			uploads++
		}
	}
	synced := 0
	for _, ch := range s.Channels {
		if ch.Synced {
			synced++
		}
	}
	for _, line := range []string{
		user + " at " + s.Server,
		fmt.Sprintf("Network     %s, %s, RTT %s, %.0f%% sure", s.Quality.Level, s.Quality.Reach, rtt, 100*s.Quality.Confidence),
		fmt.Sprintf("Connection  %s (%s), since %s", connection, s.Connection.Reason, s.Connection.Since.Local().Format(time.TimeOnly)),
		"Session     " + s.Session.State + " (" + s.Session.Reason + ")",
		fmt.Sprintf("Outbox      %d queued, %d sending, %d parked", s.Outbox.Queued, s.Outbox.Sending, s.Outbox.Parked),
		fmt.Sprintf("Uploads     %d on their way", uploads),
		fmt.Sprintf("Channels    %d of %d caught up", synced, len(s.Channels)),
	} {
		if _, err := fmt.Fprintln(out, printable(line)); err != nil {
			return err
		}
	}
	return nil
}
