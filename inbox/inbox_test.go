package inbox_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

func TestStreamAloneNeedsNoFetch(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := &history{n: 5}
		i := start(t, inbox.Options{Fetch: h.fetch})
		r := read(t, i, inbox.Now, 0)
		synctest.Wait()
		i.Follow("c", 5)
		i.CaughtUp("c")
		for range 20 {
			m := h.push()
			i.Receive(m)
			i.Receive(m)
		}
		synctest.Wait()
		h.set(30)
		i.Follow("c", 30) // a new connection, whose stream recovers what was missed
		if i.State("c").Synced {
			t.Error("synced before the missed ones came")
		}
		for seq := uint64(24); seq <= 30; seq++ {
			i.Receive(h.at(seq))
		}
		i.CaughtUp("c")
		synctest.Wait()
		r.want(t, 6, 30)
		if n := h.asked(); n != 0 || !i.State("c").Synced {
			t.Errorf("%d fetches, state %+v", n, i.State("c"))
		}
	})
}

func TestGapsAndReorders(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := &history{n: 450}
		i := start(t, inbox.Options{Fetch: h.fetch})
		a, b := read(t, i, inbox.Start, 0), read(t, i, inbox.Processed, 0)
		i.Receive(h.at(440)) // before anything is known
		synctest.Wait()
		i.Follow("c", 300)
		i.CaughtUp("c")
		for _, seq := range []uint64{310, 305, 450, 302, 305} {
			i.Receive(h.at(seq))
		}
		synctest.Wait()
		a.want(t, 1, 450)
		b.want(t, 1, 450)
		if s := i.State("c"); s.Top != 450 || s.Processed != 450 || !s.Synced {
			t.Errorf("state %+v", s)
		}
	})
}

func TestFetchWaitsForNetworkAndRetries(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := &history{n: 10}
		h.answer = func(uint64, int) ([]inbox.Message, uint64, error) { return nil, 0, errFetch }
		i := start(t, inbox.Options{Fetch: h.fetch})
		i.NetworkUp(false)
		r := read(t, i, inbox.Start, 0)
		i.Follow("c", 10)
		i.CaughtUp("c")
		time.Sleep(time.Hour)
		if n := h.asked(); n != 0 {
			t.Fatalf("%d fetches without a network", n)
		}
		i.NetworkUp(true)
		time.Sleep(time.Minute)
		if n := h.asked(); n < 30 || n > 300 {
			t.Errorf("%d failed fetches in a minute", n)
		}
		i.NetworkUp(false)
		time.Sleep(2 * time.Second)
		h.mu.Lock()
		h.answer = nil
		h.mu.Unlock()
		i.NetworkUp(true)
		synctest.Wait()
		r.want(t, 1, 10)
	})
}

func TestProcessedIsMarkedAlsoOnBreak(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := &history{n: 10}
		store := inbox.NewMemory()
		i := start(t, inbox.Options{Fetch: h.fetch, Store: store})
		i.Follow("c", 10)
		i.CaughtUp("c")
		for m, err := range i.Read(t.Context(), "c", inbox.Start) {
			if err != nil {
				t.Fatal(err)
			}
			if p := i.State("c").Processed; p != m.Seq-1 {
				t.Fatalf("processed %d while the body for %d runs", p, m.Seq)
			}
			if m.Seq == 4 {
				break
			}
		}
		_ = i.Close()
		i = start(t, inbox.Options{Fetch: h.fetch, Store: store})
		i.Follow("c", 10)
		i.CaughtUp("c")
		p, n := read(t, i, inbox.Processed, 0), read(t, i, inbox.Now, 0)
		synctest.Wait()
		i.Receive(h.push())
		synctest.Wait()
		p.want(t, 5, 11)
		n.want(t, 11, 11)
	})
}

func TestSlowReader(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := &history{}
		i := start(t, inbox.Options{Fetch: h.fetch, Ahead: 2048}) // less than what waits below: the slow one isn't waited for
		slow, fast := read(t, i, inbox.Start, time.Millisecond), read(t, i, inbox.Start, 0)
		i.Follow("c", 0)
		i.CaughtUp("c")
		const n = 24_000 // far more than a memory store keeps
		for range n {
			i.Receive(h.push())
		}
		synctest.Wait()
		fast.want(t, 1, n)
		time.Sleep(30 * time.Second)
		slow.want(t, 1, n)
		if s := i.State("c"); s.Processed != n {
			t.Errorf("state %+v", s)
		}
	})
}

// TestServerRestoredFromBackup has the server forget messages and give their numbers to others, while we look and while
// we don't.
func TestServerRestoredFromBackup(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprint("away ", away), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				h := &history{n: 10}
				o := inbox.Options{Fetch: h.fetch, Store: inbox.NewMemory()}
				i := start(t, o)
				r := read(t, i, inbox.Processed, 0)
				i.Follow("c", 10)
				i.CaughtUp("c")
				synctest.Wait()
				r.want(t, 1, 10)
				h.mu.Lock()
				h.n, h.life = 6, 1
				h.mu.Unlock()
				if away {
					_ = i.Close()
					i = start(t, o)
					r = read(t, i, inbox.Processed, 0)
				}
				changes := i.Watch(t.Context())
				i.Follow("c", 6)
				i.CaughtUp("c")
				synctest.Wait()
				told := false
				for range 10 {
					synctest.Wait()
					select {
					case c := <-changes:
						told = told || errors.Is(c.Err, inbox.ErrRewound)
					default:
					}
				}
				if s := i.State("c"); s.Processed != 6 || s.Top != 6 || !told {
					t.Fatalf("after the restore %+v, told %v", s, told)
				}
				before := len(r.seqs())
				for range 5 {
					i.Receive(h.push())
				}
				synctest.Wait()
				r.mu.Lock()
				defer r.mu.Unlock()
				for k, m := range r.seen[before:] {
					if m.ID != fmt.Sprint("1-", 7+k) {
						t.Errorf("after the restore %+v", m)
					}
				}
				if n := len(r.seen) - before; n != 5 {
					t.Errorf("%d new messages", n)
				}
			})
		})
	}
}

func TestLyingServerIsNotAskedHot(t *testing.T) {
	msg := func(ch string, seq uint64) []inbox.Message { return []inbox.Message{{Channel: ch, Seq: seq}} }
	for name, answer := range map[string]func(uint64, int) ([]inbox.Message, uint64, error){
		"gap in page":   func(after uint64, _ int) ([]inbox.Message, uint64, error) { return msg("c", after+2), 100, nil },
		"wrong channel": func(after uint64, _ int) ([]inbox.Message, uint64, error) { return msg("d", after+1), 100, nil },
		"last too high": func(uint64, int) ([]inbox.Message, uint64, error) { return nil, 100, nil },
		"nothing":       func(after uint64, _ int) ([]inbox.Message, uint64, error) { return nil, after, nil },
		"less":          func(after uint64, _ int) ([]inbox.Message, uint64, error) { return nil, after / 2, nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				h := &history{answer: answer}
				i := start(t, inbox.Options{Fetch: h.fetch})
				r := read(t, i, inbox.Start, 0)
				i.Follow("c", 100)
				i.CaughtUp("c")
				i.Receive(inbox.Message{Channel: "c", Seq: 1 << 60})
				i.Refresh("c")
				time.Sleep(10 * time.Minute)
				if n := h.asked(); n == 0 || n > 2500 {
					t.Errorf("%d fetches in 10 minutes", n)
				}
				r.want(t, 1, 0)
			})
		})
	}
}

// TestPushDuringFetchIsKept has the answer of a fetch overtaken by what the stream brings.
func TestPushDuringFetchIsKept(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := &history{n: 10, delay: time.Second}
		i := start(t, inbox.Options{Fetch: h.fetch})
		r := read(t, i, inbox.Now, 0)
		synctest.Wait()
		i.Follow("c", 10)
		i.CaughtUp("c")
		i.Refresh("c")
		synctest.Wait() // the server has looked, and answers in a second
		h.push()
		i.Receive(h.push()) // 12; 11 was lost on the way
		time.Sleep(10 * time.Second)
		r.want(t, 11, 12)
	})
}

func TestCloseAtAnyMoment(t *testing.T) {
	for after := range 8 {
		bubble.Run(t, func(t *testing.T) {
			h := &history{n: 1000, delay: 2 * time.Millisecond}
			i := start(t, inbox.Options{Fetch: h.fetch})
			r, changes := read(t, i, inbox.Start, 0), i.Watch(t.Context())
			i.Follow("c", 1000)
			i.CaughtUp("c")
			time.Sleep(time.Duration(after) * time.Millisecond)
			_ = i.Close()
			_ = i.Close()
			<-r.done
			if !errors.Is(r.end, inbox.ErrClosed) || !errors.Is(r.end, net.ErrClosed) {
				t.Errorf("a reader ended with %v", r.end)
			}
			for range changes { // ends
			}
			if err := i.Start(); !errors.Is(err, inbox.ErrClosed) {
				t.Errorf("Start after Close: %v", err)
			}
			i.Receive(h.at(1))
		})
	}
}

// TestModel has a stream that loses, doubles and reorders, reconnects with and without recovery, a network that comes
// and goes, and a store and a server that fail now and then. Every reader sees 1..n once and in order, soon after all
// works again.
func TestModel(t *testing.T) {
	base := rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		base = v
	}
	t.Logf("SEED=%d", base)
	for k := range uint64(12) {
		t.Run(fmt.Sprint(k), func(t *testing.T) { bubble.Run(t, func(t *testing.T) { runModel(t, base+k) }) })
	}
}

func runModel(t *testing.T, n uint64) {
	r := rand.New(rand.NewPCG(n, 1))
	var mu sync.Mutex
	faults := rand.New(rand.NewPCG(n, 2))
	broken := true
	fail := func() bool { mu.Lock(); defer mu.Unlock(); return broken && faults.IntN(5) == 0 }
	h := &history{n: r.Uint64N(500)}
	truth := &history{delay: time.Millisecond}
	h.answer = func(after uint64, limit int) ([]inbox.Message, uint64, error) {
		time.Sleep(time.Millisecond)
		if fail() {
			return nil, 0, errFetch
		}
		truth.set(h.last())
		out, last := truth.page(after, limit)
		return out, last, nil
	}
	i := start(t, inbox.Options{
		Fetch: h.fetch, Store: brokenStore{inbox.NewMemory(), fail}, PageSize: 1 + r.IntN(50), Pending: 1 + r.IntN(40),
		Ahead: 10 + r.IntN(100), Rand: rand.New(rand.NewPCG(n, 3)),
	})
	readers := []*reading{read(t, i, inbox.Start, 0), read(t, i, inbox.Start, time.Millisecond)}
	for range 400 {
		switch k := r.IntN(20); {
		case k < 12:
			m := h.push()
			for range r.IntN(3) { // lost, once, twice
				i.Receive(m)
			}
		case k < 14 && h.last() > 0:
			i.Receive(h.at(1 + r.Uint64N(h.last())))
		case k < 16:
			i.Follow("c", h.last()-min(h.last(), r.Uint64N(3)))
		case k < 17:
			i.CaughtUp("c")
		case k < 18:
			i.NetworkUp(r.IntN(2) == 0)
		default:
			time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
		}
	}
	mu.Lock()
	broken = false
	mu.Unlock()
	i.NetworkUp(true)
	i.Follow("c", h.last())
	i.CaughtUp("c")
	time.Sleep(20 * time.Second)
	for _, v := range readers {
		v.want(t, 1, h.last())
	}
	if s := i.State("c"); !s.Synced || s.Processed != h.last() {
		t.Errorf("state %+v, server has %d", s, h.last())
	}
}
