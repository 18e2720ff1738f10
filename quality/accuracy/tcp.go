package accuracy

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	rtoAdd   = 200 * time.Millisecond // to the round trip, as on Linux
	synRTO   = time.Second
	giveUp   = time.Minute // a segment isn't sent any more
	lostTime = time.Duration(math.MaxInt64)
)

// carrier is TCP on a link, for one client.
type carrier struct {
	link *link
	rand *rand.Rand
	// sent is told of each segment and when it is sent, and acked when its first acknowledgement arrives, to count them.
	sent  func(c *conn, at time.Duration, up, again bool)
	acked func(c *conn, at time.Duration, up bool)
}

// conn is one connection.
type conn struct {
	id             uint64
	network        int
	upFree, downAt time.Duration // until when a lost segment holds up what was sent later
	up, down       quality.Counters
	closed         bool
	began          time.Duration
}

// carries says whether segments of a connection pass at a time.
func (k *carrier) carries(c *conn, t time.Duration) bool {
	s := k.link.at(t)
	if c.network != s.network {
		return false
	}
	switch s.reach {
	case quality.ReachOnline:
		return true
	case quality.ReachServerDown:
		return s.failing == hangs || s.failing == errs // somebody takes them
	case quality.ReachUnknown, quality.ReachCaptive, quality.ReachOffline:
	}
	return false
}

// segment sends one and says when it arrives, or lostTime.
func (k *carrier) segment(c *conn, at time.Duration, up bool, rto time.Duration) time.Duration {
	for t, again := at, false; t-at < giveUp; t, again, rto = t+rto, true, 2*rto {
		if k.sent != nil {
			k.sent(c, t, up, again)
		}
		s := k.link.at(t)
		if !k.carries(c, t) || k.link.lost(k.rand, s, t, up) {
			continue
		}
		arrival := t + k.delay(s, t)
		if !k.carries(c, arrival) {
			continue
		}
		free := &c.upFree
		if !up {
			free = &c.downAt
		}
		*free = max(arrival, *free)
		if k.acked != nil {
			k.acked(c, arrival+s.rtt/2, up)
		}
		return *free
	}
	return lostTime
}

// delay is one way's, at a time.
func (k *carrier) delay(s *stretch, at time.Duration) time.Duration {
	return varieties[k.link.model].delay(k.rand, s.rtt, at, k.link.salt)
}

// exchange sends a request and says when its answer arrives, or lostTime.
func (k *carrier) exchange(c *conn, at, server time.Duration) time.Duration {
	there := k.segment(c, at, true, k.rto(at))
	if there == lostTime {
		return lostTime
	}
	return k.segment(c, there+server, false, k.rto(there))
}

func (k *carrier) rto(at time.Duration) time.Duration { return k.link.at(at).rtt + rtoAdd }

// outcome is what becomes of a dial and the request on it.
type outcome struct {
	shaken time.Duration // the TCP handshake is done, or lostTime
	asked  time.Duration // the request is sent
	done   time.Duration // answer or failure, or lostTime
	cause  quality.Cause // 0 for an answer
}

// dial opens a connection, with TLS, and sends a request. With a check, the same is asked without TLS beside it if no answer
// comes soon, or none at all: a portal gives itself away then.
func (k *carrier) dial(c *conn, at time.Duration, check bool) outcome {
	s := k.link.at(at)
	c.network, c.began = s.network, at
	never := outcome{lostTime, lostTime, lostTime, 0}
	trip := func() time.Duration { return k.delay(s, at) + k.delay(s, at) }
	switch {
	case s.reach == quality.ReachOffline && s.told:
		return outcome{lostTime, lostTime, at + time.Millisecond, quality.CauseUnreachable}
	case s.reach == quality.ReachCaptive && check:
		refused := lostTime
		if s.resets {
			refused = at + trip()
		}
		portal := min(refused, at+plainAfter) + trip() + trip()
		if refused != lostTime && portal > refused+plainLast {
			return outcome{lostTime, lostTime, refused + plainLast, quality.CauseRefused}
		}
		return outcome{lostTime, lostTime, portal, quality.CausePortal}
	case s.reach == quality.ReachCaptive && s.resets, s.reach == quality.ReachServerDown && s.failing == refuses:
		refused := at + trip()
		if check { // the other port refuses, too
			refused += min(trip(), plainLast)
		}
		return outcome{lostTime, lostTime, refused, quality.CauseRefused}
	}
	there := k.segment(c, at, true, synRTO)
	if there == lostTime {
		return never
	}
	shaken := k.segment(c, there, false, synRTO)
	if shaken == lostTime {
		return never
	}
	if k.link.at(shaken).reach == quality.ReachServerDown && k.link.at(shaken).failing == hangs {
		return outcome{shaken, lostTime, lostTime, 0}
	}
	asked := k.exchange(c, shaken, 0) // TLS
	if asked == lostTime {
		return outcome{shaken, lostTime, lostTime, 0}
	}
	done, cause := k.answer(k.exchange(c, asked, 0))
	return outcome{shaken, asked, done, cause}
}

// answer is what becomes of an answer that would come at a time: a server that hangs doesn't give it, one that fails says so.
func (k *carrier) answer(at time.Duration) (done time.Duration, cause quality.Cause) {
	if at == lostTime {
		return lostTime, 0
	}
	s := k.link.at(at)
	switch {
	case s.reach != quality.ReachServerDown:
		return at, 0
	case s.failing == hangs:
		return lostTime, 0
	}
	return at, quality.CauseServerError
}
