package quality_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// counted plays seconds of a path of 20 ms with a socket of which every nth segment is sent again; 0 is none.
func (p *player) counted(seconds int, socket uint64, from quality.Counters, nth uint64) quality.Counters {
	c := from
	for range seconds {
		for range 10 {
			c.Sent++
			if nth > 0 && c.Sent%nth == 0 {
				c.Sent++
				c.Retransmitted++
			}
			c.Delivered = c.Sent - c.Retransmitted
		}
		p.pings(2, 500*ms, 20*ms)
		p.socket(socket, c)
	}
	return c
}

// checkCounters plays an outage in which the old socket sends again and again, and a new socket after it.
func checkCounters() error {
	p := play(quality.Foreground)
	c := p.counted(60, 1, quality.Counters{}, 0)
	before := p.is(quality.Excellent, quality.ReachOnline)
	for range 10 { // nothing gets through any more
		c.Sent++
		c.Retransmitted++
		p.begin()
		p.wait(second)
		p.socket(1, c)
	}
	gone := p.is(quality.Offline, quality.ReachOffline)
	p.tell(quality.Sample{Kind: quality.KindDrop, Socket: 1})
	for range 10 {
		p.counted(1, 2, quality.Counters{}, 0)
		if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
			return err
		}
	}
	if l := p.report().Loss; l.Share > 0 {
		return fmt.Errorf("loss %+v", l)
	}
	return first(before, gone)
}

func TestCountersBelongToTheirSocket(t *testing.T) { holds(t, checkCounters) }

func TestLossDecidesTheLevel(t *testing.T) {
	for nth, want := range map[uint64]quality.Level{0: quality.Excellent, 250: quality.Good, 40: quality.Fair, 9: quality.Poor} {
		p := play(quality.Foreground)
		p.counted(180, 1, quality.Counters{}, nth)
		if err := p.is(want, quality.ReachOnline); err != nil {
			t.Errorf("one in %d: %v", nth, err)
		}
		r := p.report()
		if nth == 0 {
			continue
		}
		share := 1 / float64(nth+1)
		if r.Reason != quality.ReasonLoss || r.Loss.Low > share || r.Loss.High < share || r.Loss.Inferred || r.Loss.Segments < 1000 {
			t.Errorf("one in %d: %s, %+v", nth, r.Reason, r.Loss)
		}
	}
}

// Spurious retransmissions are no losses.
func TestSpuriousRetransmissionsDontCount(t *testing.T) {
	p := play(quality.Foreground)
	var c quality.Counters
	for range 120 {
		c.Sent, c.Retransmitted, c.Spurious, c.Delivered = c.Sent+10, c.Retransmitted+1, c.Spurious+1, c.Delivered+9
		p.pings(2, 500*ms, 20*ms)
		p.socket(1, c)
	}
	if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}

// The kernel learns a round trip later that it sent again for nothing, which may be in the next reading, or the one after.
func TestSpuriousRetransmissionsToldLaterDontCount(t *testing.T) {
	for _, kind := range []quality.Kind{quality.KindSocket, quality.KindPeer} {
		for later := 1; later <= 2; later++ {
			p := play(quality.Foreground)
			var c quality.Counters
			for n := range 225 {
				c.Sent, c.Delivered = c.Sent+10, c.Delivered+10
				switch n % 15 {
				case 5:
					c.Sent, c.Retransmitted = c.Sent+4, c.Retransmitted+4
				case 5 + later:
					c.Spurious += 4
				}
				p.pings(2, 500*ms, 20*ms)
				p.tell(quality.Sample{Kind: kind, Socket: 1, Counters: c})
			}
			if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
				t.Errorf("%d, %d later: %v", kind, later, err)
			}
			if r := p.report(); r.Loss.Share > 0 || r.Confidence < 0.94 {
				t.Errorf("%d, %d later: %.4f sure, loss %+v", kind, later, r.Confidence, r.Loss)
			}
		}
	}
}

// A loss that nobody takes back stays one beside those that were none.
func TestCreditLeavesTrueLosses(t *testing.T) {
	p := play(quality.Foreground)
	var c quality.Counters
	for range 120 {
		c.Sent, c.Delivered, c.Retransmitted = c.Sent+23, c.Delivered+20, c.Retransmitted+3
		p.pings(1, 500*ms, 20*ms)
		p.socket(1, c)
		c.Spurious++ // told with the next
	}
	if r := p.report(); r.Level != quality.Poor || r.Loss.Low > 2.0/23 || r.Loss.High < 2.0/23 {
		t.Errorf("%s, loss %+v, want 2 in 23", r.Level, r.Loss)
	}
}

// Without counters late answers tell: with loss p each way, 1-(1-p)² of them.
func TestLateAnswersTellOfLoss(t *testing.T) {
	p := play(quality.Foreground)
	for n := range 400 {
		rtt := 20 * ms
		if n%10 == 9 {
			rtt += 220 * ms
		}
		p.pings(1, 500*ms, rtt)
	}
	r := p.report()
	if r.Level != quality.Poor || r.Reason != quality.ReasonLoss || !r.Loss.Inferred || r.Loss.Share < 0.04 || r.Loss.Share > 0.06 ||
		r.RTT.Median > 21*ms || r.RTT.Tail < 200*ms {
		t.Errorf("%s %s %+v %+v", r.Level, r.Reason, r.Loss, r.RTT)
	}
}

// A burst that a machine's hiccup holds up is one late answer, not many.
func TestAnswersThatComeTogetherCountOnce(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(60, 500*ms, 20*ms)
	for n := range 8 {
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 320*ms - time.Duration(n)*40*ms})
		p.wait(ms)
	}
	if r := p.report(); r.Loss.Share > 0.02 || r.RTT.Samples != 61 {
		t.Errorf("%+v %+v", r.Loss, r.RTT)
	}
}

// The same where one that wasn't held up, on another connection, came first: it is one loss all the same, also when the
// answers before are forgotten.
func TestAnswersHeldUpBesideOneThatWasNotCountOnce(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(15, 500*ms, 20*ms)
	p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 20 * ms})
	for range 15 {
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, RTT: 320 * ms})
		p.wait(2 * ms)
	}
	for n := range 60 {
		p.pings(1, 500*ms, 20*ms)
		r := p.report()
		if l := r.Loss; !(l.Share <= 0.05 && l.Low <= l.Share && l.Share <= l.High) { // so that NaN is found, too
			t.Fatalf("%d answers later: %+v", n+1, l)
		}
		if _, err := json.Marshal(r.Metrics()); err != nil {
			t.Fatal(err)
		}
	}
	if l := p.report().Level; l > quality.Good {
		t.Errorf("one loss in 76 made it %v", l)
	}
}

func checkPeer() error {
	p := play(quality.Foreground)
	p.pings(60, 500*ms, 20*ms)
	var c quality.Counters
	refused := quality.Taken
	for range 20 {
		c.Sent, c.Retransmitted = c.Sent+20, c.Retransmitted+10
		p.pings(1, 500*ms, 20*ms)
		refused = p.tell(quality.Sample{Kind: quality.KindPeer, Socket: 1, Counters: c})
	}
	if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
		return err
	}
	if refused != quality.RefusedDoubtful || p.e.Refused(quality.RefusedDoubtful) != 19 {
		return fmt.Errorf("%s, %d times", refused, p.e.Refused(quality.RefusedDoubtful))
	}
	return nil
}

func TestLyingPeerIsDoubted(t *testing.T) { holds(t, checkPeer) }

// TestLyingPeerIsDoubtedBesideLateAnswers: a few late answers of our own make no liar honest. What it said until it was
// found out is forgotten, and it stays doubted.
func TestLyingPeerIsDoubtedBesideLateAnswers(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(300, 500*ms, 20*ms)
	var c quality.Counters
	poor := 0
	for n := range 600 {
		rtt := 20 * ms
		if n%100 == 1 {
			rtt += 220 * ms
		}
		c.Sent, c.Retransmitted = c.Sent+20, c.Retransmitted+6
		p.pings(1, 500*ms, rtt)
		p.tell(quality.Sample{Kind: quality.KindPeer, Socket: 1, Counters: c})
		if p.report().Level == quality.Poor {
			poor++
		}
	}
	if poor > 60 {
		t.Errorf("poor for %d of 600 answers", poor)
	}
	if r := p.report(); r.Level > quality.Good || r.Loss.Share > 0.02 {
		t.Errorf("in the end %s, %+v", r.Level, r.Loss)
	}
}

// An honest one is believed: its losses show in late answers, too.
func TestHonestPeerIsBelieved(t *testing.T) {
	p := play(quality.Foreground)
	var c quality.Counters
	for n := range 200 {
		rtt := 20 * ms
		c.Sent++
		if n%10 == 9 {
			rtt += 220 * ms
			c.Sent, c.Retransmitted = c.Sent+1, c.Retransmitted+1
		}
		p.pings(1, 500*ms, rtt)
		if why := p.tell(quality.Sample{Kind: quality.KindPeer, Socket: 1, Counters: c}); why != quality.Taken {
			t.Fatalf("refused: %s", why)
		}
	}
	if r := p.report(); r.Level != quality.Poor || r.Loss.Inferred || r.Loss.Share < 0.06 || r.Loss.Share > 0.12 {
		t.Errorf("%s %+v", r.Level, r.Loss)
	}
}

func checkBackwards() error {
	p := play(quality.Foreground)
	c := p.counted(30, 1, quality.Counters{}, 0)
	p.socket(1, quality.Counters{Sent: c.Sent, Retransmitted: 90, Delivered: c.Delivered})
	p.counted(1, 1, quality.Counters{Sent: 5}, 0)
	p.counted(10, 1, quality.Counters{Sent: 100, Delivered: 100}, 0)
	if got := p.e.Refused(quality.RefusedCounters); got < 2 {
		return fmt.Errorf("%d refused", got)
	}
	return p.is(quality.Excellent, quality.ReachOnline)
}

func TestCountersThatRunBackwardsAreRefused(t *testing.T) { holds(t, checkBackwards) }

// TestServerThatLiesOfItsTimeIsBounded: what a server says it took can't be more than what the answer took longer than the
// shortest one.
func TestServerThatLiesOfItsTimeIsBounded(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(3, 500*ms, 400*ms)
	for range 60 {
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceCall, RTT: 410 * ms, Server: 409 * ms})
		p.wait(500 * ms)
	}
	if r := p.report(); r.Level != quality.Poor || r.RTT.Median < 390*ms {
		t.Errorf("%s, %v", r.Level, r.RTT.Median)
	}
	if _, wanted := p.e.WantProbe(p.now); !wanted {
		t.Error("nothing but the server's word tells of the path, and nobody asks")
	}
	p.pings(3, 500*ms, 20*ms) // the path became shorter, and so what it says may be
	for range 60 {
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceCall, RTT: 410 * ms, Server: 390 * ms})
		p.wait(500 * ms)
	}
	if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}

// The kernel's estimate counts where nothing else tells.
func TestKernelsRTTIsALastResort(t *testing.T) {
	p := play(quality.Foreground)
	var c quality.Counters
	for range 20 {
		c.Sent, c.Delivered, c.SRTT = c.Sent+1, c.Delivered+1, 200*ms
		p.tell(quality.Sample{Kind: quality.KindInbound})
		p.socket(1, c)
		p.wait(second)
	}
	if err := p.is(quality.Fair, quality.ReachOnline); err != nil {
		t.Error(err)
	}
	p.pings(10, 500*ms, 20*ms)
	if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}
