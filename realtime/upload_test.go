package realtime_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// deliver calls until the call was answered, as the outbox does: again on each new connection.
func (f *follower) deliver(size int) error {
	data := append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, size)...), '"')
	for {
		switch _, err := f.RPC(f.t.Context(), "echo", data); {
		case err == nil:
			return nil
		case errors.Is(err, realtime.ErrConnectionLost), errors.Is(err, realtime.ErrNotConnected), errors.Is(err, realtime.ErrTimeout):
			time.Sleep(10 * ms)
		default:
			return err
		}
	}
}

// slowly sets the rate of the uplink in KiB/s.
func (n *simNet) slowly(rate int64) {
	n.Update(func(c *faultnet.Conditions) { c.Up.Rate = rate << 10 })
}

// TestSlowUplinkIsNotDead uploads three messages of 16 KiB, together or as one batch, on a link that needs up to 12 s for
// them: taken for dead after 1.5 s it was replaced, which ended the upload, and so on for ever.
func TestSlowUplinkIsNotDead(t *testing.T) {
	for _, rate := range []int64{4, 8, 16, 64} {
		for _, calls := range []int{1, 3} {
			bubble.Run(t, func(t *testing.T) {
				n, _, f := start(t, 100*ms, realtime.Options{})
				n.slowly(rate)
				for round := range 3 {
					time.Sleep(30123 * ms)
					begin, before := time.Now(), f.Stats()
					done := make(chan error, calls)
					for range calls {
						go func() { done <- f.deliver(48 << 10 / calls) }()
					}
					for range calls {
						select {
						case err := <-done:
							if err != nil {
								t.Fatal(err)
							}
						case <-time.After(5 * time.Minute):
							t.Fatalf("%d KiB/s, %d calls, round %d: not uploaded in 5 min: %+v", rate, calls, round, f.Stats())
						}
					}
					after := f.Stats()
					reconnects, took := after.Reconnects-before.Reconnects, time.Since(begin)
					t.Logf("%d KiB/s, %d calls, round %d: %v, %d reconnects, dead after %v", rate, calls, round, took, reconnects, f.State().DeadAfter)
					if most := uint64(2); reconnects > most || round > 0 && reconnects > 0 {
						t.Errorf("%d KiB/s, %d calls, round %d: %d reconnects, at most %d in the first", rate, calls, round, reconnects, most)
					}
					if most := 3 * time.Duration(48/rate) * time.Second; took > most+time.Second {
						t.Errorf("%d KiB/s, %d calls, round %d: uploaded after %v, want at most %v", rate, calls, round, took, most)
					}
				}
			})
		}
	}
}

// TestDropDuringUpload drops the connection without a word while 48 KiB are on their way, on paths whose rate is known:
// the time that the upload may need comes on top of the usual one, and half of the measured rate is believed.
func TestDropDuringUpload(t *testing.T) {
	for rate, limit := range map[int64]time.Duration{0: 3 * time.Second, 64: 4 * time.Second, 8: 14 * time.Second, 2: 32 * time.Second} {
		bubble.Run(t, func(t *testing.T) {
			n, _, f := start(t, 100*ms, realtime.Options{})
			n.slowly(rate)
			for range 2 {
				time.Sleep(30123 * ms)
				if err := f.deliver(48 << 10); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(30123 * ms)
			done := make(chan error, 1)
			go func() { done <- f.deliver(48 << 10) }()
			time.Sleep(500 * ms)
			before, fault := f.Stats(), time.Now()
			n.Strand(true, true)
			d := f.caughtUp(fault, 2*time.Minute)
			t.Logf("%d KiB/s: caught up after %v: %+v", rate, d, f.Stats().Last)
			if dead := f.Stats().Dead - before.Dead; d > limit || dead != 1 {
				t.Errorf("%d KiB/s: caught up %v after a silent drop with 48 KiB on their way, want %v; %d verdicts", rate, d, limit, dead)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			time.Sleep(30123 * ms)
			fault = time.Now()
			n.Strand(true, true)
			if d := f.caughtUp(fault, time.Minute); d > 1500*ms {
				t.Errorf("%d KiB/s: caught up %v after a silent drop on the idle connection", rate, d)
			}
		})
	}
}

// TestUploadIsNoLoss: answers that wait behind an upload are late, but not because segments were lost.
func TestUploadIsNoLoss(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		n, _, f := start(t, 100*ms, realtime.Options{})
		n.slowly(8)
		time.Sleep(30123 * ms)
		patience := f.State().DeadAfter
		for range 10 {
			if err := f.deliver(4 << 10); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3123 * ms)
		}
		if s, st := f.State(), f.Stats(); s.DeadAfter > patience+50*ms || st.LateProbes > 0 || st.Reconnects > 0 {
			t.Errorf("dead after %v, was %v: %+v", s.DeadAfter, patience, st)
		}
	})
}

// TestManyUploadsGetOn sends a queue of calls over a slow link: each has its time from when the one before got through.
func TestManyUploadsGetOn(t *testing.T) {
	for _, rate := range []int64{8, 48} {
		bubble.Run(t, func(t *testing.T) {
			n, _, f := start(t, 100*ms, realtime.Options{})
			n.slowly(rate)
			time.Sleep(30123 * ms)
			if err := f.deliver(32 << 10); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10123 * ms)
			before := f.Stats()
			done := make(chan error, 5)
			for range cap(done) {
				go func() {
					_, err := f.RPC(t.Context(), "echo", fmt.Appendf(nil, `"%032768d"`, 1))
					done <- err
				}()
			}
			for range cap(done) {
				if err := <-done; err != nil {
					t.Fatalf("%d KiB/s: %v, %+v", rate, err, f.Stats())
				}
			}
			if after := f.Stats(); after.Reconnects != before.Reconnects {
				t.Errorf("%d KiB/s: %d reconnects during an upload that got on", rate, after.Reconnects-before.Reconnects)
			}
		})
	}
}

// TestReplyProvesItsCommand: a subscribe command was noted as sent after the moment that its reply was to prove. Half a
// second later the link was suspect, and a second connection was dialled for nothing.
func TestReplyProvesItsCommand(t *testing.T) {
	for range 20 {
		if ok, err := realtime.ProvenByReply(); err != nil || !ok {
			t.Fatalf("the reply to a subscribe command proves nothing (%v)", err)
		}
	}
}
