package accuracy

import (
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// Setting is one cell of the matrix.
type Setting struct {
	Cause   Cause
	Traffic Traffic
	Profile quality.Profile
	// NoCounters leaves out what sockets and the server count: late answers alone tell of loss then.
	NoCounters bool `json:",omitzero"`
	// Model is how the link varies. Others than Familiar are what the estimator doesn't expect.
	Model Model `json:",omitzero"`
}

// String names the cell.
func (s Setting) String() string {
	name := s.Cause.String() + ", " + s.Traffic.String() + ", " + s.Profile.String()
	if s.NoCounters {
		name += ", no counters"
	}
	if s.Model != Familiar {
		name += ", " + s.Model.String()
	}
	return name
}

// Matrix is every cause with every traffic in both profiles.
func Matrix() []Setting {
	var all []Setting
	for cause := range causes {
		for t := range traffic {
			for _, p := range [...]quality.Profile{quality.Foreground, quality.Background} {
				all = append(all, Setting{Cause: cause, Traffic: t, Profile: p})
			}
		}
	}
	return all
}

// OffModel is what the estimator doesn't expect: round trips and blackouts, an exchange a second in the foreground, on links
// that vary otherwise, or change more or less often, than those that its numbers were chosen by.
func OffModel() []Setting {
	var all []Setting
	for m := Familiar + 1; m < models; m++ {
		for _, cause := range [...]Cause{Latency, Blackout} {
			all = append(all, Setting{Cause: cause, Traffic: Usual, Profile: quality.Foreground, Model: m})
		}
	}
	return all
}

// Result is what came out for a setting.
type Result struct {
	Setting
	Set       string
	Runs      int
	Ours      Score
	Sketch    Score
	Commonest Score
}

// Add puts results of several settings, or of more runs, together.
func (r *Result) Add(o *Result) {
	r.Runs += o.Runs
	r.Ours.Add(&o.Ours)
	r.Sketch.Add(&o.Sketch)
	r.Commonest.Add(&o.Commonest)
}

// Measure plays runs of a length each, with the seeds of a set from one on. The same arguments give the same result.
func Measure(set Set, s Setting, first uint64, runs int, length time.Duration) Result {
	r := Result{Setting: s, Set: set.String(), Runs: runs}
	links := make([]*link, runs)
	for n := range runs {
		run := first + uint64(n)
		links[n] = newLink(set.rand(run, streamLink), s.Cause, s.Model, length)
		ours := playOurs(set, run, s, links[n], length)
		r.Ours.Add(&ours)
		sketch := playSketch(set, run, links[n], length)
		r.Sketch.Add(&sketch)
	}
	usual := commonest(links, length)
	for _, l := range links {
		j := judge{link: l}
		j.tell(0, length, usual, 0)
		r.Commonest.Add(&j.Score)
	}
	return r
}

func playOurs(set Set, run uint64, s Setting, l *link, length time.Duration) Score {
	c := newClient(l, set.rand(run, streamOurs), quality.NewEstimator(s.Profile.Effort()), s.Traffic, s.Profile == quality.Background)
	if s.NoCounters {
		c.filter = func(s quality.Sample) (quality.Sample, bool) {
			return s, s.Kind != quality.KindSocket && s.Kind != quality.KindPeer
		}
	}
	j := judge{link: l}
	c.tell = func(from, to time.Duration, r quality.Report) {
		j.tell(from, to, answer{r.Level, r.Reach}, r.Confidence)
	}
	c.run(length)
	j.Probes, j.Bytes, j.Segments = c.probes, c.bytes, c.counted
	return j.Score
}

func playSketch(set Set, run uint64, l *link, length time.Duration) Score {
	s := newSketch(l, set.rand(run, streamSketch))
	j := judge{link: l}
	s.tell = func(from, to time.Duration, level quality.Level, reach quality.Reach) {
		j.tell(from, to, answer{level, reach}, 0)
	}
	s.run(length)
	return j.Score
}

// commonest is the truth that holds for most of the settled time.
func commonest(links []*link, length time.Duration) (most answer) {
	times := map[answer]time.Duration{}
	for _, l := range links {
		for i, s := range l.stretches {
			end := length
			if i+1 < len(l.stretches) {
				end = l.stretches[i+1].from
			}
			times[answer{s.level(), s.reach}] += end - s.from
		}
	}
	for l := range levels {
		for r := range reaches {
			if a := (answer{quality.Level(l), quality.Reach(r)}); times[a] > times[most] {
				most = a
			}
		}
	}
	return most
}
