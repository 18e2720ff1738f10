package faultnet

import (
	"net"
	"syscall"
	"time"
)

// circuit is one connection of a link: two ends and the two pipes between them. The link's lock guards it.
type circuit struct {
	link   *Link
	number int64 // of the connection on its link, from 1
	client *Conn
	server *Conn
	pipes  [2]*pipe // by direction
	hung   bool     // nobody will ever be at the server's end
}

// openLocked makes a connection. buffer bounds what each direction holds, 0 = unlimited.
func (l *Link) openLocked(number int64, buffer int, client, server net.Addr) *circuit {
	c := &circuit{link: l, number: number}
	for d := range c.pipes {
		c.pipes[d] = newPipe(c, direction(d), buffer)
	}
	c.client = newConn(c, c.pipes[upward], c.pipes[downward], client, server)
	c.server = newConn(c, c.pipes[downward], c.pipes[upward], server, client)
	c.pipes[upward].source, c.pipes[upward].target = c.client, c.server
	c.pipes[downward].source, c.pipes[downward].target = c.server, c.client
	c.hung = l.hangsLocked(number)
	l.circuits[c] = struct{}{}
	l.stats.Conns++
	c.treatLocked(time.Now())
	return c
}

// advanceLocked does what is due in both directions.
func (c *circuit) advanceLocked(now time.Time) {
	for _, p := range c.pipes {
		p.advanceLocked(now)
	}
}

// treatLocked applies the present conditions and toxics.
func (c *circuit) treatLocked(now time.Time) {
	var treatments [2]treatment
	rtt := time.Duration(0)
	for d := range c.pipes {
		treatments[d] = c.link.treatmentLocked(direction(d), c.number)
		treatments[d].stranded = c.pipes[d].tr.stranded
		rtt += treatments[d].Delay + treatments[d].Jitter
	}
	for d, p := range c.pipes {
		treatments[d].rto = rtt + rtoMin
		p.treatLocked(now, treatments[d])
	}
}

// strandLocked kills directions for ever.
func (c *circuit) strandLocked(now time.Time, up, down bool) {
	for d, yes := range []bool{up, down} {
		if p := c.pipes[d]; yes {
			p.advanceLocked(now)
			tr := p.tr
			tr.stranded = true
			p.treatLocked(now, tr)
		}
	}
}

// resetLocked breaks both ends at once.
func (c *circuit) resetLocked() {
	c.client.failLocked(syscall.ECONNRESET)
	c.server.failLocked(syscall.ECONNRESET)
}

// closeLocked ends both directions as if each end had been closed in order: what has arrived can be read, then io.EOF.
func (c *circuit) closeLocked() {
	for _, p := range c.pipes {
		p.ended = true
	}
	c.client.failLocked(syscall.EPIPE)
	c.server.failLocked(syscall.EPIPE)
}

// strandedCount is how many directions are stranded.
func (c *circuit) strandedCount() int {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	n := 0
	for _, p := range c.pipes {
		if p.tr.stranded {
			n++
		}
	}
	return n
}

// retireLocked takes the connection off the link once nothing can come of it any more.
func (c *circuit) retireLocked() {
	if !c.client.goneLocked() || !c.server.goneLocked() && !c.hung {
		return
	}
	if _, live := c.link.circuits[c]; !live {
		return
	}
	delete(c.link.circuits, c)
	for _, p := range c.pipes {
		p.stopLocked()
		c.link.stats.Segments += p.line.sentSegments
		c.link.stats.Retransmissions += p.line.retransmissions
	}
}
