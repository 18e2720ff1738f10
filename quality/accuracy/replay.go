package accuracy

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// replaying is the set of a replay's seeds, beside those of the matrix.
const replaying Set = 0x7265706c6179

// ErrTooLong says that a trace, repeated, has more than can be played.
var ErrTooLong = errors.New("accuracy: the trace is too long")

// ReplayOptions say how a trace is played. The zero value works.
type ReplayOptions struct {
	Seed   uint64 // repeats what is random: when segments are lost, how late they are, when exchanges begin
	Repeat int    // how many times the trace is played, one after the other. Defaults to 1
}

// Point is what was true, and what was said, at a time of a trace.
type Point struct {
	TMs        float64       `json:"t_ms"` // by the trace's own clock
	Truth      quality.Level `json:"truth"`
	Level      quality.Level `json:"level"`
	Reach      quality.Reach `json:"reach"`
	Confidence float64       `json:"confidence"`
}

// Replayed is how right the answers over a trace were. Shares are 0 to 1.
type Replayed struct {
	Rows     int     `json:"rows"`
	Seed     uint64  `json:"seed"`
	Repeat   int     `json:"repeat"`
	Seconds  float64 `json:"seconds"`  // played
	Accuracy float64 `json:"accuracy"` // share of them in which level and reach were both that of the row
	// SettledSeconds are those that come more than Grace after a change of the truth, and SettledAccuracy is of these. It is nil if there
	// are none, as where each row has another truth.
	SettledSeconds  float64  `json:"settledSeconds"`
	SettledAccuracy *float64 `json:"settledAccuracy"`
	// WindowAccuracy is the share of whole seconds in which the level was that of the Window before: of the median round
	// trip and the mean loss. Where rows are shorter than a few round trips nobody can tell more.
	WindowAccuracy float64 `json:"windowAccuracy"`
	WindowSeconds  float64 `json:"windowSeconds"` // how long a Window is

	Confusion map[quality.Level]map[quality.Level]float64 `json:"confusion"` // all seconds by true level and answer, zeros left out
	Recall    map[quality.Level]float64                   `json:"recall"`    // of each true level, over all seconds
	Changes   int                                         `json:"changes"`   // of the truth

	TimeToOffline TimesFigures `json:"timeToOffline"` // until a blackout was told
	TimeToOnline  TimesFigures `json:"timeToOnline"`  // until the end of one was
	FlapsAnHour   float64      `json:"flapsAnHour"`   // changes of the answer in settled time
	SureShare     float64      `json:"sureShare"`     // of the time in which confidence was 0.95 or more
	Calibration   float64      `json:"calibration"`   // share of that in which the answer was right
	ProbesAnHour  float64      `json:"probesAnHour"`
	BytesAnHour   float64      `json:"bytesAnHour"` // of probes
}

// Replay plays a trace through the laboratory's network, with an exchange a second on average and the effort of a client in
// the foreground, and calls tell each second and at each change of the truth or of the answer, in order of time. An error
// of tell ends it and is returned. The truth is the level of the row that holds, by the table of levels, or offline. The same
// trace and options give the same points.
func Replay(t Trace, o ReplayOptions, tell func(Point) error) (Replayed, error) {
	if o.Repeat == 0 {
		o.Repeat = 1
	}
	switch {
	case len(t.Rows) == 0 || t.Length <= 0:
		return Replayed{}, errors.New("accuracy: the trace is empty")
	case o.Repeat < 0:
		return Replayed{}, fmt.Errorf("accuracy: a trace can't be played %d times", o.Repeat)
	case o.Repeat > MaxTraceRows/len(t.Rows), time.Duration(o.Repeat) > MaxTraceLength/t.Length:
		return Replayed{}, fmt.Errorf("%w: %d times %v and %d rows, at most %v and %d rows can be played", ErrTooLong, o.Repeat, t.Length,
			len(t.Rows), MaxTraceLength, MaxTraceRows)
	}
	path := t.path(o.Repeat)
	truth := path.truth()
	length := time.Duration(o.Repeat) * t.Length
	p := &replay{path: path, truth: truth, start: t.Start, emit: tell, judge: judge{link: truth}}
	c := newClient(path, replaying.rand(o.Seed, streamOurs), quality.NewEstimator(quality.Foreground.Effort()), Usual, false)
	c.tell, c.stop = p.tell, func() bool { return p.err != nil }
	c.run(length)
	if p.err != nil {
		return Replayed{}, p.err
	}
	p.judge.Probes, p.judge.Bytes, p.judge.Segments = c.probes, c.bytes, c.counted
	r := p.result()
	r.Rows, r.Seed, r.Repeat = len(t.Rows), o.Seed, o.Repeat
	return r, nil
}

// replay follows what is said while a trace is played.
type replay struct {
	path, truth *link
	start       time.Duration
	emit        func(Point) error
	err         error

	judge judge
	all   [levels][levels]float64 // seconds by true level and answer
	i     int                     // of the truth's stretch
	told  bool
	last  answer
	tick  time.Duration // the next whole second

	spans                []span // a buffer
	windows, windowRight int
}

// tell takes what was said over a time.
func (p *replay) tell(from, to time.Duration, r quality.Report) {
	if p.err != nil {
		return
	}
	a := answer{r.Level, r.Reach}
	p.judge.tell(from, to, a, r.Confidence)
	for t := from; t < to && p.err == nil; {
		changed := p.advance(t) || !p.told || a != p.last
		if t == p.tick {
			p.tick += time.Second
			changed = true
			p.look(t, a.level)
		}
		if changed {
			p.point(t, r)
			p.told, p.last = true, a
		}
		next := min(to, p.tick, p.ends())
		p.all[p.truth.stretches[p.i].level()][a.level] += (next - t).Seconds()
		t = next
	}
}

// advance goes to the truth of a time, and says whether that is another one.
func (p *replay) advance(t time.Duration) bool {
	if t < p.ends() {
		return false
	}
	p.i++
	return true
}

// ends is when the present truth does.
func (p *replay) ends() time.Duration {
	if p.i+1 == len(p.truth.stretches) {
		return lostTime
	}
	return p.truth.stretches[p.i+1].from
}

// look compares an answer with the Window before.
func (p *replay) look(t time.Duration, level quality.Level) {
	var want quality.Level
	want, p.spans = p.path.windowed(t, p.spans)
	p.windows++
	if level == want {
		p.windowRight++
	}
}

func (p *replay) point(t time.Duration, r quality.Report) {
	p.err = p.emit(Point{
		TMs:   rounded((p.start + t).Seconds() * 1000),
		Truth: p.truth.stretches[p.i].level(), Level: r.Level, Reach: r.Reach, Confidence: rounded(r.Confidence),
	})
}

// rounded leaves three digits after the point.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

func (p *replay) result() Replayed {
	s := &p.judge.Score
	r := Replayed{
		Seconds: rounded(s.Seconds), Accuracy: s.Accuracy(), SettledSeconds: rounded(s.SettledSeconds), Changes: len(p.truth.stretches) - 1,
		WindowAccuracy: ratio(float64(p.windowRight), float64(p.windows)), WindowSeconds: Window.Seconds(),
		Confusion: confusion(&p.all), Recall: map[quality.Level]float64{},
		TimeToOffline: s.Blackout.figures(), TimeToOnline: s.Back.figures(), FlapsAnHour: s.FlapsAnHour(),
		SureShare: ratio(s.Sure, s.Seconds), Calibration: s.Calibration(), ProbesAnHour: s.ProbesAnHour(), BytesAnHour: s.BytesAnHour(),
	}
	if s.SettledSeconds > 0 {
		settled := s.Settled()
		r.SettledAccuracy = &settled
	}
	for l := range p.all {
		if share, ok := recall(p.all[l][:], l); ok {
			r.Recall[quality.Level(l)] = share
		}
	}
	return r
}
