package upload

import "time"

const (
	sendsEvery = 5 * time.Millisecond  // what was sent is known so exactly
	pauseFrom  = 50 * time.Millisecond // in which nothing is sent, as between two chunks
)

// sends remembers what was sent when, for some seconds. The zero value is ready.
type sends struct {
	total sent
	past  [512]sent // a ring
	n     int       // put into it so far
}

// sent is how many bytes were sent up to a time, and how long the pauses were together.
type sent struct {
	at    time.Time
	bytes int64
	pause time.Duration
}

func (s *sends) add(now time.Time, n int) {
	if since := s.idle(now); since > pauseFrom && s.n > 0 {
		s.total.pause += since
	}
	s.total.at = now
	s.total.bytes += int64(n)
	if s.n == 0 || now.Sub(s.past[(s.n-1)%len(s.past)].at) >= sendsEvery {
		s.past[s.n%len(s.past)] = s.total
		s.n++
	}
}

// idle is how long ago something was sent.
func (s *sends) idle(now time.Time) time.Duration { return now.Sub(s.total.at) }

// until is what was sent up to a time, or as far back as is known.
func (s *sends) until(at time.Time) sent {
	x, kept := s.total, min(s.n, len(s.past))
	for n := 0; x.at.After(at); n++ {
		if n == kept {
			if kept == s.n {
				return sent{} // before the first
			}
			return x
		}
		x = s.past[(s.n-1-n)%len(s.past)]
	}
	if since := at.Sub(x.at); since > pauseFrom && s.n > 0 {
		x.pause += since
	}
	return x
}

// rate is what was sent lately, in bytes a second without the pauses.
func (s *sends) rate(now time.Time) float64 {
	from, to := s.until(now.Add(-lately)), s.until(now)
	d := max(lately-(to.pause-from.pause), lately/4)
	return float64(to.bytes-from.bytes) / d.Seconds()
}
