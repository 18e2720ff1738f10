package chatsdk

import (
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// connectFirst is how long a connection that is being made is given until the monitor asks by itself: its dial tells as
// much as a probe, and each probe of a network that nobody knows needs a connection of its own.
const connectFirst = 5 * time.Second

// probing says when the monitor may ask by itself.
type probing struct {
	monitor *quality.Monitor

	mu     sync.Mutex // guards below, and is held over telling the monitor, which doesn't block
	wanted bool       // the client is told to be connected
	timer  *time.Timer
}

// wantServer says whether the client is to be connected: the monitor looks for the server then, which the gate goes by.
func (c *Client) wantServer(on bool) {
	if on {
		c.probing.want()
	} else {
		c.probing.rest()
	}
	c.loop.gate.setLooking(on)
}

// want lets the monitor ask, as soon as the connection that is begun now has had its chance.
func (p *probing) want() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wanted {
		p.wanted, p.timer = true, time.AfterFunc(connectFirst, p.begin)
	}
}

// begin lets it ask now, if that is wanted.
func (p *probing) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted && p.timer != nil {
		p.timer.Stop()
		p.timer = nil
		p.monitor.SetProbing(true)
	}
}

// rest has it ask no more.
func (p *probing) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.wanted, p.timer = false, nil
	if p.monitor != nil {
		p.monitor.SetProbing(false)
	}
}

// follow begins once the first attempt is over.
func (p *probing) follow(change realtime.Change) {
	if change.Attempt > 0 || change.To == realtime.Connected {
		p.begin()
	}
}
