package inbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
)

// catchUp has a new client of a channel with n messages, at a round trip of 300 ms, and a server that sends at most most
// of them in a page. It returns the number of round trips until the application has seen all.
func catchUp(w *world, n uint64, most int) (float64, error) {
	const rtt = 300 * time.Millisecond
	h := &history{n: n}
	h.answer = func(after uint64, limit int) ([]inbox.Message, uint64, error) {
		time.Sleep(rtt)
		out, last := h.page(after, min(limit, most))
		return out, last, nil
	}
	l, err := w.begin(inbox.NewMemory(), h, inbox.Processed, 0)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	l.online(h)
	for l.len.Load() < int64(n) {
		if time.Since(began) > time.Hour {
			return 0, fmt.Errorf("%d of %d seen after an hour", l.len.Load(), n)
		}
		time.Sleep(rtt / 10)
	}
	took := time.Since(began)
	synctest.Wait()
	return float64(took) / float64(rtt), l.wants(1, n, 0)
}

// manyMessages wants tens of thousands of messages in few round trips.
func manyMessages(w *world) error {
	for _, row := range []struct {
		n    uint64
		most int
		want float64
	}{
		{1, 200, 1.5},
		{200, 200, 1.5},
		{201, 200, 2.5},
		{20_000, 200, 16}, // a server that sends less than it is asked for
		{50_000, 200, 32},
		{5_000, 37, 22},
		{1_000, 1_000, 1.5},
		{1_001, 1_000, 2.5},
		{20_000, 1_000, 12},
		{50_000, 1_000, 27},
		{20_000, 5_000, 12}, // and one that would send more
	} {
		got, err := catchUp(w, row.n, row.most)
		if err != nil {
			return fmt.Errorf("%d messages: %w", row.n, err)
		}
		if got > row.want {
			return fmt.Errorf("%d messages in %.1f round trips, want %.1f", row.n, got, row.want)
		}
	}
	return nil
}

// thinLink has answers come one after the other over links of 64 kB/s and of 8 kB/s. However much is missing, what is
// asked for at once must not hold up for long what people type meanwhile, and a page that the link can't carry within
// the time limit of a fetch is asked for in smaller ones.
func thinLink(w *world) error {
	for _, row := range []struct {
		rate, n int // bytes a second, messages
		longest time.Duration
		fetches int
	}{
		{64 << 10, 10_000, 3100 * time.Millisecond, 30},
		{8 << 10, 2_000, 25 * time.Second, 40},
	} {
		if err := overThinLink(w, row.rate, row.n, row.longest, row.fetches); err != nil {
			return fmt.Errorf("%d messages at %d bytes a second: %w", row.n, row.rate, err)
		}
	}
	return nil
}

// overThinLink wants n messages over a link that carries rate bytes a second, in a number of fetches, of which none
// finds more waiting before it than a time's worth.
func overThinLink(w *world, rate, n int, longest time.Duration, fetches int) error {
	const messageBytes, patience = 200, 10 * time.Second // Options.FetchTimeout
	h := &history{n: uint64(n)}
	link := make(chan struct{}, 1)
	var mu sync.Mutex
	var waiting, most time.Duration
	var made int
	h.answer = func(after uint64, limit int) ([]inbox.Message, uint64, error) {
		out, last := h.page(after, limit)
		takes := time.Duration(len(out)) * messageBytes * time.Second / time.Duration(rate)
		mu.Lock()
		made++
		waiting += takes
		most = max(most, waiting)
		mu.Unlock()
		link <- struct{}{}
		time.Sleep(min(takes, patience))
		<-link
		mu.Lock()
		waiting -= takes
		mu.Unlock()
		if takes > patience {
			return nil, 0, errFetch
		}
		return out, last, nil
	}
	l, err := w.begin(inbox.NewMemory(), h, inbox.Processed, 0)
	if err != nil {
		return err
	}
	l.online(h)
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	if most > longest || made > fetches {
		return fmt.Errorf("up to %v asked for at once, %d fetches", most, made)
	}
	return l.wants(1, uint64(n), 0)
}

func TestCatchUpInFewRoundTrips(t *testing.T)    { runCheck(t, manyMessages) }
func TestCatchUpLeavesAThinLinkUse(t *testing.T) { runCheck(t, thinLink) }

// backwards pages through a channel from its end.
func backwards(w *world) error {
	kept, h := inbox.NewMemory(), &history{n: 777}
	l, err := w.begin(kept, h, inbox.Processed, 0)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := l.in.History(ctx, "c", 0, 10); err == nil {
		return fmt.Errorf("history of nothing without a network")
	}
	l.in.NetworkUp(true)
	for _, where := range []string{"at the server", "in the store"} {
		for _, size := range []int{1, 50, 776, 777, 778, 1000} {
			want := uint64(777)
			for before := uint64(0); ; {
				msgs, err := l.in.History(ctx, "c", before, size)
				if err != nil {
					return fmt.Errorf("%s, before %d: %w", where, before, err)
				}
				if len(msgs) == 0 {
					break
				}
				if n := uint64(len(msgs)); n > uint64(size) || msgs[n-1].Seq != want || msgs[0].Seq != want-n+1 {
					return fmt.Errorf("%s, pages of %d: before %d came %d to %d, want the end at %d",
						where, size, before, msgs[0].Seq, msgs[n-1].Seq, want)
				}
				before, want = msgs[0].Seq, msgs[0].Seq-1
			}
			if want != 0 {
				return fmt.Errorf("%s, pages of %d: the end at %d", where, size, want)
			}
		}
		if where == "in the store" {
			continue
		}
		l.online(h)
		h.setAnswer(func(uint64, int) ([]inbox.Message, uint64, error) { return nil, 0, errFetch })
	}
	return nil
}

// backwardsOffline has the store know the end of a channel only.
func backwardsOffline(w *world) error {
	kept, h := inbox.NewMemory(), &history{n: 100}
	l, err := w.begin(kept, h, inbox.Now, 0)
	if err != nil {
		return err
	}
	l.online(h)
	for range 10 {
		l.in.Receive(h.push())
	}
	time.Sleep(time.Second)
	l.in.NetworkUp(false)
	msgs, err := l.in.History(context.Background(), "c", 105, 20)
	if err != nil || len(msgs) != 4 || msgs[0].Seq != 101 || msgs[3].Seq != 104 {
		return fmt.Errorf("before 105, of 101 to 110: %d, %w", len(msgs), err)
	}
	if _, err := l.in.History(context.Background(), "c", 101, 20); err == nil {
		return fmt.Errorf("before 101, of 101 to 110: no error")
	}
	return nil
}

func TestHistoryBackwards(t *testing.T)        { runCheck(t, backwards) }
func TestHistoryBackwardsOffline(t *testing.T) { runCheck(t, backwardsOffline) }
