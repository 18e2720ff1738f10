package quality_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/quality"
)

// TestLossOfOneWayIsntHidden: one way loses a segment in twelve, and the other one, with ten times as many, none. Level and
// report are those of the worse one, whichever it is.
func TestLossOfOneWayIsntHidden(t *testing.T) {
	for name, lossy := range map[string]quality.Kind{"up": quality.KindSocket, "down": quality.KindPeer} {
		clean := quality.KindSocket + quality.KindPeer - lossy
		p := play(quality.Foreground)
		var few, many quality.Counters
		for n := range 240 {
			few.Sent, few.Delivered, many.Sent, many.Delivered = few.Sent+11, few.Delivered+11, many.Sent+110, many.Delivered+110
			rtt := 20 * ms
			if n%2 == 0 {
				few.Sent, few.Retransmitted = few.Sent+2, few.Retransmitted+2
				rtt += 220 * ms
			}
			p.pings(1, 500*ms, rtt)
			p.tell(quality.Sample{Kind: lossy, Socket: 1, Counters: few})
			p.tell(quality.Sample{Kind: clean, Socket: 1, Counters: many})
		}
		if err := p.is(quality.Poor, quality.ReachOnline); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if l := p.report().Loss; l.Inferred || l.Low > 2.0/24 || l.High < 2.0/24 || l.Segments > 24*180 {
			t.Errorf("%s: %+v, want one in twelve", name, l)
		}
	}
}

// Ways that lose alike tell of each other: a few segments up are enough where many down were counted.
func TestWaysThatLoseAlikeTellOfEachOther(t *testing.T) {
	p := play(quality.Foreground)
	var up, down quality.Counters
	for n := range 120 {
		rtt := 20 * ms
		up.Sent, up.Delivered, down.Sent, down.Delivered = up.Sent+1, up.Delivered+1, down.Sent+20, down.Delivered+20
		if n%2 == 0 {
			down.Sent, down.Retransmitted = down.Sent+1, down.Retransmitted+1
		}
		if n%10 == 0 {
			rtt += 220 * ms
		}
		if n%40 == 0 {
			up.Sent, up.Retransmitted = up.Sent+1, up.Retransmitted+1
		}
		p.pings(1, 500*ms, rtt)
		p.socket(1, up)
		p.tell(quality.Sample{Kind: quality.KindPeer, Socket: 1, Counters: down})
	}
	if r := p.report(); r.Level != quality.Fair || r.Confidence < 0.9 {
		t.Errorf("%s, %.3f sure, loss %+v", r.Level, r.Confidence, r.Loss)
	}
}
