package scenario

import (
	"context"

	"github.com/chatsdk/chatsdk"
)

// Progress is how far a world has come, for people who watch it.
type Progress struct {
	Clients []ClientProgress // clients and devices, in the order they came; those that talk by HTTP alone aren't in it
	Sent    int              // messages that clients promised to send, of all in the world
	Stored  int              // messages in the server's table
	Shown   int              // times that a client showed one
}

// ClientProgress is that of one client.
type ClientProgress struct {
	Name        string
	Running     bool           // false while a device's program is down
	Status      chatsdk.Status // zero while it is
	Sent, Shown int
}

// Progress looks at the world.
func (w *World) Progress(ctx context.Context) (Progress, error) {
	var p Progress
	for _, c := range w.Clients() {
		p.Clients = append(p.Clients, ClientProgress{Name: c.Name, Running: true, Status: c.Chat.State()})
	}
	for _, d := range w.Devices() {
		one := ClientProgress{Name: d.Name}
		if l, err := d.program(); err == nil {
			one.Running, one.Status = true, l.chat.State()
		}
		p.Clients = append(p.Clients, one)
	}
	sent, shown := map[string]int{}, map[string]int{}
	for _, e := range w.History.view() {
		switch e.Kind { //nolint:exhaustive // the others are no progress
		case KindAccepted:
			sent[e.Client]++
			p.Sent++
		case KindShown:
			shown[e.Client]++
			p.Shown++
		}
	}
	for i := range p.Clients {
		c := &p.Clients[i]
		c.Sent, c.Shown = sent[c.Name], shown[c.Name]
	}
	for _, channel := range w.opts.channels() {
		last, err := w.last(ctx, channel)
		if err != nil {
			return p, err
		}
		p.Stored += int(last)
	}
	return p, nil
}
