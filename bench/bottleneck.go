package main

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	// packetBytes is what a packet of Ethernet carries of TCP.
	packetBytes = 1448
	// arrivedPackets is how much may have passed the bottleneck that its receiver hasn't read: more than a window.
	arrivedPackets = 4096
)

// bottleneck forwards connections over one link that they share: one rate for each direction, and in front of it one queue
// in order of arrival, as most routers at home have it. What an upload puts into the queue, a message has to wait behind.
// The rate of faultnet's links is each connection's own, so there nobody stands in anybody's way.
type bottleneck struct {
	upstream string
	ln       net.Listener
	up, down chan packet
	interval time.Duration // of a full packet
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup // accept, both pumps, and the pipes
}

// packet is a part of what a connection carries; it goes to out.
type packet struct {
	data []byte
	out  *lane
	at   time.Time // when it came
}

// lane is the way from the bottleneck to one end of a connection.
type lane struct {
	arrived chan []byte
	dead    chan struct{} // closed when the connection is over
}

// newBottleneck starts one: rate in bytes a second, queue in packets.
func newBottleneck(upstream string, rate, queue int) (*bottleneck, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bottleneck{
		upstream: upstream, ln: ln, up: make(chan packet, queue), down: make(chan packet, queue),
		interval: time.Second * packetBytes / time.Duration(rate),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.wg.Go(func() { b.pump(b.up) })
	b.wg.Go(func() { b.pump(b.down) })
	b.wg.Go(b.accept)
	return b, nil
}

func (b *bottleneck) addr() string { return b.ln.Addr().String() }

func (b *bottleneck) close() error {
	b.cancel()
	err := b.ln.Close()
	b.wg.Wait()
	return err
}

func (b *bottleneck) accept() {
	for {
		near, err := b.ln.Accept()
		if err != nil {
			return
		}
		b.wg.Go(func() { b.carry(near) })
	}
}

// carry forwards one connection until either end is done with it.
func (b *bottleneck) carry(near net.Conn) {
	far, err := net.Dial("tcp", b.upstream)
	if err != nil {
		_ = near.Close()
		return
	}
	dead := make(chan struct{})
	end := sync.OnceFunc(func() { close(dead); _ = near.Close(); _ = far.Close() })
	defer context.AfterFunc(b.ctx, end)()
	var pipes sync.WaitGroup
	for _, p := range []struct {
		from, to net.Conn
		queue    chan packet
	}{{near, far, b.up}, {far, near, b.down}} {
		out := &lane{arrived: make(chan []byte, arrivedPackets), dead: dead}
		pipes.Go(func() { defer end(); b.read(p.from, p.queue, out) })
		pipes.Go(func() { defer end(); out.write(p.to) })
	}
	pipes.Wait()
}

// read puts what comes into the queue, and waits while that is full. What is under way when the connection ends is lost.
func (b *bottleneck) read(from net.Conn, queue chan<- packet, out *lane) {
	for {
		data := make([]byte, packetBytes)
		n, err := from.Read(data)
		if err != nil {
			return
		}
		select {
		case queue <- packet{data[:n], out, time.Now()}:
		case <-out.dead:
			return
		}
	}
}

func (l *lane) write(to net.Conn) {
	for {
		select {
		case data := <-l.arrived:
			if _, err := to.Write(data); err != nil {
				return
			}
		case <-l.dead:
			return
		}
	}
}

// pump lets one packet after the other through, each for as long as it takes at the rate. A small one counts with a header.
// What a timer is late by is made good while packets wait, or the link would be slower than it says.
func (b *bottleneck) pump(queue <-chan packet) {
	const header = 52 // IP, and TCP with its time stamps
	free := time.Now()
	for {
		var p packet
		select {
		case p = <-queue:
		case <-b.ctx.Done():
			return
		}
		if free.Before(p.at) {
			free = p.at
		}
		free = free.Add(b.interval * time.Duration(len(p.data)+header) / (packetBytes + header))
		if wait := time.Until(free); wait > time.Millisecond { // what a timer can do
			pause(b.ctx, wait)
		}
		select {
		case p.out.arrived <- p.data:
		case <-p.out.dead:
		case <-b.ctx.Done():
			return
		}
	}
}

// queued is how many packets wait upwards.
func (b *bottleneck) queued() int { return len(b.up) }
