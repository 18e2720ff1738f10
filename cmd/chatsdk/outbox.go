package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

func newOutbox() *cobra.Command {
	return parent("outbox", "Messages on their way out", newOutboxLs(), newOutboxShow(),
		newOutboxAct("retry", "Send a parked message after all, under its id", outbox.HandRetry),
		newOutboxAct("cancel", "Take back a queued message, or give up a parked one", outbox.HandCancel),
		newOutboxExport())
}

// addProfileFlag gives a command --profile.
func addProfileFlag(c *cobra.Command) *string {
	return c.Flags().String(profileFlag, "", "the client's folder (needed)")
}

// checkProfile says what is wrong with --profile where there has to be one.
func checkProfile(dir string) error {
	if dir == "" {
		return usage(errors.New("--profile is needed"), "give the client's folder")
	}
	if _, err := os.Stat(dir); err != nil {
		return config(fmt.Errorf("profile %s: %w", dir, unwrapPath(err)), "see --profile")
	}
	return nil
}

// withQueue runs f with the profile's queue, which sends nothing.
func withQueue(ctx context.Context, dir string, f func(ctx context.Context, h *home, q *outbox.Queue) error) (err error) {
	if err := checkProfile(dir); err != nil {
		return err
	}
	h, err := openHome(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	q, err := outbox.New(outbox.Options{
		Store: h.Outbox(),
		Send:  func(context.Context, []outbox.Entry) ([]outbox.Result, error) { return nil, errors.New("offline") },
	})
	if err != nil {
		return err
	}
	if err := q.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	if ok, err := signedIn(h.Tokens()); err == nil { // what is wrong with the session is no matter of the queue
		q.SetSession(ok)
	}
	return f(ctx, h, q)
}

// signedIn says whether a store keeps a session.
func signedIn(store token.Store) (ok bool, err error) {
	s, err := token.New(token.Options{
		Store: store,
		Refresh: func(context.Context, token.Tokens, string) (token.Tokens, error) {
			return token.Tokens{}, errors.New("offline")
		},
	})
	if err != nil {
		return false, err
	}
	_, ok = s.Tokens()
	return ok, s.Close()
}

// entryJSON is an entry as commands print it.
type entryJSON struct {
	Schema      int             `json:"schema"`
	ID          string          `json:"id"`
	Account     string          `json:"account,omitempty"`
	Channel     string          `json:"channel"`
	State       string          `json:"state"`
	Blocked     string          `json:"blocked,omitempty"`
	Text        string          `json:"text"`
	Cut         bool            `json:"cut,omitempty"` // the text may go on
	Attachments json.RawMessage `json:"attachments,omitempty"`
	After       []string        `json:"after,omitempty"`
	Needs       []string        `json:"needs,omitempty"`
	Files       []fileJSON      `json:"files,omitempty"` // that it waits for
	Order       uint64          `json:"order"`
	DeviceSeq   uint64          `json:"deviceSeq,omitempty"`
	Seq         uint64          `json:"seq,omitempty"`
	Error       string          `json:"error,omitempty"`
	Created     stamp           `json:"created"`
	Expires     *stamp          `json:"expires,omitempty"`
	Sent        *stamp          `json:"sent,omitempty"`
}

// fileJSON is an upload that a message waits for.
type fileJSON struct {
	uploadJSON
	Path string `json:"path"`
}

// filesOf are the profile's uploads by their ids.
func filesOf(ctx context.Context, h *home) (map[string]upload.Upload, error) {
	saved, err := h.Uploads().Load(ctx)
	if err != nil {
		return nil, profileError(err)
	}
	files := make(map[string]upload.Upload, len(saved.Uploads))
	for _, u := range saved.Uploads {
		u.Progress = upload.Progress{Total: u.Source.Size, Acked: u.Offset, ResumedFrom: -1} // as the store knows it
		files[u.ID] = u
	}
	return files, nil
}

// fileOf is the upload that brings a need.
func fileOf(n outbox.Need, files map[string]upload.Upload) (upload.Upload, bool) {
	id, ok := chatsdk.UploadOf(n)
	u, known := files[id]
	return u, ok && known
}

// waitsFor is what a message waits for, in a few words.
func waitsFor(e outbox.Entry, files map[string]upload.Upload) string {
	if e.Blocked != outbox.BlockedDependency {
		return string(e.Blocked)
	}
	var words []string
	for _, n := range e.Needs {
		if u, ok := fileOf(n, files); ok && n.Result == nil {
			words = append(words, fmt.Sprintf("upload of %s: %d%%", u.Name, percent(u.Offset, u.Source.Size)))
		}
	}
	if len(words) == 0 {
		return string(e.Blocked)
	}
	return strings.Join(words, ", ")
}

func entryOf(e outbox.Entry, files map[string]upload.Upload) entryJSON {
	v := entryJSON{
		Schema: schema, ID: e.ID, Account: e.Account, Channel: e.Channel, State: e.State.String(), Blocked: string(e.Blocked),
		Text: e.Text, Attachments: e.Attachments, After: e.After, Order: e.Order, DeviceSeq: e.DeviceSeq, Seq: e.Seq,
		Error: e.Err, Created: stamp(e.CreatedAt),
	}
	for _, n := range e.Needs {
		v.Needs = append(v.Needs, n.Name)
		if u, ok := fileOf(n, files); ok {
			v.Files = append(v.Files, fileJSON{uploadOf(u), u.Path})
		}
	}
	if !e.ExpiresAt.IsZero() {
		v.Expires = new(stamp(e.ExpiresAt))
	}
	if !e.SentAt.IsZero() {
		v.Sent = new(stamp(e.SentAt))
	}
	return v
}

func newOutboxLs() *cobra.Command {
	c := &cobra.Command{
		Use: "ls", Short: "List what isn't sent and what is parked", Args: cobra.NoArgs,
		Long: `List what isn't sent and what is parked, oldest first. What can't be read or queued is counted on stderr; export has it.
While an agent has the profile open, it is asked: for the newest 100, and the beginning of each text.`,
	}
	dir := addProfileFlag(c)
	all := c.Flags().Bool("all", false, "what is settled too, as far as it is remembered")
	asJSON := c.Flags().Bool("json", false, "one JSON object a line")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		err := withQueue(cmd.Context(), *dir, func(ctx context.Context, h *home, q *outbox.Queue) error {
			entries, err := listed(ctx, h.Outbox(), q, *all)
			if err != nil {
				return err
			}
			if n := q.State().Aside; n > 0 {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%d more can't be read or queued; see chatsdk outbox export\n", n)
			}
			files, err := filesOf(ctx, h)
			if err != nil {
				return err
			}
			return printEntries(cmd.OutOrStdout(), entries, files, *asJSON)
		})
		if i, ok := holdingAgent(*dir, err); ok {
			return askForEntries(cmd, i, *all, *asJSON)
		}
		return err
	})
	return c
}

func listed(ctx context.Context, s outbox.Store, q *outbox.Queue, all bool) ([]outbox.Entry, error) {
	if !all {
		return q.Entries(), nil
	}
	var entries []outbox.Entry
	for e, err := range s.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		if now, ok := q.Get(e.ID); ok {
			e = now // with what it waits for
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// shownText is how much of a text a line of a list has room for.
const shownText = 40

func printEntries(out io.Writer, entries []outbox.Entry, files map[string]upload.Upload, asJSON bool) error {
	if asJSON {
		for _, e := range entries {
			if err := printJSON(out, entryOf(e, files)); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(entries) > 0 {
		_, _ = fmt.Fprintln(w, "ID\tSTATE\tCHANNEL\tCREATED\tTEXT")
	}
	for _, e := range entries {
		state := e.State.String()
		switch {
		case e.Blocked != "":
			state += " (" + printable(waitsFor(e, files)) + ")"
		case e.State == outbox.Parked:
			state += " (" + printable(e.Err) + ")"
		}
		text := []rune(e.Text)
		if len(text) > shownText {
			text = append(text[:shownText], '…')
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.ID, state, printable(e.Channel), e.CreatedAt.Local().Format(time.DateTime), printable(string(text)))
	}
	return w.Flush()
}

func newOutboxShow() *cobra.Command {
	c := &cobra.Command{Use: "show ID", Short: "Show one message as JSON", Args: cobra.ExactArgs(1)}
	dir := addProfileFlag(c)
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		return withQueue(cmd.Context(), *dir, func(ctx context.Context, h *home, q *outbox.Queue) error {
			e, ok := q.Get(args[0])
			if !ok {
				return failure(outbox.ErrNotFound, "see chatsdk outbox ls --all")
			}
			files, err := filesOf(ctx, h)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), entryOf(e, files))
		})
	})
	return c
}

// newOutboxAct makes a command that changes one entry: here, or in the process that holds the profile.
func newOutboxAct(name, short string, op outbox.HandOp) *cobra.Command {
	c := &cobra.Command{
		Use: name + " ID", Short: short, Args: cobra.ExactArgs(1),
		Long: short + `. While another program has the profile open, that one is asked to do it: an agent, which says
what became of it, or whatever it is, within a second.`,
	}
	dir := addProfileFlag(c)
	c.RunE = action(func(cmd *cobra.Command, args []string) error {
		parsed, err := uuid.Parse(args[0])
		if err != nil || len(args[0]) != len(parsed.String()) {
			return usage(fmt.Errorf("%q is no id of a message", args[0]), "chatsdk outbox ls --all has them")
		}
		id := parsed.String()
		err = withQueue(cmd.Context(), *dir, func(ctx context.Context, h *home, q *outbox.Queue) error {
			if op == outbox.HandRetry {
				if err := retryFiles(ctx, h, q, id); err != nil {
					return err
				}
			}
			return actOn(ctx, q, op, id)
		})
		if errors.Is(err, profile.ErrLocked) {
			if asked, err := askToAct(cmd.Context(), *dir, err, op, id); asked {
				return err
			}
			if _, err := profile.HandOver(*dir, op, outbox.Entry{ID: id}); err != nil {
				return config(err, "")
			}
			_, err := fmt.Fprintln(cmd.ErrOrStderr(), "handed over to the program that has the profile open")
			return err
		}
		return err
	})
	return c
}

func actOn(ctx context.Context, q *outbox.Queue, op outbox.HandOp, id string) error {
	e, _ := q.Get(id)
	err := q.Retry
	switch {
	case op == outbox.HandCancel && e.State == outbox.Parked:
		err = q.Discard
	case op == outbox.HandCancel:
		err = q.Cancel
	}
	if err := err(ctx, id); err != nil {
		return failure(err, "see chatsdk outbox ls --all")
	}
	return nil
}

// retryFiles lets the failed uploads of a parked message go on. A client that runs does it by itself.
func retryFiles(ctx context.Context, h *home, q *outbox.Queue, id string) (err error) {
	e, ok := q.Get(id)
	files, err := filesOf(ctx, h)
	if err != nil || !ok || e.State != outbox.Parked {
		return err
	}
	uploads, err := upload.New(upload.Options{Store: h.Uploads(), Endpoint: "http://offline.invalid/"})
	if err != nil {
		return err
	}
	uploads.SetOnline(false) // nothing is sent from here
	if err := uploads.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, uploads.Close()) }()
	for _, n := range e.Needs {
		if u, ok := fileOf(n, files); ok && u.State == upload.Failed {
			if err := uploads.Retry(ctx, u.ID); err != nil {
				return failure(err, "see chatsdk outbox show "+id)
			}
		}
	}
	return nil
}

// asideJSON is a row that can't be read, or a message handed over that can't be queued, as export prints it.
type asideJSON struct {
	Schema int    `json:"schema"`
	ID     string `json:"id,omitempty"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Raw    []byte `json:"raw"`
}

func newOutboxExport() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "Write everything as JSON, one object a line", Args: cobra.NoArgs,
		Long: `Write everything that the queue remembers as JSON, one object a line, what can't be read too, and what another program
handed over and can't be queued: with "state":"unreadable", the reason, and what is there in base64.

With --rescue, from a profile that can't be opened because it is damaged: write the messages that weren't sent, as far as
they can be read, and set the damaged files aside in the folder, where the next program makes a new profile. The lines are
those that "chatsdk chat --json" takes. The server knows the ids of those it has already, so that sending them again makes
no second one as long as it is as the same user.`,
	}
	dir := addProfileFlag(c)
	rescue := c.Flags().Bool("rescue", false, "save what can be read of a damaged profile, and set it aside")
	c.RunE = action(func(cmd *cobra.Command, _ []string) error {
		if *rescue {
			return runRescue(cmd, *dir)
		}
		return withQueue(cmd.Context(), *dir, func(ctx context.Context, h *home, q *outbox.Queue) error {
			entries, err := listed(ctx, h.Outbox(), q, true)
			if err != nil {
				return err
			}
			files, err := filesOf(ctx, h)
			if err != nil {
				return err
			}
			if err := printEntries(cmd.OutOrStdout(), entries, files, true); err != nil {
				return err
			}
			aside, err := q.SetAside(ctx)
			if err != nil {
				return err
			}
			for _, a := range aside {
				if err := printJSON(cmd.OutOrStdout(), asideJSON{schema, a.ID, "unreadable", a.Reason, a.Raw}); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return c
}
