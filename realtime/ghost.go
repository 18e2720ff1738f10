package realtime

import "time"

// ghost is a link that was declared dead and is listened to a little longer. If it speaks after all, the verdict was
// wrong: the path loses segments, and the estimator has to know, or the same mistake would follow. Nothing that it
// says is applied.
type ghost struct {
	tr    *transport
	asked time.Time // when the oldest unanswered probe was sent
	bytes int       // what was being uploaded
}

// ghostAge is how long a dead link is listened to: beyond the longest deadline there is nothing to learn.
const ghostAge = deadMax

// haunt keeps the transport of a dead link open for a while. At most one is kept.
func (o *owner) haunt(t *transport) {
	o.dropGhost()
	o.ghost = &ghost{tr: t, asked: o.ghostAsked, bytes: o.ghostBytes}
	o.timers[tGhost] = time.Now().Add(ghostAge)
}

func (o *owner) dropGhost() {
	if o.ghost != nil {
		o.ghost.tr.kill()
		o.ghost = nil
	}
	o.timers[tGhost] = time.Time{}
}

// ghostSpoke handles news of the ghost, if that is who it is about.
func (o *owner) ghostSpoke(gen uint64, at time.Time, err error) bool {
	g := o.ghost
	if g == nil || g.tr.gen != gen {
		return false
	}
	// Only an answer counts. A close frame, say because the server replaced the old connection by the new one, may
	// come over a link whose other direction is dead indeed. And only if others got through at once: an end of an
	// outage, after which TCP delivers what it kept, tells nothing of losses.
	through := !o.outage && (o.link != nil || o.waiting != nil)
	slow := o.est.delayedByUpload(at.Sub(g.asked), g.bytes)
	if err == nil && through && (slow || o.measure(g.asked, at)) {
		o.count(func(s *Stats) { s.FalseDead++ })
	}
	o.dropGhost()
	return true
}
