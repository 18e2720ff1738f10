package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/chatsdk/chatsdk/scenario"
)

const (
	// talkEvery is the pause between two messages of a client.
	talkEvery = time.Second
	// talkMost ends a talk that was forgotten: messages of an hour.
	talkMost = 3600
)

// setTalk makes the clients talk, or ends that.
func (d *Demo) setTalk(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case on && d.talk == nil && !d.closed:
		ctx, cancel := context.WithCancel(d.ctx)
		d.talk = cancel
		d.wg.Go(func() { d.talkOn(ctx) })
	case !on && d.talk != nil:
		d.talk()
		d.talk = nil
	}
}

// talkOn sends messages of the clients in turn. What a client doesn't take, because its outbox is full, isn't sent.
func (d *Demo) talkOn(ctx context.Context) {
	tick := time.NewTicker(talkEvery / time.Duration(len(d.clients)))
	defer tick.Stop()
	for n := range talkMost * len(d.clients) {
		c := d.clients[n%len(d.clients)]
		if _, err := c.chat.Send(ctx, scenario.Channel, fmt.Sprintf("message %d of %s", n/len(d.clients)+1, c.name)); err != nil && ctx.Err() == nil {
			d.opts.Logger.Warn("talk", "who", c.name, "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() == nil { // else it is another talk's
		d.talk()
		d.talk = nil
	}
}
