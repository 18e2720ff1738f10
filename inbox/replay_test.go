package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/bubble"
)

// disk is a store that outlives runs; a killed one answers no more, as for a process that was killed.
type disk struct {
	*inbox.Memory
	dead func() bool
}

var errDead = errors.New("killed")

func (d disk) Commit(ctx context.Context, tx inbox.Tx) error {
	if d.dead() {
		return errDead
	}
	return d.Memory.Commit(ctx, tx)
}

// world is the runs of one check, which end with it.
type world struct{ lives []*life }

// life is one run of a program that reads channel c.
type life struct {
	in   *inbox.Inbox
	dead atomic.Bool
	gone chan struct{} // closed when it is dead
	seen []inbox.Message
	len  atomic.Int64 // of seen, for whoever looks meanwhile
}

// open starts a run that nobody reads in yet.
func (w *world) open(kept *inbox.Memory, h *history) (*life, error) {
	l := &life{gone: make(chan struct{})}
	var err error
	l.in, err = inbox.New(inbox.Options{
		Store: disk{kept, l.dead.Load}, Fetch: h.fetch, Rand: rand.New(rand.NewPCG(1, 2)),
	})
	if err != nil {
		return nil, err
	}
	w.lives = append(w.lives, l)
	return l, l.in.Start()
}

// read begins to read. The application stays in the body of the message hang until the run is over, if that isn't 0.
func (l *life) read(from inbox.From, hang uint64) {
	go func() {
		for m, err := range l.in.Read(context.Background(), "c", from) {
			if err != nil {
				return
			}
			l.seen = append(l.seen, m)
			l.len.Store(int64(len(l.seen)))
			if m.Seq == hang {
				<-l.gone
			}
		}
	}()
	synctest.Wait()
}

// begin starts a run that reads before anything is known of the channel.
func (w *world) begin(kept *inbox.Memory, h *history, from inbox.From, hang uint64) (*life, error) {
	l, err := w.open(kept, h)
	if err == nil {
		l.read(from, hang)
	}
	return l, err
}

// online has the server tell what it has.
func (l *life) online(h *history) {
	l.in.NetworkUp(true)
	l.in.Follow("c", h.last())
	l.in.CaughtUp("c")
	synctest.Wait()
}

// kill ends the run as kill -9 does: nothing more reaches the disk.
func (l *life) kill() {
	if !l.dead.Swap(true) {
		close(l.gone)
	}
	_ = l.in.Close()
	synctest.Wait()
}

// wants checks that the run saw from..to, the first again of them marked.
func (l *life) wants(from, to uint64, again int) error {
	for k, m := range l.seen {
		if m.Seq != from+uint64(k) {
			return fmt.Errorf("message %d at place %d, want %d", m.Seq, k, from+uint64(k))
		}
		if m.Replay != (k < again) {
			return fmt.Errorf("message %d at place %d has replay %v, want %d marked", m.Seq, k, m.Replay, again)
		}
	}
	if want := int(to + 1 - from); len(l.seen) != want {
		return fmt.Errorf("%d messages seen, want %d (%d to %d)", len(l.seen), want, from, to)
	}
	return nil
}

// inBubble runs a check in virtual time.
func inBubble(t *testing.T, check func(*world) error) (err error) {
	t.Helper()
	bubble.Run(t, func(*testing.T) {
		w := &world{}
		err = check(w)
		for _, l := range w.lives {
			l.kill()
		}
	})
	return err
}

// crashLive kills a run after each of some messages that come live, in the middle of a body or between two.
func crashLive(w *world) error {
	kept, h := inbox.NewMemory(), &history{}
	var done, shown uint64 // by all runs
	for k := range 12 {
		l, err := w.begin(kept, h, inbox.Processed, 0)
		if err != nil {
			return err
		}
		l.online(h)
		if n := len(l.seen); n > 64 || n > 0 && l.seen[0].Seq > done+1 {
			return fmt.Errorf("run %d begins with %d messages from %d; done were %d", k, n, l.seen[0].Seq, done)
		}
		for range 1 + k*9 {
			l.in.Receive(h.push())
			synctest.Wait()
		}
		for n, m := range l.seen {
			if n > 0 && m.Seq != l.seen[n-1].Seq+1 {
				return fmt.Errorf("run %d: %d after %d", k, m.Seq, l.seen[n-1].Seq)
			}
			if m.Replay != (m.Seq <= shown) {
				return fmt.Errorf("run %d: message %d has replay %v, shown before was up to %d", k, m.Seq, m.Replay, shown)
			}
		}
		l.kill()
		done, shown = h.last(), h.last()
	}
	return nil
}

// crashInBody kills a run in the body of a message, of many that came at once.
func crashInBody(w *world, hang uint64) error {
	kept, h := inbox.NewMemory(), &history{n: 300}
	l, err := w.begin(kept, h, inbox.Processed, hang)
	if err != nil {
		return err
	}
	l.online(h)
	time.Sleep(10 * time.Second) // what can be kept is kept
	if n := uint64(len(l.seen)); n != hang {
		return fmt.Errorf("%d shown, want %d", n, hang)
	}
	l.kill()
	again, err := w.begin(kept, h, inbox.Processed, 0)
	if err != nil {
		return err
	}
	synctest.Wait() // offline: what the store has is shown
	first := uint64(0)
	if len(again.seen) > 0 {
		first = again.seen[0].Seq
	}
	if first != hang {
		return fmt.Errorf("the next run begins with %d; the body of %d didn't return", first, hang)
	}
	again.online(h)
	marked := 0
	for _, m := range again.seen {
		if m.Replay {
			marked++
		}
	}
	if marked < 1 || marked > 64 {
		return fmt.Errorf("%d marked as shown before", marked)
	}
	return again.wants(hang, 300, marked)
}

// crashBusy kills a run that shows many messages quickly, before any mark had time to wait. A late one begins to read
// when the channel is followed already, and so reads what the store never got.
func crashBusy(w *world, late bool) error {
	for _, at := range []uint64{1, 2, 63, 64, 65, 66, 127, 128, 129, 200, 299} {
		kept, h := inbox.NewMemory(), &history{n: 300}
		l, err := w.open(kept, h)
		if err != nil {
			return err
		}
		if late {
			l.online(h)
		}
		l.read(inbox.Processed, at)
		l.online(h)
		l.kill()
		again, err := w.begin(kept, h, inbox.Processed, 0)
		if err != nil {
			return err
		}
		again.online(h)
		if len(again.seen) == 0 || again.seen[0].Seq > at {
			return fmt.Errorf("killed in the body of %d, the next run leaves it out", at)
		}
		first, marked := again.seen[0].Seq, 0
		for _, m := range again.seen {
			if m.Seq <= at && !m.Replay {
				return fmt.Errorf("killed in the body of %d, %d is shown again unmarked", at, m.Seq)
			}
			if m.Replay {
				marked++
			}
		}
		if marked > 64 {
			return fmt.Errorf("killed in the body of %d, %d marked", at, marked)
		}
		if err := again.wants(first, 300, marked); err != nil {
			return err
		}
		again.kill()
	}
	return nil
}

// cleanStop ends a run in order: nothing is shown again, and nothing is left out.
func cleanStop(w *world) error {
	kept, h := inbox.NewMemory(), &history{n: 100}
	for k := range 5 {
		l, err := w.begin(kept, h, inbox.Processed, 0)
		if err != nil {
			return err
		}
		from := h.last() + 1
		if k == 0 {
			from = 1
		}
		l.online(h)
		for range 10 {
			l.in.Receive(h.push())
		}
		synctest.Wait()
		if err := l.in.Close(); err != nil {
			return err
		}
		synctest.Wait()
		if err := l.wants(from, h.last(), 0); err != nil {
			return fmt.Errorf("run %d: %w", k, err)
		}
	}
	return nil
}

// offlineReplay has messages received and not processed. A run without a network shows them, and one that is still busy
// with them when there is a network needs no fetch for them.
func offlineReplay(w *world) error {
	for _, busy := range []uint64{0, 100} {
		kept, h := inbox.NewMemory(), &history{n: 500}
		l, err := w.begin(kept, h, inbox.Processed, 100)
		if err != nil {
			return err
		}
		l.online(h)
		if err := l.in.Close(); err != nil { // in order, though the body doesn't return
			return err
		}
		l.kill()
		asked, gave := h.asked(), h.gave()
		h.set(510)
		again, err := w.begin(kept, h, inbox.Processed, busy)
		if err != nil {
			return err
		}
		last := uint64(500)
		if busy > 0 {
			last = busy
		}
		if err := again.wants(100, last, 1); err != nil {
			return fmt.Errorf("without a network: %w", err)
		}
		again.online(h)
		if n, m := h.asked()-asked, h.gave()-gave; n != 1 || m != 10 {
			return fmt.Errorf("%d fetches of %d messages, for 10", n, m)
		}
		if busy == 0 {
			if err := again.wants(100, 510, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// nowSkips begins with what is new and leaves out what came while the program was away; a later run goes on from there,
// also after a crash.
func nowSkips(w *world) error {
	kept, h := inbox.NewMemory(), &history{n: 20}
	l, err := w.begin(kept, h, inbox.Processed, 0)
	if err != nil {
		return err
	}
	l.online(h)
	if err := errors.Join(l.in.Close(), l.wants(1, 20, 0)); err != nil {
		return err
	}
	h.set(220)
	if l, err = w.begin(kept, h, inbox.Now, 223); err != nil {
		return err
	}
	l.online(h)
	for range 3 {
		l.in.Receive(h.push())
		synctest.Wait()
	}
	l.kill()
	if err := l.wants(221, 223, 0); err != nil {
		return fmt.Errorf("from now: %w", err)
	}
	if l, err = w.begin(kept, h, inbox.Processed, 0); err != nil {
		return err
	}
	l.online(h)
	l.kill()
	if n := len(l.seen); n < 1 || n > 3 {
		return fmt.Errorf("%d shown after a crash in the third", n)
	}
	return l.wants(l.seen[0].Seq, 223, len(l.seen))
}

func TestCrashWhileLive(t *testing.T) { runCheck(t, crashLive) }

func TestCrashInBody(t *testing.T) {
	for _, hang := range []uint64{1, 64, 100, 300} {
		runCheck(t, func(w *world) error { return crashInBody(w, hang) })
	}
}

func TestCrashWhileBusy(t *testing.T) {
	for _, late := range []bool{false, true} {
		runCheck(t, func(w *world) error { return crashBusy(w, late) })
	}
}

func TestCleanStopShowsNothingAgain(t *testing.T)  { runCheck(t, cleanStop) }
func TestKeptMessagesAreShownOffline(t *testing.T) { runCheck(t, offlineReplay) }
func TestNowLeavesOutForGood(t *testing.T)         { runCheck(t, nowSkips) }

func runCheck(t *testing.T, check func(*world) error) {
	t.Helper()
	if err := inBubble(t, check); err != nil {
		t.Error(err)
	}
}

// gapFilled has the stream lose a message while more come.
func gapFilled(w *world) error {
	kept, h := inbox.NewMemory(), &history{n: 3}
	l, err := w.begin(kept, h, inbox.Processed, 0)
	if err != nil {
		return err
	}
	l.online(h)
	h.setAnswer(func(uint64, int) ([]inbox.Message, uint64, error) { return nil, 0, errFetch })
	h.push()
	for range 5 {
		l.in.Receive(h.push())
		synctest.Wait()
	}
	if top := l.in.State("c").Top; top != 3 {
		return fmt.Errorf("received up to %d, and 4 is missing", top)
	}
	h.setAnswer(nil)
	time.Sleep(10 * time.Second)
	l.kill()
	return l.wants(1, 9, 0)
}

// lostMessages has a server that was restored from a backup give numbers anew, and wants the new messages in the store.
func lostMessages(w *world) error {
	kept, h := inbox.NewMemory(), &history{n: 10}
	l, err := w.begin(kept, h, inbox.Processed, 0)
	if err != nil {
		return err
	}
	l.online(h)
	h.mu.Lock()
	h.n, h.life = 6, 1
	h.mu.Unlock()
	l.online(h)
	for range 4 {
		l.in.Receive(h.push())
	}
	synctest.Wait()
	l.kill()
	page, err := kept.Page(context.Background(), "c", 0, 100)
	if err != nil || len(page) != 10 {
		return fmt.Errorf("%d kept, %w", len(page), err)
	}
	for _, m := range page {
		if want := h.life; m.Seq > 6 && m.ID != fmt.Sprint(want, "-", m.Seq) {
			return fmt.Errorf("kept is %s, which the server lost", m.ID)
		}
	}
	return nil
}

func TestGapIsFilled(t *testing.T)              { runCheck(t, gapFilled) }
func TestLostMessagesAreForgotten(t *testing.T) { runCheck(t, lostMessages) }
