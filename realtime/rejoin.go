package realtime

import "time"

// rejoin answers PathBack. What was sent into an outage sits in a back-off, be it a SYN or a request, and an attempt begun
// now gets through at once; but one that was begun since is under way already, and must not be made to begin again. Pauses
// that aren't the path's stay: those that the server asked for, and those after something that it said.
func (o *owner) rejoin(now time.Time) {
	if (o.directed || !o.cause.ofPath()) && planted != bugRejoinAnyway {
		return
	}
	o.failures = 0 // they were the outage's
	switch {
	case o.waiting != nil: // for the token
	case o.link != nil: // connect was sent
		if len(o.attempts) == 0 && o.spare == nil && now.Sub(later(o.link.began, o.link.tr.raw.heard())) > o.est.suspectAfter() {
			o.startAttempt(false)
		}
	case len(o.attempts) == 0:
		o.dialNow(now)
	case !o.getsOn(now):
		if len(o.attempts) >= o.effort.Dials {
			o.attempts[0].cancel()
			o.attempts = o.attempts[1:]
		}
		o.startAttempt(false)
		o.armOverlap(now)
	}
}

// ofPath says of a cause that it may be the path's: nobody answered, or somebody who isn't the server.
func (c cause) ofPath() bool {
	return c.class != classServer && c.class != classDirected && (c.class != classLong || c.reason == ReasonProtocol)
}

// getsOn says whether an attempt has got further, or was begun, so lately that its answer may be on its way.
func (o *owner) getsOn(now time.Time) bool {
	within := o.est.srtt + o.est.srtt/4 + slack
	if o.est.srtt == 0 {
		within = unknownPath
	}
	for _, a := range o.attempts {
		if now.Sub(a.moved) < within {
			return true
		}
	}
	return false
}

// askLink sends a probe, unless one is unanswered.
func (o *owner) askLink(now time.Time) {
	if len(o.live.unproven) == 0 {
		o.probe(now)
	}
}
