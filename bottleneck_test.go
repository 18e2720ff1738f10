package chatsdk_test

import (
	"net"
	"sync"
	"time"
)

const (
	// packetBytes is what a packet of Ethernet carries of TCP, packetHeader what it has besides.
	packetBytes, packetHeader = 1448, 52
	// socketPackets is what a socket takes before it makes its writer wait, in packets.
	socketPackets = 2048
)

// bottleneck is the way up of a link that all connections share, with one queue in order of arrival in front of it: what an
// upload puts there, a message has to wait behind. The rate of faultnet's links is each connection's own. The one of bench
// is the same on real sockets.
type bottleneck struct {
	queue    chan lanePacket
	interval time.Duration // of a full packet
	stop     chan struct{}
	wg       sync.WaitGroup // pump and the lanes
}

type lanePacket struct {
	data []byte
	lane *lane
}

// newBottleneck starts one: rate in bytes a second, queue in packets. close ends it.
func newBottleneck(rate, queue int) *bottleneck {
	b := &bottleneck{
		queue: make(chan lanePacket, queue), stop: make(chan struct{}),
		interval: time.Second * (packetBytes + packetHeader) / time.Duration(rate),
	}
	b.wg.Go(b.pump)
	return b
}

func (b *bottleneck) close() {
	close(b.stop)
	b.wg.Wait()
}

// pump lets one packet after the other through.
func (b *bottleneck) pump() {
	for {
		select {
		case p := <-b.queue:
			time.Sleep(b.interval * time.Duration(len(p.data)+packetHeader) / (packetBytes + packetHeader))
			select {
			case p.lane.arrived <- p.data:
			case <-p.lane.dead:
			}
		case <-b.stop:
			return
		}
	}
}

// lane is a connection that goes through the bottleneck: its client's end.
type lane struct {
	net.Conn
	socket, arrived chan []byte
	dead            chan struct{}
	once            sync.Once
}

// wrap sends what is written to a connection through the bottleneck.
func (b *bottleneck) wrap(conn net.Conn) net.Conn {
	l := &lane{
		Conn: conn, socket: make(chan []byte, socketPackets), arrived: make(chan []byte, socketPackets), dead: make(chan struct{}),
	}
	b.wg.Go(func() {
		for {
			select {
			case data := <-l.socket:
				select {
				case b.queue <- lanePacket{data, l}:
				case <-l.dead:
				}
			case <-l.dead:
				return
			}
		}
	})
	b.wg.Go(func() {
		for {
			select {
			case data := <-l.arrived:
				_, _ = conn.Write(data) // a reader hears of it
			case <-l.dead:
				return
			}
		}
	})
	return l
}

func (l *lane) Write(b []byte) (int, error) {
	for n := 0; n < len(b); {
		data := append([]byte(nil), b[n:min(n+packetBytes, len(b))]...)
		select {
		case l.socket <- data:
			n += len(data)
		case <-l.dead:
			return n, net.ErrClosed
		}
	}
	return len(b), nil
}

// Close loses what is under way.
func (l *lane) Close() error {
	l.once.Do(func() { close(l.dead) })
	return l.Conn.Close()
}
