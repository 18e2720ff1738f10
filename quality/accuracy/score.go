package accuracy

import (
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

const (
	// Grace is the time after each change of the truth that settled accuracy leaves out.
	Grace = 15 * time.Second

	levels  = int(quality.Offline) + 1
	reaches = int(quality.ReachOffline) + 1

	// sure is the confidence from which an answer counts for Calibration.
	sure = 0.95
)

// Score says how right somebody was. Times are in seconds of the simulated links.
type Score struct {
	Seconds, Right               float64 // all, and of these those in which level and reach were both right
	SettledSeconds, SettledRight float64 // the same without Grace after each change
	ReachRight                   float64 // settled seconds in which the reach was right, whatever the level
	WithinOne                    float64 // settled seconds in which the reach was right, and the level at most one off

	Level [levels][levels]float64   // settled seconds by true level and answer
	Reach [reaches][reaches]float64 // settled seconds by true reach and answer

	Blackout Times // until an outage is called offline, if nobody told
	Near     Times // of these, where the round trip before was under 300 ms
	Back     Times // until the end of an outage is called online
	BackNear Times // of these, where the round trip after is under 300 ms
	Away     Times // until a portal or a dead server is told by its name
	Worse    Times // until a worse level is told
	Better   Times // until a better one is

	Flaps int // changes of the answer while the truth was settled

	Sure, SureRight float64 // seconds of answers with a confidence of 0.95 or more, and those that were right
	// CalledOffline is the settled and unsettled seconds in which a portal or a dead server was called offline, by level or reach.
	CalledOffline float64

	Probes int   // made
	Bytes  int64 // that they took

	Segments int // of connections, that were counted at either end
}

// Times are the times that something took, in seconds, sorted.
type Times []float64

func (t *Times) add(d time.Duration) {
	i, _ := slices.BinarySearch(*t, d.Seconds())
	*t = slices.Insert(*t, i, d.Seconds())
}

// P is the time that a share of them didn't exceed; 0 if there are none.
func (t Times) P(share float64) float64 {
	if len(t) == 0 {
		return 0
	}
	return t[min(len(t)-1, int(share*float64(len(t))))]
}

// Accuracy is the share of time in which level and reach were both right.
func (s *Score) Accuracy() float64 { return ratio(s.Right, s.Seconds) }

// Settled is the same without Grace after each change.
func (s *Score) Settled() float64 { return ratio(s.SettledRight, s.SettledSeconds) }

// FlapsAnHour of settled time.
func (s *Score) FlapsAnHour() float64 { return ratio(float64(s.Flaps)*3600, s.SettledSeconds) }

// ProbesAnHour and BytesAnHour are what was spent.
func (s *Score) ProbesAnHour() float64 { return ratio(float64(s.Probes)*3600, s.Seconds) }

// BytesAnHour of probes.
func (s *Score) BytesAnHour() float64 { return ratio(float64(s.Bytes)*3600, s.Seconds) }

// Calibration is the share of answers with a confidence of 0.95 or more that were right.
func (s *Score) Calibration() float64 { return ratio(s.SureRight, s.Sure) }

// LevelRecall is the share of settled time with a true level in which it was told; ok is false if there was none.
func (s *Score) LevelRecall(l quality.Level) (share float64, ok bool) {
	return recall(s.Level[l][:], int(l))
}

// ReachRecall is the same for reach.
func (s *Score) ReachRecall(r quality.Reach) (share float64, ok bool) {
	return recall(s.Reach[r][:], int(r))
}

func recall(row []float64, at int) (float64, bool) {
	sum := 0.0
	for _, x := range row {
		sum += x
	}
	return ratio(row[at], sum), sum > 0
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Add puts two scores together.
func (s *Score) Add(o *Score) {
	for _, f := range [...]struct{ a, b *float64 }{
		{&s.Seconds, &o.Seconds},
		{&s.Right, &o.Right},
		{&s.SettledSeconds, &o.SettledSeconds},
		{&s.SettledRight, &o.SettledRight},
		{&s.ReachRight, &o.ReachRight},
		{&s.WithinOne, &o.WithinOne},
		{&s.Sure, &o.Sure},
		{&s.SureRight, &o.SureRight},
		{&s.CalledOffline, &o.CalledOffline},
	} {
		*f.a += *f.b
	}
	for i := range s.Level {
		for j := range s.Level[i] {
			s.Level[i][j] += o.Level[i][j]
		}
	}
	for i := range s.Reach {
		for j := range s.Reach[i] {
			s.Reach[i][j] += o.Reach[i][j]
		}
	}
	for _, t := range [...]struct{ a, b *Times }{
		{&s.Blackout, &o.Blackout},
		{&s.Near, &o.Near},
		{&s.Back, &o.Back},
		{&s.BackNear, &o.BackNear},
		{&s.Away, &o.Away},
		{&s.Worse, &o.Worse},
		{&s.Better, &o.Better},
	} {
		*t.a = append(*t.a, *t.b...)
		slices.Sort(*t.a)
	}
	s.Flaps, s.Probes, s.Bytes, s.Segments = s.Flaps+o.Flaps, s.Probes+o.Probes, s.Bytes+o.Bytes, s.Segments+o.Segments
}

// judge compares answers with the truth as time goes by.
type judge struct {
	Score
	link *link
	i    int
	seen bool // the truth of the present stretch was told
	last answer
	any  bool
}

// answer is what somebody says.
type answer struct {
	level quality.Level
	reach quality.Reach
}

// tell takes what was said over a time.
func (j *judge) tell(from, to time.Duration, a answer, confidence float64) {
	for from < to {
		s := &j.link.stretches[j.i]
		end := lostTime
		if j.i+1 < len(j.link.stretches) {
			end = j.link.stretches[j.i+1].from
		}
		if from >= end {
			j.miss(end)
			j.i, j.seen = j.i+1, false
			continue
		}
		stop := min(to, end)
		settled := s.from + Grace
		if from < settled && settled < stop {
			stop = settled
		}
		j.first(s, from, a)
		j.count(s, stop-from, from >= settled, a, confidence)
		if j.any && a != j.last && from > settled {
			j.Flaps++
		}
		j.last, j.any = a, true
		from = stop
	}
}

func (j *judge) count(s *stretch, d time.Duration, settled bool, a answer, confidence float64) {
	sec := d.Seconds()
	right := a.level == s.level() && a.reach == s.reach
	j.Seconds += sec
	if right {
		j.Right += sec
	}
	if confidence >= sure {
		j.Sure += sec
		if right {
			j.SureRight += sec
		}
	}
	if (s.reach == quality.ReachCaptive || s.reach == quality.ReachServerDown) &&
		(a.level == quality.Offline || a.reach == quality.ReachOffline) {
		j.CalledOffline += sec
	}
	if !settled {
		return
	}
	j.SettledSeconds += sec
	j.Level[s.level()][a.level] += sec
	j.Reach[s.reach][a.reach] += sec
	if right {
		j.SettledRight += sec
	}
	if a.reach == s.reach {
		j.ReachRight += sec
		if off := a.level - s.level(); off >= -1 && off <= 1 {
			j.WithinOne += sec
		}
	}
}

// first notes when the truth of a stretch was told first.
func (j *judge) first(s *stretch, at time.Duration, a answer) {
	reached := a.reach == s.reach
	if j.seen || j.i == 0 || !reached || j.before().reach == quality.ReachOnline && a.level != s.level() {
		return
	}
	j.seen = true
	j.took(s, at-s.from)
}

// miss notes a stretch that ended untold.
func (j *judge) miss(end time.Duration) {
	if s := &j.link.stretches[j.i]; !j.seen && j.i > 0 {
		j.took(s, end-s.from)
	}
}

func (j *judge) before() *stretch { return &j.link.stretches[j.i-1] }

func (j *judge) took(s *stretch, d time.Duration) {
	const near = 300 * time.Millisecond
	before := j.before()
	switch {
	case s.reach == quality.ReachOffline:
		if !s.told {
			j.Blackout.add(d)
			if before.rtt < near {
				j.Near.add(d)
			}
		}
	case s.reach != quality.ReachOnline:
		j.Away.add(d)
	case before.reach == quality.ReachOffline:
		j.Back.add(d)
		if s.rtt < near {
			j.BackNear.add(d)
		}
	case before.reach != quality.ReachOnline:
	case s.level() > before.level():
		j.Worse.add(d)
	case s.level() < before.level():
		j.Better.add(d)
	}
}
