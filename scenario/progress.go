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
	Name    string
	Running bool           // false while a device's program is down
	Status  chatsdk.Status // zero while it is
	Talk
}

// Talk is what a client sent and was shown.
type Talk struct {
	Sent  int // messages that it promised to send
	Shown int // times that it showed one
}

// Talk counts that of each client.
func (h *History) Talk() map[string]Talk {
	talk := map[string]Talk{}
	for _, e := range h.view() {
		t := talk[e.Client]
		switch e.Kind { //nolint:exhaustive // the others are no progress
		case KindAccepted:
			t.Sent++
		case KindShown:
			t.Shown++
		default:
			continue
		}
		talk[e.Client] = t
	}
	return talk
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
	talk := w.History.Talk()
	for _, t := range talk {
		p.Sent += t.Sent
		p.Shown += t.Shown
	}
	for i := range p.Clients {
		p.Clients[i].Talk = talk[p.Clients[i].Name]
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
