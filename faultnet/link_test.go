package faultnet_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

const rtt = 100 * time.Millisecond

func TestDelayIsExactInEachDirection(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Conditions{
			Up: faultnet.Flow{Delay: 70 * time.Millisecond}, Down: faultnet.Flow{Delay: 20 * time.Millisecond},
		})
		start := time.Now()
		client, server := w.dial()
		took(t, start, 160*time.Millisecond) // SYN, SYN-ACK and the ACK that the listener waits for

		start = time.Now()
		write(t, client, "up")
		read(t, server, "up")
		took(t, start, 70*time.Millisecond)
		start = time.Now()
		write(t, server, "down")
		read(t, client, "down")
		took(t, start, 20*time.Millisecond)
	})
}

func TestRateSerialisesWhatIsSent(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Conditions{Up: faultnet.Flow{Delay: 50 * time.Millisecond, Rate: 10_000}})
		client, server := w.dial()
		start := time.Now()
		write(t, client, strings.Repeat("a", 10_000))
		write(t, client, strings.Repeat("b", 5_000))
		read(t, server, strings.Repeat("a", 10_000))
		if got := time.Since(start); got < 1050*time.Millisecond || got > 1200*time.Millisecond {
			t.Errorf("10,000 bytes at 10,000 bytes/s and 50 ms took %v", got)
		}
		read(t, server, strings.Repeat("b", 5_000))
		if got := time.Since(start); got.Round(time.Microsecond) != 1550*time.Millisecond {
			t.Errorf("15,000 bytes took %v, want 1.55 s", got)
		}
	})
}

func TestRateThatIsLiftedLetsTheRestGo(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Conditions{Up: faultnet.Flow{Rate: 1000}})
		client, server := w.dial()
		start := time.Now()
		write(t, client, strings.Repeat("x", 100_000)) // 100 s
		time.Sleep(10 * time.Second)
		w.link.Set(faultnet.Conditions{})
		read(t, server, strings.Repeat("x", 100_000))
		if got := time.Since(start); got < 10*time.Second || got > 12*time.Second {
			t.Errorf("took %v, want what was being sent at 10 s and nothing more", got)
		}
	})
}

func TestJitterStaysInItsBounds(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 7, faultnet.Conditions{Up: faultnet.Flow{Delay: 30 * time.Millisecond, Jitter: 20 * time.Millisecond}})
		client, server := w.dial()
		lowest, highest := time.Hour, time.Duration(0)
		for range 500 {
			start := time.Now()
			write(t, client, "x")
			read(t, server, "x")
			got := time.Since(start)
			lowest, highest = min(lowest, got), max(highest, got)
		}
		if lowest < 30*time.Millisecond || highest >= 50*time.Millisecond {
			t.Errorf("arrivals from %v to %v, want [30ms, 50ms)", lowest, highest)
		}
		if lowest > 31*time.Millisecond || highest < 49*time.Millisecond {
			t.Errorf("arrivals from %v to %v don't use the range", lowest, highest)
		}
	})
}

func TestLossIsARetransmissionTimeoutThatDoubles(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		cond := faultnet.Symmetric(rtt)
		w := newWorld(t, 3, faultnet.Symmetric(rtt))
		client, server := w.dial()
		cond.Up.Loss = 0.3
		w.link.Set(cond)
		counts := make(map[time.Duration]int)
		const n = 2000
		for range n {
			start := time.Now()
			write(t, client, "x")
			read(t, server, "x")
			counts[time.Since(start)-rtt/2]++
		}
		// The timeout is 300 ms, then 600 and so on: k losses cost 300 (2^k - 1) ms.
		expected := float64(n)
		for k, late := 0, time.Duration(0); k < 4; k++ {
			want := expected * 0.7
			if got := float64(counts[late]); math.Abs(got-want) > 4*math.Sqrt(want) {
				t.Errorf("%v of %d were %v late, want about %.0f", got, n, late, want)
			}
			expected *= 0.3
			late = 2*late + 300*time.Millisecond
		}
		for late := range counts {
			if late%(300*time.Millisecond) != 0 {
				t.Errorf("a segment was %v late", late)
			}
		}
		if got := w.link.Stats().Retransmissions; got < 700 || got > 1000 {
			t.Errorf("%d retransmissions, want about 857", got)
		}
	})
}

func TestAfterAHealDataArrivesAtTheNextRetransmission(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		w.link.Cut()
		start := time.Now()
		write(t, client, "first")
		time.Sleep(5 * time.Second)
		write(t, client, "second")
		time.Sleep(5 * time.Second)
		w.link.Heal()
		write(t, client, "third")
		// Retransmissions at 0.3, 0.9, 2.1, 4.5, 9.3 and 18.9 s: the last one is the first after the heal at 10 s.
		read(t, server, "firstsecondthird")
		took(t, start, 18900*time.Millisecond+rtt/2)
		time.Sleep(rtt / 2) // the way of the acknowledgement
		stats := client.(*faultnet.Conn).TransportStats()
		if stats.Unacked != 0 || stats.Backoff != 0 || stats.Retransmits != 7 {
			t.Errorf("stats %+v, want nothing unacked and 6 retransmissions of the first, 1 of the second", stats)
		}
	})
}

func TestACutLosesWhatIsInFlight(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		start := time.Now()
		write(t, client, "x")
		time.Sleep(rtt / 4)
		w.link.Cut()
		time.Sleep(rtt / 10)
		w.link.Heal()
		read(t, server, "x")
		took(t, start, 300*time.Millisecond+rtt/2)
	})
}

func TestAConnectionGivesUpAfterAQuarterOfAnHour(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		w.link.Cut()
		start := time.Now()
		write(t, client, "x")
		_, err := readError(t, client)
		wantErrno(t, err, syscall.ETIMEDOUT)
		if got := time.Since(start); got < 15*time.Minute || got > 18*time.Minute {
			t.Errorf("gave up after %v", got)
		}
		_, err = client.Write([]byte("y"))
		wantErrno(t, err, syscall.ETIMEDOUT)
		w.link.Heal()
		write(t, server, "anybody?") // the peer only learns it when it sends
		_, err = readError(t, server)
		wantErrno(t, err, syscall.ECONNRESET)
	})
}

func TestAStallHoldsBackAndLetsGoAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		w.link.Update(func(c *faultnet.Conditions) { c.Up.Stall = true })
		start := time.Now()
		write(t, client, "x")
		write(t, server, "the other direction goes on")
		read(t, client, "the other direction goes on")
		took(t, start, rtt/2)
		time.Sleep(time.Minute - rtt/2)
		w.link.Update(func(c *faultnet.Conditions) { c.Up.Stall = false })
		read(t, server, "x")
		took(t, start, time.Minute)
		if got := w.link.Stats().Retransmissions; got != 0 {
			t.Errorf("%d retransmissions", got)
		}
	})
}

func TestHalfOpen(t *testing.T) {
	for _, up := range []bool{true, false} {
		t.Run(fmt.Sprintf("up=%v", up), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				w := newWorld(t, 1, faultnet.Symmetric(rtt))
				client, server := w.dial()
				dead, alive := client, server
				if !up {
					dead, alive = server, client
				}
				w.link.Strand(up, !up)
				write(t, dead, "into the void")
				start := time.Now()
				write(t, alive, "still works")
				read(t, dead, "still works")
				took(t, start, rtt/2)
				silent(t, alive, 10*time.Minute)
				w.link.Heal() // changes nothing for a stranded connection
				silent(t, alive, time.Minute)
			})
		})
	}
}

func TestStrandConcernsLiveConnectionsOnly(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		old, oldServer := w.dial()
		write(t, old, "in flight")
		w.link.Strand(true, true)
		start := time.Now()
		client, server := w.dial()
		took(t, start, rtt+rtt/2)
		write(t, client, "new")
		read(t, server, "new")
		silent(t, oldServer, time.Minute)
		silent(t, old, time.Minute)
	})
}

func TestResetBreaksBothEndsAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		write(t, server, "had arrived")
		time.Sleep(rtt)
		write(t, server, "in flight")
		start := time.Now()
		w.link.Reset()
		text, err := readError(t, client)
		wantErrno(t, err, syscall.ECONNRESET)
		if text != "had arrived" {
			t.Errorf("read %q before the reset", text)
		}
		_, err = readError(t, server)
		wantErrno(t, err, syscall.ECONNRESET)
		_, err = server.Write([]byte("x"))
		wantErrno(t, err, syscall.ECONNRESET)
		took(t, start, 0)
		if stats := w.link.Stats(); stats.Live != 0 || stats.Conns != 1 {
			t.Errorf("stats %+v, want no live connection", stats)
		}
	})
}

// arrivals sends on the pair client/server and returns when each message arrived.
func arrivals(t *testing.T, seed uint64, others int) []time.Duration {
	t.Helper()
	var got []time.Duration
	bubble.Run(t, func(t *testing.T) {
		cond := faultnet.Symmetric(rtt)
		cond.Up.Jitter, cond.Up.Loss = 40*time.Millisecond, 0.2
		cond.Down.Jitter = 10 * time.Millisecond
		w := newWorld(t, seed, cond)
		for i := range others { // other hosts and the other direction draw at the same moments
			conn, err := w.net.Dialer(fmt.Sprintf("other%d", i))(context.Background(), "tcp", "server:80")
			must(t, err)
			far, err := w.listener.Accept()
			must(t, err)
			for range 50 {
				write(t, conn, "noise")
				write(t, far, "noise")
			}
			t.Cleanup(func() { _, _ = conn.Close(), far.Close() })
		}
		client, server := w.dial()
		for range 200 {
			start := time.Now()
			write(t, client, "x")
			if others > 0 {
				write(t, server, "noise")
			}
			read(t, server, "x")
			got = append(got, time.Since(start))
		}
	})
	return got
}

func TestSameSeedSameArrivalsWhateverOthersDo(t *testing.T) {
	alone := arrivals(t, 42, 0)
	if crowded := arrivals(t, 42, 3); !slices.Equal(alone, crowded) {
		t.Error("the same seed gave other arrival times beside other connections")
	}
	if other := arrivals(t, 43, 0); slices.Equal(alone, other) {
		t.Error("another seed gave the same arrival times")
	}
}

func TestNumbersOutOfRangeAreBroughtIn(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Conditions{})
		w.link.Set(faultnet.Conditions{
			Up:   faultnet.Flow{Delay: -1, Jitter: -1, Rate: -1, Loss: math.NaN()},
			Down: faultnet.Flow{Delay: math.MaxInt64, Loss: 7},
		})
		got := w.link.Conditions()
		if got.Up != (faultnet.Flow{}) {
			t.Errorf("up %+v", got.Up)
		}
		if got.Down.Loss != 1 || got.Down.Delay != 24*time.Hour {
			t.Errorf("down %+v", got.Down)
		}
	})
}

func TestPlayKeepsToItsTimes(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Conditions{})
		start := time.Now()
		var seen []string
		step := func(name string, at time.Duration) faultnet.Step {
			return faultnet.Step{At: at, Name: name, Do: func(l *faultnet.Link) {
				seen = append(seen, fmt.Sprint(name, " ", time.Since(start)))
			}}
		}
		must(t, w.link.Play(t.Context(), faultnet.Schedule{
			step("late", 3*time.Second), step("first", time.Second), step("second", time.Second), {At: 2 * time.Second},
		}))
		if want := []string{"first 1s", "second 1s", "late 3s"}; !slices.Equal(seen, want) {
			t.Errorf("steps %v, want %v", seen, want)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		seen = nil
		if err := w.link.Play(ctx, faultnet.Schedule{step("never", time.Hour)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if seen != nil {
			t.Errorf("steps %v after the end of the context", seen)
		}
	})
}

func TestTheSumOfBytesAndConnections(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 1, faultnet.Symmetric(rtt))
		client, server := w.dial()
		write(t, client, "12345")
		read(t, server, "12345")
		write(t, server, "123")
		read(t, client, "123")
		got := w.link.Stats()
		want := faultnet.LinkStats{Conns: 1, Live: 1, BytesUp: 5, BytesDown: 3, Segments: 2, Dials: 1}
		if got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
	})
}
