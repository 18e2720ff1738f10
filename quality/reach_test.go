package quality_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

func TestNothingIsKnownAtFirst(t *testing.T) {
	var zero quality.Estimator
	for name, e := range map[string]*quality.Estimator{"made": quality.NewEstimator(quality.Effort{}), "zero": &zero} {
		r := e.Report(noon)
		if r.Level != quality.Unknown || r.Reach != quality.ReachUnknown || r.Reason != quality.ReasonStart ||
			r.Confidence != 0 || r.Age != 0 || !r.Since.IsZero() {
			t.Errorf("%s: %+v", name, r)
		}
		if p, ok := e.WantProbe(noon); !ok || p.Why != quality.WhyStart {
			t.Errorf("%s: wants %+v, %v", name, p, ok)
		}
	}
}

func TestSilenceIsSeen(t *testing.T) {
	for _, row := range []struct {
		profile quality.Profile
		rtt     time.Duration
		bound   time.Duration // from the first ping without an answer
	}{
		{quality.Foreground, 20 * ms, 1100 * ms},
		{quality.Foreground, 280 * ms, 1500 * ms},
		{quality.Background, 100 * ms, 2300 * ms},
	} {
		p := play(row.profile)
		p.pings(40, second, row.rtt)
		began := p.now
		p.begin()
		p.wait(row.bound)
		r := p.report()
		if r.Reach != quality.ReachOffline || r.Level != quality.Offline || r.Reason != quality.ReasonSilence {
			t.Errorf("%s, %v: %s after %v", row.profile, row.rtt, r.Reach, row.bound)
		}
		if took := r.Since.Sub(began); took < row.rtt+500*ms {
			t.Errorf("%s, %v: offline after %v already", row.profile, row.rtt, took)
		}
		p.ping(row.rtt)
		if err := p.is(levelAt(row.rtt), quality.ReachOnline); err != nil {
			t.Errorf("back: %v", err)
		}
	}
}

func levelAt(rtt time.Duration) quality.Level {
	switch {
	case rtt < 50*ms:
		return quality.Excellent
	case rtt < 150*ms:
		return quality.Good
	case rtt < 300*ms:
		return quality.Fair
	}
	return quality.Poor
}

// A network without traffic isn't silent: nothing was asked.
func TestIdleIsNotOffline(t *testing.T) {
	p := play(quality.Background)
	p.pings(5, second, 20*ms)
	p.wait(40 * second)
	if err := p.is(quality.Excellent, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}

// A call that the server takes long for isn't silence of the network, as long as somebody else is answered.
func TestSlowCallIsNotOffline(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.tell(quality.Sample{Kind: quality.KindBegin, ID: 1 << 40, Source: quality.SourceCall})
	for range 60 {
		p.pings(1, 500*ms, 60*ms)
		if err := p.is(quality.Good, quality.ReachOnline); err != nil {
			t.Fatal(err)
		}
	}
}

func checkTimeouts() error {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.unanswered(4, 700*ms, 600*ms)
	return p.is(quality.Offline, quality.ReachOffline)
}

func TestTimeoutsAddUp(t *testing.T) { holds(t, checkTimeouts) }

func checkRefused() error {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.fails(quality.CauseRefused)
	once := p.is(quality.Good, quality.ReachOnline)
	p.wait(300 * ms)
	want, ok := p.e.WantProbe(p.now)
	if !ok || want.Why != quality.WhyConfirm {
		once = errors.Join(once, fmt.Errorf("wants no probe to confirm: %+v", want))
	}
	p.fails(quality.CauseRefused)
	twice := p.is(quality.Unknown, quality.ReachServerDown)
	for range 60 {
		p.wait(second)
		p.fails(quality.CauseServerError)
	}
	still := p.is(quality.Unknown, quality.ReachServerDown)
	p.ping(60 * ms)
	return first(once, twice, still, p.is(quality.Good, quality.ReachOnline))
}

func TestServerDownIsNotOffline(t *testing.T) { holds(t, checkRefused) }

// One endpoint that fails is no server that is down.
func TestFailingEndpointIsNotServerDown(t *testing.T) {
	p := play(quality.Foreground)
	for range 100 {
		p.pings(1, 500*ms, 60*ms)
		for range 3 {
			p.tell(quality.Sample{Kind: quality.KindFailure, Source: quality.SourceCall, Cause: quality.CauseServerError})
		}
		if err := p.is(quality.Good, quality.ReachOnline); err != nil {
			t.Fatal(err)
		}
	}
}

// Connections are taken, and nothing is answered: the path is fine.
func TestHungServerIsNotOffline(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	for range 20 {
		id := p.begin()
		p.wait(50 * ms)
		p.tell(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceHandshake, RTT: 50 * ms})
		p.wait(450 * ms)
		if r := p.report(); r.Reach == quality.ReachOffline {
			t.Fatalf("after %v offline", p.now.Sub(noon))
		}
		_ = id
	}
	if r := p.report(); r.Reach != quality.ReachServerDown || r.Reason != quality.ReasonNoAnswer {
		t.Errorf("%s, %s", r.Reach, r.Reason)
	}
}

func checkPortal() error {
	p := play(quality.Background)
	p.pings(20, 500*ms, 60*ms)
	p.fails(quality.CausePortal)
	found := p.is(quality.Unknown, quality.ReachCaptive)
	var kept error
	for range 10 { // the old connection is silent, the portal answers each probe
		for range 10 {
			p.tell(quality.Sample{Kind: quality.KindBegin, ID: uint64(p.now.UnixNano()), Source: quality.SourceCall})
			p.wait(second)
			kept = first(kept, p.is(quality.Unknown, quality.ReachCaptive))
		}
		p.fails(quality.CauseRefused)
		p.fails(quality.CausePortal)
	}
	p.ping(60 * ms)
	return first(found, kept, p.is(quality.Good, quality.ReachOnline))
}

func TestPortalIsNotOffline(t *testing.T) { holds(t, checkPortal) }

func TestNoticesOfTheSystem(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.tell(quality.Sample{Kind: quality.KindLink, Link: quality.LinkDown})
	if r := p.report(); r.Reach != quality.ReachOffline || r.Reason != quality.ReasonLinkDown {
		t.Errorf("down: %s, %s", r.Reach, r.Reason)
	}
	p.wait(500 * ms)
	if _, ok := p.e.WantProbe(p.now); !ok {
		t.Error("a notice is believed without a probe")
	}
	p.ping(60 * ms) // the notice was wrong
	if err := p.is(quality.Good, quality.ReachOnline); err != nil {
		t.Error(err)
	}
	p.fails(quality.CauseUnreachable)
	if r := p.report(); r.Reach != quality.ReachOffline || r.Reason != quality.ReasonUnreachable {
		t.Errorf("unreachable: %s, %s", r.Reach, r.Reason)
	}
	p.ping(60 * ms)
	p.tell(quality.Sample{Kind: quality.KindLink, Link: quality.LinkChanged})
	if r := p.report(); r.Level != quality.Good || r.Reason != quality.ReasonChanged || r.Confidence > 0.5 {
		t.Errorf("changed: %s, %s, %.2f", r.Level, r.Reason, r.Confidence)
	}
	if a := p.e.Advice(); a.Known {
		t.Errorf("the new network isn't measured: %+v", a)
	}
	p.ping(400 * ms)
	if err := p.is(quality.Poor, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}

// Whoever is offline and comes to another network isn't offline any more once somebody answers there, though nothing was
// measured yet.
func TestAnswerOfAnotherNetworkIsNotOffline(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.fails(quality.CauseUnreachable)
	p.tell(quality.Sample{Kind: quality.KindLink, Link: quality.LinkUp})
	if err := p.is(quality.Offline, quality.ReachOffline); err != nil {
		t.Error(err) // a notice is no proof
	}
	p.tell(quality.Sample{Kind: quality.KindInbound})
	if err := p.is(quality.Unknown, quality.ReachOnline); err != nil {
		t.Error(err)
	}
	p.ping(60 * ms)
	if err := p.is(quality.Good, quality.ReachOnline); err != nil {
		t.Error(err)
	}
}

func checkSleep() error {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.begin()
	p.e.Next(p.now)
	p.now = p.now.Add(20 * second) // nobody looked
	awake := p.is(quality.Good, quality.ReachOnline)
	p.wait(500 * ms)
	soon := p.is(quality.Good, quality.ReachOnline)
	p.wait(2 * second) // now it is silence
	return first(awake, soon, p.is(quality.Offline, quality.ReachOffline))
}

func TestSleepIsNoSilence(t *testing.T) { holds(t, checkSleep) }

func checkLate() error {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.begin()
	p.wait(900 * ms)
	p.tell(quality.Sample{Kind: quality.KindLate, Took: 800 * ms})
	p.wait(900 * ms)
	return p.is(quality.Good, quality.ReachOnline)
}

func TestLateTimerIsNoSilence(t *testing.T) { holds(t, checkLate) }

func checkAge() error {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.wait(31 * second)
	err := p.is(quality.Unknown, quality.ReachUnknown)
	if r := p.report(); err == nil && (r.Confidence != 0 || r.Reason != quality.ReasonOldEvidence) {
		err = fmt.Errorf("%+v", r)
	}
	return err
}

func TestOldEvidenceIsNone(t *testing.T) { holds(t, checkAge) }

func TestDropsAreCounted(t *testing.T) {
	p := play(quality.Foreground)
	for n := range 5 {
		p.ping(60 * ms)
		p.tell(quality.Sample{Kind: quality.KindDrop, Socket: uint64(n)})
		p.wait(10 * time.Minute)
	}
	if got := p.report().Drops; got != 5 {
		t.Errorf("%d drops", got)
	}
	p.wait(25 * time.Minute)
	if got := p.report().Drops; got != 3 {
		t.Errorf("%d drops in the last hour", got)
	}
}

// A connection that was begun during an outage is there when a lost SYN went again after its end. That is no time of the
// path: the next outage would be seen seconds later.
func TestHandshakeThroughAnOutageIsNoPath(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(20, 500*ms, 60*ms)
	p.begin()
	p.wait(1500 * ms)
	if err := p.is(quality.Offline, quality.ReachOffline); err != nil {
		t.Fatal(err)
	}
	p.wait(second)
	p.ping(60 * ms)
	p.wait(400 * ms)
	p.tell(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourceHandshake, RTT: 1060 * ms})
	if a := p.e.Advice(); a.RTO > 300*ms {
		t.Errorf("an answer is waited for %v where one takes 60ms", a.RTO)
	}
	p.pings(8, 500*ms, 60*ms)
	p.begin()
	p.wait(1300 * ms)
	if err := p.is(quality.Offline, quality.ReachOffline); err != nil {
		t.Errorf("the second outage: %v", err)
	}
}
