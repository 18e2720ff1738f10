package doctor

import (
	"context"
	"time"
)

// maxOffset is from where on a clock is told as wrong: beyond what an unset but once right clock drifts in a month.
const maxOffset = 30 * time.Second

// clock compares this machine's clock with the server's, by the answer to the ping.
func (r *run) clock(context.Context) Check {
	switch {
	case !r.ping.proven:
		return skip("not looked at: the server itself didn't answer the ping")
	case r.ping.date.IsZero():
		return skip("the server doesn't say what time it has")
	}
	return judgeClock(r.ping)
}

// judgeClock takes the answer as written in the middle of the round trip. A Date has whole seconds, cut off: in the mean
// it is half a second behind.
func judgeClock(p ping) Check {
	const half = 500 * time.Millisecond
	offset := p.date.Add(half).Sub(p.sent.Add(p.rtt / 2)).Round(time.Millisecond)
	give := (half + p.rtt/2).Round(time.Millisecond)
	f := Figures{Offset: &Offset{MS: offset.Milliseconds(), Give: give.Milliseconds()}}
	way := "ahead of"
	if offset < 0 {
		way = "behind"
	}
	if offset.Abs() > maxOffset {
		return warn(f, "set this machine's clock, best by NTP, or have the server's set: certificates are judged by it, times of messages are "+
			"shown wrong, and a clock that is put right later makes sessions look older or younger than they are",
			"the server's clock is %v %s this machine's", offset.Abs().Round(time.Second), way)
	}
	if offset.Abs() <= give {
		return ok(f, "agrees with the server's to within %s", inMS(give))
	}
	return ok(f, "the server's is %v %s this machine's (give or take %s)", offset.Abs().Round(100*time.Millisecond), way, inMS(give))
}
