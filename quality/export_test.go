package quality

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Bug is a planted mistake.
type Bug = bug

// The planted mistakes.
const (
	BugNone          = bugNone
	BugKeepCounters  = bugKeepCounters
	BugTimeoutsLost  = bugTimeoutsLost
	BugHandshakeRTT  = bugHandshakeRTT
	BugNoHysteresis  = bugNoHysteresis
	BugSleepSilence  = bugSleepSilence
	BugNoChangePoint = bugNoChangePoint
	BugErrorOffline  = bugErrorOffline
	BugPortalOnline  = bugPortalOnline
	BugBelievePeer   = bugBelievePeer
	BugNoAge         = bugNoAge
	BugOutageRTT     = bugOutageRTT
	BugBackwards     = bugBackwards
	BugProbeSetup    = bugProbeSetup
	BugAnyPage       = bugAnyPage
	BugAlwaysProbe   = bugAlwaysProbe
	BugNoWake        = bugNoWake
	BugLostEnds      = bugLostEnds
	BugPollAlways    = bugPollAlways
	BugOneConnection = bugOneConnection
	BugDialsStay     = bugDialsStay
	BugNoBackOff     = bugNoBackOff
	BugInPhase       = bugInPhase
	BugPlainWins     = bugPlainWins
)

// Plant puts a mistake in force.
func Plant(b Bug) { planted = b }

// Outstanding is how many exchanges may be.
const Outstanding = maxOpen

// SetWall replaces the wall clock of a monitor that isn't started.
func (m *Monitor) SetWall(wall func() time.Time) { m.wall = wall }

// Proxy is what the default prober asks for its proxy.
func (m *Monitor) Proxy() func(*http.Request) (*url.URL, error) { return m.own.proxy }

// Probe makes a probe by the default prober.
func (m *Monitor) Probe(ctx context.Context, p Probe, connected func(time.Duration)) Outcome {
	return m.own.Probe(ctx, p, connected)
}

// Mailbox is how many samples may wait.
const Mailbox = mailbox

// LossOf is the probability of each class of loss when so many segments, and so many lost ones, were counted at one moment.
func LossOf(counted ...[2]int) []float64 {
	var f lossFilter
	for _, c := range counted {
		f.add(time.Second, float64(c[0]), float64(c[1]))
	}
	post := f.posterior(time.Second)
	return post[:]
}
