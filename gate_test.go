package chatsdk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// wrongly is a phone that is told to be wrong.
func (h *host) wrongly(t *testing.T, profile realtime.Profile, ping string) (p *phone, tell func(quality.Reach), end func()) {
	t.Helper()
	tell, restore := chatsdk.Misled()
	p = h.phone(t, 1, func(o *chatsdk.Options) { o.Profile, o.Quality.PingURL = profile, ping })
	return p, tell, func() { _ = p.Close(); restore() }
}

// reach waits until the monitor says so, for a minute at most.
func (p *phone) reach(want quality.Reach) error {
	if !until(func() bool { return p.Quality().Reach == want }, time.Minute) {
		return fmt.Errorf("the monitor never said %v: %+v", want, p.Quality())
	}
	return nil
}

// falseOffline has the monitor be wrong about a network that works, and then right again: a call takes its round trip, a
// message too, and the connection is the one from before.
func falseOffline(t *testing.T, h *host) error {
	for _, profile := range []realtime.Profile{realtime.Foreground, realtime.Background} {
		err := func() error {
			p, tell, end := h.wrongly(t, profile, "")
			defer end()
			time.Sleep(30 * time.Second)
			since := p.State().Connection.Since
			for i := range 3 {
				tell(quality.ReachOffline)
				time.Sleep(time.Second) // what follows from it has happened
				if s := p.State().Connection; s.State != realtime.Connected {
					return fmt.Errorf("%v: the connection was disturbed: %v", profile, s.State)
				}
				began := time.Now()
				if err := p.CreateChannel(t.Context(), fmt.Sprintf("%v%d", profile, i), false); err != nil {
					return err
				}
				if took := time.Since(began); took > 250*time.Millisecond { // a dial, and a round trip
					return fmt.Errorf("%v: a call took %v while the monitor was wrong", profile, took)
				}
				if took := p.sent(t, p.say(t)); took > 110*time.Millisecond {
					return fmt.Errorf("%v: a message took %v while the monitor was wrong", profile, took)
				}
				tell(quality.ReachOnline)
				time.Sleep(time.Second)
				if s := p.State().Connection; s.State != realtime.Connected || !s.Since.Equal(since) {
					return fmt.Errorf("%v: the connection was disturbed: %v since %v, was since %v", profile, s.State, s.Since, since)
				}
			}
			return nil
		}()
		if err != nil {
			return err
		}
	}
	return nil
}

func TestFalseOfflineCostsNothing(t *testing.T) { holds(t, falseOffline) }

// TestPortalAndServerDownHoldNothing: calls fail there with what they meet, if they do. Without a connection, too, which the
// gate would be open for. Nor does it that another machine isn't reached, which the application has pinged.
func TestPortalAndServerDownHoldNothing(t *testing.T) {
	for want, ping := range map[quality.Reach]string{
		quality.ReachCaptive: "", quality.ReachServerDown: "", quality.ReachOffline: "http://elsewhere/ping",
	} {
		withHost(t, func(t *testing.T, h *host) {
			p, tell, end := h.wrongly(t, realtime.Background, ping)
			defer end()
			time.Sleep(15 * time.Second)
			tell(want)
			time.Sleep(time.Second) // what follows from it has happened
			h.link.Reset()
			time.Sleep(50 * time.Millisecond) // the connection takes three round trips
			if p.State().Connection.State == realtime.Connected {
				t.Fatal("there is a connection")
			}
			began := time.Now()
			if err := p.CreateChannel(t.Context(), "room", false); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 250*time.Millisecond {
				t.Errorf("%v: a call took %v", want, took)
			}
		})
	}
}

// calledInAnOutage makes a call in an outage that the monitor knows of. It is done soon after the end: 0.5 s until the next
// probe, a round trip until its dial is through, at most 0.5 s so that not all calls go at once, a dial, and a round trip.
func calledInAnOutage(t *testing.T, h *host) error {
	p := h.phone(t, 1, nil)
	defer p.Close()
	time.Sleep(10 * time.Second)
	for i := range 5 {
		h.link.Cut()
		if err := p.reach(quality.ReachOffline); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // what follows from it has happened
		done := make(chan error, 1)
		go func() { done <- p.CreateChannel(t.Context(), fmt.Sprintf("room%d", i), false) }()
		time.Sleep(time.Duration(1+i) * 770 * time.Millisecond)
		h.link.Heal()
		healed := time.Now()
		if err := <-done; err != nil {
			return err
		}
		if took := time.Since(healed); took > 1300*time.Millisecond {
			return fmt.Errorf("a call was done %v after the outage's end", took)
		}
		time.Sleep(10 * time.Second)
	}
	return nil
}

func TestCallsGoOnAtTheEndOfAnOutage(t *testing.T) { holds(t, calledInAnOutage) }

// TestGateNeedsSomebodyWhoLooks disconnects in an outage, so that nobody would see its end: what is called for then is tried,
// and fails by what it meets.
func TestGateNeedsSomebodyWhoLooks(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		p := h.phone(t, 1, nil)
		defer p.Close()
		time.Sleep(10 * time.Second)
		h.link.Cut()
		if err := p.reach(quality.ReachOffline); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		if err := p.CreateChannel(ctx, "held", false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call in an outage: %v", err)
		}
		cancel()
		p.Disconnect()
		time.Sleep(time.Second)
		probes := p.Probes()
		before := p.dials.Load()
		h.link.Heal()
		began := time.Now()
		if err := p.CreateChannel(t.Context(), "room", false); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 250*time.Millisecond || p.Probes() != probes || p.dials.Load() > before+1 {
			t.Errorf("a call took %v, %d dials, %d probes", took, p.dials.Load()-before, p.Probes()-probes)
		}
	})
}

// wordFromBefore loses the connection in the background, where the monitor's last word is seconds old: that the server was
// reached then doesn't make messages leave by HTTP.
func wordFromBefore(t *testing.T, h *host) error {
	h.link.Set(faultnet.Symmetric(900 * time.Millisecond)) // so that it takes the monitor longer to say something else
	p := h.phone(t, 1, func(o *chatsdk.Options) { o.Profile = realtime.Background })
	defer p.Close()
	time.Sleep(32 * time.Second)
	p.sent(t, p.say(t)) // something was heard
	h.link.Cut()
	h.link.Reset()
	time.Sleep(100 * time.Millisecond) // it is known
	p.say(t)
	for range 60 {
		time.Sleep(100 * time.Millisecond)
		if s := p.State(); s.Queue.Ready || s.Queue.Sending > 0 {
			return fmt.Errorf("messages leave in an outage: %+v, the monitor says %v", s.Queue, s.Quality.Reach)
		}
	}
	return nil
}

func TestHTTPIsKnownToWorkOnlySinceTheLoss(t *testing.T) { holds(t, wordFromBefore) }

// adviceOfThisNetwork changes to a network with a round trip of 900 ms, and wants what was measured of the one before to be
// nobody's business from that moment on.
func adviceOfThisNetwork(t *testing.T, h *host) error {
	p := h.phone(t, 1, nil)
	defer p.Close()
	time.Sleep(10*time.Second + 50*time.Millisecond)
	if d, a := p.DialTime(), p.AnswerTime(); d != 1500*time.Millisecond || a != 1500*time.Millisecond {
		return fmt.Errorf("at 100 ms a dial may take %v, an answer %v, want the least", d, a)
	}
	for range 20 { // the monitor hears of it, too, a moment later
		p.NetworkChanged()
		if d, a := p.DialTime(), p.AnswerTime(); d != 0 || a != 0 {
			return fmt.Errorf("in a new network a dial may take %v, an answer %v, want nothing known", d, a)
		}
		time.Sleep(10 * time.Second)
	}
	h.link.Strand(true, true)
	h.link.Update(func(c *faultnet.Conditions) { c.Up.Delay, c.Down.Delay = 450*time.Millisecond, 450*time.Millisecond })
	p.links(true, true)
	time.Sleep(2 * time.Second)
	if d, a := p.DialTime(), p.AnswerTime(); d < 3*900*time.Millisecond || a < 2*900*time.Millisecond {
		return fmt.Errorf("at 900 ms a dial may take %v, an answer %v", d, a)
	}
	return nil
}

func TestAdviceIsOfThisNetwork(t *testing.T) { holds(t, adviceOfThisNetwork) }
