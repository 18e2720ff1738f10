package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

const liveHelp = `Watch how good the network to a server is, and what the client does about it: level and why, whether the server is reached,
round-trip times, loss, goodput, drops, the connection and its next try, the session, the queue and uploads. It signs in and
stays connected as chat does, and takes no message for its own: CHANNELs are only followed. One program at a time has a profile.

On a terminal it is a panel; q ends it. Elsewhere, and where TERM is dumb, it is a line for each change. With --json it is an object
a line, the events of chat --json: hello, state, token, quality, disk, upload, synced, error, and status, once a second where
something in it changed.

With --once it says once how things are, after 5 s at most, or sooner if that is known: exit code 0 if the server is
reached, 5 if not, be it for the network, a captive portal or the server.`

const (
	// onceWithin is when --once says what is known by then.
	onceWithin = 5 * time.Second
	// onceEvery is how often --once looks; enoughSamples are few enough not to wait for, and more than one, which may be an outlier.
	onceEvery     = 50 * time.Millisecond
	enoughSamples = 3
	onceWidth     = 80 // of its lines at most
	// framesPerSecond bounds how often the panel is drawn, whatever happens meanwhile.
	framesPerSecond = 10
	// lookEvery is how often it is looked where nothing happens: the time until the next try goes by.
	lookEvery = 500 * time.Millisecond
	// statusEvery is how often lines and objects say how everything is, where something changed.
	statusEvery = time.Second
)

// watchOptions are the flags of watch.
type watchOptions struct {
	liveOptions

	once bool
}

func (o *watchOptions) add(c *cobra.Command) {
	o.liveOptions.add(c)
	c.Flags().BoolVar(&o.once, "once", false, "say once how things are, and end")
}

// watching is one run of the command.
type watching struct {
	*liveClient

	channels []string
	retryAt  atomic.Pointer[time.Time]
	notice   atomic.Pointer[string]
	changed  chan struct{} // one value: there is something new to look at
}

func runWatch(cmd *cobra.Command, o watchOptions, channels []string) error {
	if err := o.check(channels); err != nil {
		return err
	}
	from := inbox.Processed
	if o.profile == "" {
		from = inbox.Now // nobody will read what was before
	}
	w := &watching{channels: append([]string{}, channels...), changed: make(chan struct{}, 1)}
	out := cmd.OutOrStdout()
	drawn := !o.json && !o.once && isTerminal(out) && os.Getenv("TERM") != "dumb"
	if drawn && isTerminal(cmd.ErrOrStderr()) {
		cmd.SetErr(w) // a log would be written over the panel
	}
	var err error
	if w.liveClient, err = openLive(cmd, o.liveOptions, from); err != nil {
		return err
	}
	w.lasts, w.tell = true, w.note
	switch {
	case o.once:
		var end error
		err = w.during(func() { end = w.sayOnce(out) })
		return errors.Join(err, end)
	case drawn:
		return w.during(func() { w.draw(cmd.InOrStdin(), out) })
	}
	lines := newOutput(out, cmd.ErrOrStderr(), o.json, w.end)
	lines.line = (&plainWatch{}).line
	w.tell = func(e event) { lines.put(w.ctx, e) }
	err = w.during(w.list)
	lines.finish()
	return err
}

// start connects, and follows what happens.
func (w *watching) start() {
	updates := w.client.Watch(w.ctx)
	w.wg.Go(func() { w.follow(updates) })
	uploads := w.client.WatchUploads(w.ctx)
	w.wg.Go(func() { w.followUploads(uploads) })
	for _, name := range w.channels {
		if err := w.client.Join(name); err != nil {
			w.tell(errorEvent{head: now("error"), Code: "failed", Message: plainError(err), Channel: name})
		}
	}
	w.client.Connect() // before there is a session: the network is measured from then on
	w.wg.Go(w.begin)
}

// follow tells what changes. Of the queue only how much is in it is told, by the status.
func (w *watching) follow(updates <-chan chatsdk.Update) {
	for u := range updates {
		if m := u.Connection; m != nil {
			at := m.At.Add(m.RetryIn)
			if m.RetryIn <= 0 {
				at = time.Time{}
			}
			w.retryAt.Store(&at)
		}
		if ch := u.Channel; ch != nil && ch.Synced {
			w.tell(syncedEvent{head: now("synced"), Channel: ch.Channel})
		}
		w.moved(u)
		w.wake()
	}
}

func (w *watching) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// note keeps what a person should know until there is something newer.
func (w *watching) note(e event) {
	if line, notice := e.plain(); notice && line != "" {
		if _, is := e.(stateEvent); !is { // the panel has it
			w.notice.Store(&line)
		}
	}
	w.wake()
}

// Write takes a line of the log.
func (w *watching) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	w.notice.Store(&text)
	w.wake()
	return len(line), nil
}

func (w *watching) sight() sight {
	s := sight{at: time.Now(), status: w.client.State()}
	s.status.User = w.user
	if at := w.retryAt.Load(); at != nil {
		s.retryAt = *at
	}
	if text := w.notice.Load(); text != nil {
		s.notice = *text
	}
	return s
}

// look shows what there is to see: when something changed, and each lookEvery, but never more often than it can be drawn.
func look(ctx context.Context, changed <-chan struct{}, take func() sight, show func(sight)) {
	for ctx.Err() == nil {
		show(take())
		pause(ctx, time.Second/framesPerSecond)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(lookEvery):
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// list tells what happens, and once a second how everything is, until the run ends.
func (w *watching) list() {
	w.tell(w.hello(w.channels))
	w.start()
	var last statusEvent
	for w.ctx.Err() == nil {
		if s := w.status(); !sameStatus(s, last) {
			last = s
			w.tell(s)
		}
		pause(w.ctx, statusEvery)
	}
}

func (w *watching) status() statusEvent { return statusOf(w.client.State()) }

// sayOnce prints how things are, and returns why the server isn't reached, if so.
func (w *watching) sayOnce(out io.Writer) error {
	w.start()
	ctx, cancel := context.WithTimeout(w.ctx, onceWithin)
	defer cancel()
	for ctx.Err() == nil && !settled(w.client.State()) {
		pause(ctx, onceEvery)
	}
	if w.ctx.Err() != nil {
		return nil // its cause says why
	}
	w.end(errQuit)
	var p panel
	p.apply(w.sight())
	var err error
	if w.opts.json {
		err = printJSON(out, statusOf(p.status))
	} else {
		p.still = true
		_, err = lipgloss.Fprintln(out, strings.Join(p.lines(onceWidth, colour(out)), "\n"))
	}
	if err != nil {
		return failure(fmt.Errorf("%w: %w", errOutputClosed, err), "")
	}
	if q := p.status.Quality; q.Reach != quality.ReachOnline {
		return &codedError{exitNetwork, errors.New(unreached(q)), "chatsdk doctor says more"}
	}
	return nil
}

// settled says whether enough is known to say it.
func settled(s chatsdk.Status) bool {
	switch q := s.Quality; q.Reach {
	case quality.ReachOnline:
		return q.Level != quality.Unknown && q.RTT.Samples >= enoughSamples &&
			(s.Connection.State == realtime.Connected || s.Connection.State == realtime.Failed)
	case quality.ReachCaptive, quality.ReachServerDown, quality.ReachOffline:
		return true
	case quality.ReachUnknown:
	}
	return false
}

// unreached says why the server isn't reached.
func unreached(q quality.Report) string {
	if q.Reach == quality.ReachUnknown {
		return fmt.Sprintf("nothing was heard of the server for %v", onceWithin)
	}
	return fmt.Sprintf("the server isn't reached: %s (%s)", q.Reach, q.Reason)
}
