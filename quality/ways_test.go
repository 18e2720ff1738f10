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

// TestBurstsSayLessThanSingleLosses: as many losses in bursts are fewer events, and nobody is as sure of their rate.
func TestBurstsSayLessThanSingleLosses(t *testing.T) {
	sure := map[string]float64{}
	for name, period := range map[string]int{"single": 1, "bursts": 15} {
		p := play(quality.Foreground)
		var c quality.Counters
		for n := range 180 {
			c.Sent, c.Delivered = c.Sent+30, c.Delivered+29
			if n%period == 0 {
				c.Retransmitted += uint64(period)
			}
			p.pings(1, second, 20*ms)
			p.socket(1, c)
		}
		r := p.report()
		if sure[name] = r.Confidence; r.Loss.Low > 1.0/30 || r.Loss.High < 1.0/30 {
			t.Errorf("%s: %+v", name, r.Loss)
		}
	}
	if one, many := sure["single"], sure["bursts"]; one < 0.95 || many > 0.9 {
		t.Errorf("%.3f sure of single losses, %.3f of bursts", one, many)
	}
}
