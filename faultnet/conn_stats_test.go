package faultnet_test

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

func statsOf(conn net.Conn) faultnet.TransportStats { return conn.(*faultnet.Conn).TransportStats() }

// wantStats checks all counters of a connection.
func wantStats(t *testing.T, conn net.Conn, want faultnet.TransportStats) {
	t.Helper()
	if got := statsOf(conn); got != want {
		t.Fatalf("counters are\n%+v, want\n%+v", got, want)
	}
}

func TestRoundTripsAreMeasuredOnWhatWasCarried(t *testing.T) {
	const up, down = 70 * time.Millisecond, 20 * time.Millisecond
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Conditions{Up: faultnet.Flow{Delay: up}, Down: faultnet.Flow{Delay: down}})
		client, server := w.dial()
		wantStats(t, client, faultnet.TransportStats{}) // the opening doesn't count
		write(t, client, "12345")
		time.Sleep(up + down - 1)
		wantStats(t, client, faultnet.TransportStats{Unacked: 5, Segments: 1, BytesSent: 5})
		wantStats(t, server, faultnet.TransportStats{BytesReceived: 5}) // read or not
		time.Sleep(time.Nanosecond)
		want := faultnet.TransportStats{
			Segments: 1, BytesSent: 5, BytesAcked: 5, SRTT: 90 * time.Millisecond, RTTVar: 45 * time.Millisecond, MinRTT: 90 * time.Millisecond,
		}
		wantStats(t, client, want)

		w.link.Update(func(c *faultnet.Conditions) { c.Up.Delay += rtt })
		wantStats(t, client, want) // what is set isn't known before something was carried
		write(t, client, "678")
		time.Sleep(up + down + rtt)
		want.Segments, want.BytesSent, want.BytesAcked = 2, 8, 8
		want.RTTVar = 58750 * time.Microsecond // 45 + (100 - 45)/4
		want.SRTT = 102500 * time.Microsecond  // 90 + 100/8
		wantStats(t, client, want)

		again, _ := w.dial()
		wantStats(t, again, faultnet.TransportStats{})
	})
}

func TestARateTakesPartInTheRoundTrip(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		w.link.Update(func(c *faultnet.Conditions) { c.Up.Rate = 10_000 })
		client, server := w.dial()
		write(t, client, strings.Repeat("x", 1000)) // 100 ms on the line
		read(t, server, strings.Repeat("x", 1000))
		time.Sleep(rtt)
		if got := statsOf(client); got.SRTT != 2*rtt || got.Unacked != 0 {
			t.Errorf("counters %+v, want a round trip of %v", got, 2*rtt)
		}
	})
}

func TestJitterOfBothWaysIsMeasured(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		cond := faultnet.Symmetric(rtt)
		cond.Up.Jitter, cond.Down.Jitter = 20*time.Millisecond, 30*time.Millisecond
		w := newWorld(t, 5, cond)
		client, server := w.dial()
		for range 500 {
			write(t, client, "x")
			read(t, server, "x")
			time.Sleep(rtt)
		}
		got := statsOf(client)
		if got.MinRTT < rtt || got.MinRTT > rtt+5*time.Millisecond { // 500 draws of a sum of two
			t.Errorf("least round trip %v", got.MinRTT)
		}
		// The mean is 25 ms above the least. The smoothed one has a deviation of sqrt(1/15) of a sample's 10.4 ms.
		if low, high := rtt+13*time.Millisecond, rtt+37*time.Millisecond; got.SRTT < low || got.SRTT > high {
			t.Errorf("smoothed round trip %v, want %v to %v", got.SRTT, low, high)
		}
		if got.RTTVar < 2*time.Millisecond || got.RTTVar > 25*time.Millisecond {
			t.Errorf("deviation %v", got.RTTVar)
		}
	})
}

// lossSeeds are the seeds of a test of chances: SEED of the environment, or fixed ones.
func lossSeeds(t *testing.T) []uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return []uint64{1, 2, 3}
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return []uint64{seed}
}

// TestTheShareSentAgainIsTheLoss: each loss of a segment is one retransmission, so that of n that were sent n·p ± what
// chance allows were sent again. Acknowledgements that are lost cause none.
func TestTheShareSentAgainIsTheLoss(t *testing.T) {
	for _, seed := range lossSeeds(t) {
		for _, p := range []float64{0, 0.01, 0.05, 0.2} {
			bubble.Run(t, func(t *testing.T) {
				cond := faultnet.Symmetric(rtt)
				cond.Up.Loss, cond.Down.Loss = p, p
				w := newWorld(t, seed, faultnet.Symmetric(rtt))
				client, server := w.dial()
				w.link.Set(cond)
				const n = 2000
				for range n {
					write(t, client, "x")
					read(t, server, "x")
				}
				time.Sleep(time.Hour) // whatever was acknowledged is now
				got := statsOf(client)
				sent, again := float64(got.Segments), float64(got.Retransmits)
				if sent != n+again || got.BytesSent != got.Segments || got.BytesAcked != n || got.Unacked != 0 {
					t.Errorf("seed %d, loss %v: counters don't add up: %+v", seed, p, got)
				}
				if off := math.Abs(again - sent*p); off > 4*math.Sqrt(sent*p*(1-p)) {
					t.Errorf("seed %d, loss %v: %v of %v were sent again, %.1f off", seed, p, again, sent, off)
				}
				t.Logf("seed %d, loss %v: %v of %v sent again", seed, p, again, sent)
				if got.SRTT != rtt || got.MinRTT != rtt || got.RTTVar > time.Millisecond {
					t.Errorf("seed %d, loss %v: measured %v ± %v; what was sent again mustn't be timed", seed, p, got.SRTT, got.RTTVar)
				}
			})
		}
	}
}

func TestACutCountsRetransmissionsWithADoublingTimeout(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, _ := w.dial()
		w.link.Cut()
		start := time.Now()
		write(t, client, "x")
		due, timeout := time.Duration(0), 300*time.Millisecond
		for k := range 6 {
			due, timeout = due+timeout, 2*timeout
			time.Sleep(time.Until(start.Add(due - 1)))
			wantStats(t, client, faultnet.TransportStats{
				Unacked: 1, Segments: int64(k + 1), Retransmits: int64(k), Backoff: k, BytesSent: int64(k + 1),
			})
			time.Sleep(time.Nanosecond)
			wantStats(t, client, faultnet.TransportStats{
				Unacked: 1, Segments: int64(k + 2), Retransmits: int64(k + 1), Backoff: k + 1, BytesSent: int64(k + 2),
			})
		}
		w.link.Heal()
		time.Sleep(time.Hour)
		wantStats(t, client, faultnet.TransportStats{ // what was sent again isn't timed (RFC 6298 section 3)
			Segments: 8, Retransmits: 7, BytesSent: 8, BytesAcked: 1,
		})
	})
}

func TestAStallIsMeasuredAndNothingSentAgain(t *testing.T) {
	for _, up := range []bool{true, false} {
		bubble.Run(t, func(t *testing.T) {
			w := newWorld(t, 1, faultnet.Symmetric(rtt))
			client, _ := w.dial()
			stall := func(yes bool) {
				w.link.Update(func(c *faultnet.Conditions) {
					if c.Up.Stall = yes && up; !up {
						c.Down.Stall = yes
					}
				})
			}
			stall(true)
			start := time.Now()
			write(t, client, "x")
			time.Sleep(time.Minute)
			wantStats(t, client, faultnet.TransportStats{Unacked: 1, Segments: 1, BytesSent: 1})
			stall(false)
			want := time.Minute
			if up { // the acknowledgement has its own way before it
				want += rtt / 2
			}
			time.Sleep(time.Until(start.Add(want)))
			wantStats(t, client, faultnet.TransportStats{
				Segments: 1, BytesSent: 1, BytesAcked: 1, SRTT: want, RTTVar: want / 2, MinRTT: want,
			})
		})
	}
}

// TestWithoutAcknowledgementsNothingIsKnown: data that arrives on a link whose other direction is dead stays
// unacknowledged, and is acknowledged once that works again, as late as a retransmission would be.
func TestWithoutAcknowledgementsNothingIsKnown(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		write(t, client, "in flight")
		time.Sleep(rtt * 3 / 4) // arrived, and acknowledged in vain
		w.link.Update(func(c *faultnet.Conditions) { c.Down.Down = true })
		write(t, client, "more")
		read(t, server, "in flightmore")
		time.Sleep(time.Hour)
		sent := faultnet.TransportStats{Unacked: 13, Segments: 2, BytesSent: 13}
		wantStats(t, client, sent)
		w.link.Heal()
		time.Sleep(300*time.Millisecond - 1)
		wantStats(t, client, sent)
		time.Sleep(time.Nanosecond)
		wantStats(t, client, faultnet.TransportStats{Segments: 2, BytesSent: 13, BytesAcked: 13})

		w.link.Update(func(c *faultnet.Conditions) { c.Down.Loss = 1 })
		write(t, client, "x")
		time.Sleep(rtt/2 + 300*time.Millisecond - 1)
		wantStats(t, client, faultnet.TransportStats{Unacked: 1, Segments: 3, BytesSent: 14, BytesAcked: 13})
		time.Sleep(time.Nanosecond)
		wantStats(t, client, faultnet.TransportStats{Segments: 3, BytesSent: 14, BytesAcked: 14})
		w.link.Strand(false, true)
		write(t, client, "y")
		time.Sleep(time.Hour)
		wantStats(t, client, faultnet.TransportStats{Unacked: 1, Segments: 4, BytesSent: 15, BytesAcked: 14})
	})
}

func TestCountersEndWithTheConnection(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		write(t, client, "12345")
		read(t, server, "12345")
		time.Sleep(rtt)
		want := faultnet.TransportStats{
			Segments: 1, BytesSent: 5, BytesAcked: 5, SRTT: rtt, RTTVar: rtt / 2, MinRTT: rtt,
		}
		conn := client.(*faultnet.Conn)
		w.link.Reset()
		wantStats(t, client, want)
		if sent, again, vain, unacked, err := conn.TransportSegments(); sent != 1 || again != 0 || vain != 0 || unacked != 0 || err != nil {
			t.Errorf("segments of a connection that was reset: %d, %d, %d, %d, %v", sent, again, vain, unacked, err)
		}
		must(t, client.Close())
		_, _, _, _, segments := conn.TransportSegments()
		_, _, _, times := conn.TransportRTT()
		_, _, _, bytes := conn.TransportBytes()
		for _, err := range []error{segments, times, bytes} {
			var op *net.OpError
			if !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) {
				t.Errorf("after Close: %v", err)
			}
		}
		wantStats(t, client, want)
	})
}

// TestManyUnacknowledgedSegments: 20 MB in segments of 1460 bytes, all at once.
func TestManyUnacknowledgedSegments(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		cond := faultnet.Symmetric(rtt)
		cond.Up.Loss, cond.Down.Loss = 0.01, 0.5
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		w.link.Set(cond)
		const size = 20 << 20
		write(t, client, strings.Repeat("x", size))
		got, err := io.CopyN(io.Discard, server, size)
		must(t, err)
		time.Sleep(time.Hour)
		stats := statsOf(client)
		if got != size || stats.BytesAcked != size || stats.Unacked != 0 || stats.SRTT == 0 {
			t.Errorf("%d bytes came, counters %+v", got, stats)
		}
		if n := statsOf(server).BytesReceived; n != size {
			t.Errorf("the server received %d bytes", n)
		}
	})
}
