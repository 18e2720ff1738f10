package agent

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// lookEvery is how often it is looked where nothing was told: measures of a network that stays as good change too.
	lookEvery = time.Second
	// A look is followed by a pause of at least lookPause, so that a burst of changes is one: each change of the outbox
	// brings all of its entries, up to 30 kB. It is longer where looking takes long, but never so long that a person sees it.
	lookPause    = 50 * time.Millisecond
	lookPauseMax = 80 * time.Millisecond
	lookShare    = 10 // of its time, one part is spent looking
	// ageOff is how far the age of what is known may be from what a reader reckons, before that is a change of its own.
	ageOff = 5 * time.Second
	// settledUploads is how many uploads that are over are still told.
	settledUploads = 20
)

// follower owns what the agent tells. Its goroutine alone touches it.
type follower struct {
	a       *Agent
	updates <-chan chatsdk.Update
	files   <-chan upload.Change

	retryAt  time.Time      // of the connection
	open     []outbox.Entry // as they were told last
	settled  []outbox.Entry // the last, oldest first
	uploads  map[string]upload.Upload
	over     []string // ids of the uploads that are settled, oldest first
	told     Quality
	toldAt   time.Time
	lookedAt time.Time
	pause    time.Duration // after lookedAt
}

func newFollower(a *Agent) *follower {
	return &follower{
		a: a, updates: a.client.Watch(a.ctx), files: a.client.WatchUploads(a.ctx), uploads: map[string]upload.Upload{},
	}
}

func (f *follower) run() {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for f.updates != nil || f.files != nil {
		select {
		case u, ok := <-f.updates:
			if !ok {
				f.updates = nil
				continue
			}
			f.updated(u)
		case c, ok := <-f.files:
			if !ok {
				f.files = nil
				continue
			}
			f.uploaded(c)
		case m := <-f.a.messages:
			f.message(m)
		case <-timer.C:
			f.look()
			timer.Reset(lookEvery)
			continue
		}
		if wait := f.pause - time.Since(f.lookedAt); wait > 0 {
			timer.Reset(wait)
			continue
		}
		f.look()
		timer.Reset(lookEvery)
	}
}

func (f *follower) updated(u chatsdk.Update) {
	switch {
	case u.Connection != nil:
		f.retryAt = time.Time{}
		if u.Connection.RetryIn > 0 {
			f.retryAt = u.Connection.At.Add(u.Connection.RetryIn)
		}
		if u.Connection.To == realtime.Connected && u.Connection.From != realtime.Connected {
			f.a.metrics.connected.Inc()
		}
	case u.Entry != nil:
		f.entry(u.Entry.Entry)
	}
}

// entry remembers what became of a message: the client lists only those that aren't settled.
func (f *follower) entry(e outbox.Entry) {
	switch e.State {
	case outbox.Sent, outbox.Cancelled, outbox.Expired:
	case outbox.Queued, outbox.Sending, outbox.Parked:
		return
	}
	f.settled = slices.DeleteFunc(f.settled, func(old outbox.Entry) bool { return old.ID == e.ID })
	f.settled = append(f.settled, e)
	f.settled = f.settled[max(0, len(f.settled)-settledEntries):]
}

func (f *follower) uploaded(c upload.Change) {
	u := c.Upload
	if c.Reason == upload.ReasonRemoved {
		delete(f.uploads, u.ID)
		return
	}
	f.over = slices.DeleteFunc(f.over, func(id string) bool { return id == u.ID })
	f.uploads[u.ID] = u
	if !u.State.Settled() {
		return
	}
	if u.State != upload.Failed { // that may be tried again
		f.a.spool.remove(u.Path)
	}
	f.over = append(f.over, u.ID)
	if len(f.over) > settledUploads {
		delete(f.uploads, f.over[0])
		f.over = f.over[1:]
	}
}

// message tells a message. It counts as processed from then on.
func (f *follower) message(m chatsdk.Message) {
	b, err := json.Marshal(messageOf(m))
	if err != nil { // attachments that are no JSON can't come from our server
		f.a.opts.Logger.Warn("message can't be told", "channel", m.Channel, "seq", m.Seq, "error", err)
		return
	}
	f.a.mu.Lock()
	defer f.a.mu.Unlock()
	f.a.ring.message(b)
}

// look compares everything with what was told last, and tells what differs.
func (f *follower) look() {
	began := time.Now()
	s, open := f.a.client.State(), newest(f.a.client.Entries())
	f.left(open)
	var v values
	for p, x := range map[part]any{
		partSession: sessionOf(s), partConnection: connectionOf(s, f.retryAt), partOutbox: outboxOf(s, open, f.settled),
		partUploads: uploadsOf(f.uploads, f.channelOf), partChannels: channelsOf(s.Channels), partQuality: f.quality(s),
	} {
		b, err := json.Marshal(x)
		if err != nil { // numbers that are none
			f.a.opts.Logger.Error("state can't be told", "part", partNames[p], "error", err)
			continue
		}
		v[p] = b
	}
	f.a.mu.Lock()
	f.a.ring.change(v)
	f.a.mu.Unlock()
	f.lookedAt = time.Now()
	f.pause = min(max(lookPause, lookShare*f.lookedAt.Sub(began)), lookPauseMax)
}

// newest are those that a snapshot names.
func newest(open []outbox.Entry) []outbox.Entry { return open[max(0, len(open)-openEntries):] }

// left looks for those that were told and aren't open any more: the news of what became of them may still be on its way, and
// nothing may be out of sight in between.
func (f *follower) left(open []outbox.Entry) {
	here := make(map[string]bool, len(open))
	for _, e := range open {
		here[e.ID] = true
	}
	for _, e := range f.open {
		if here[e.ID] {
			continue
		}
		if now, ok := f.a.client.Entry(e.ID); ok {
			f.entry(now)
		}
	}
	f.open = open
}

// quality leaves out that time passes: readers know that.
func (f *follower) quality(s chatsdk.Status) Quality {
	q := qualityOf(s.Quality)
	age := time.Duration(q.AgeMS) * time.Millisecond
	reckoned := time.Duration(f.told.AgeMS)*time.Millisecond + s.Quality.At.Sub(f.toldAt)
	same := q
	same.AgeMS = f.told.AgeMS
	if (age-reckoned).Abs() < ageOff && equalJSON(same, f.told) {
		return f.told
	}
	f.told, f.toldAt = q, s.Quality.At
	return q
}

func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func (f *follower) channelOf(message string) string {
	e, _ := f.a.client.Entry(message)
	return e.Channel
}

// read hands a channel's messages to the owner. One counts as processed when that has told it.
func (a *Agent) read(name string) {
	err := a.client.Process(a.ctx, name, func(m chatsdk.Message) error {
		select {
		case a.messages <- m:
			return nil
		case <-a.ctx.Done():
			return a.ctx.Err()
		}
	})
	if a.ctx.Err() == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, chatsdk.ErrClosed) {
		a.opts.Logger.Warn("channel isn't followed any more", "channel", name, "error", err)
	}
}
