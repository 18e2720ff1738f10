package quality

// bug is a mistake that somebody could make here, planted to see that a test finds it.
type bug int

// planted is the mistake in force; none outside of this package's own tests, which alone can set it.
var planted bug

// Mistakes.
const (
	bugNone          bug = iota
	bugKeepCounters      // counters and what was lost are kept over an outage and a new socket
	bugTimeoutsLost      // an attempt that timed out is forgotten, as if it had never begun
	bugHandshakeRTT      // the first RTT of a connection counts with its set-up in it
	bugNoHysteresis      // every sample decides, without margin and hold
	bugSleepSilence      // a timer that is late counts as silence
	bugNoChangePoint     // old evidence is kept after a change
	bugErrorOffline      // a refusal is taken for a dead network
	bugPortalOnline      // whatever answers is taken for the server
	bugBelievePeer       // the peer's counters are believed unseen
	bugNoAge             // evidence never gets old
	bugOutageRTT         // an answer that waited for the end of an outage counts as a round trip
	bugBackwards         // counters that run backwards are subtracted as they are
	bugProbeSetup        // the default prober takes the time of a new connection for a round trip
	bugAnyPage           // any page with status 204 passes for the server
	bugAlwaysProbe       // probes are sent by the clock, whatever else was heard
	bugNoWake            // nobody looks at the wall clock
	bugLostEnds          // samples that found no room aren't made up for
	bugPollAlways        // counters are read though nobody wants them
	bugOneConnection     // a probe that asks for a new connection gets the old one
	bugDialsStay         // what failed is forgotten with its dials, and not ended
	bugNoBackOff         // probes for a return never get rarer
	bugInPhase           // every monitor has the same seed
	bugPlainWins         // a page at port 80 ends the question over TLS
)
