package accuracy

import "github.com/chatsdk/chatsdk/quality"

// Figures are a Score as JSON tells it. Shares are 0 to 1, times in seconds; what has no time, such as the recall of a level
// that didn't occur, is left out.
type Figures struct {
	Seconds        float64 `json:"seconds"`
	Accuracy       float64 `json:"accuracy"` // unsettled: changes and what they take to be seen count
	SettledSeconds float64 `json:"settledSeconds"`
	Settled        float64 `json:"settled"`
	WithinOne      float64 `json:"withinOne"` // settled, with the right reach and a level one off at most
	SettledReach   float64 `json:"settledReach"`

	LevelRecall    map[quality.Level]float64                   `json:"levelRecall"`
	ReachRecall    map[quality.Reach]float64                   `json:"reachRecall"`
	LevelConfusion map[quality.Level]map[quality.Level]float64 `json:"levelConfusion"` // settled seconds by truth and answer
	ReachConfusion map[quality.Reach]map[quality.Reach]float64 `json:"reachConfusion"`

	Times map[string]TimesFigures `json:"times"` // to detect, by what there was to detect

	FlapsAnHour    float64 `json:"flapsAnHour"`
	SureShare      float64 `json:"sureShare"`     // of the time in which confidence was 0.95 or more
	Calibration    float64 `json:"calibration"`   // share of that in which the answer was right
	CalledOffline  float64 `json:"calledOffline"` // seconds in which a portal or a dead server was
	ProbesAnHour   float64 `json:"probesAnHour"`
	BytesAnHour    float64 `json:"bytesAnHour"`
	SegmentsASec   float64 `json:"segmentsASecond"` // that the client and the server counted
	UnknownSeconds float64 `json:"unknownSeconds"`  // settled, in which the level could be known and wasn't
}

// TimesFigures are Times as JSON tells them.
type TimesFigures struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
}

func (t Times) figures() TimesFigures {
	return TimesFigures{len(t), rounded(t.P(0.5)), rounded(t.P(0.95))}
}

// Figures returns the score as JSON tells it.
func (s *Score) Figures() Figures {
	f := Figures{
		Seconds: s.Seconds, Accuracy: s.Accuracy(), SettledSeconds: s.SettledSeconds, Settled: s.Settled(),
		WithinOne: ratio(s.WithinOne, s.SettledSeconds), SettledReach: ratio(s.ReachRight, s.SettledSeconds),
		LevelRecall: map[quality.Level]float64{}, ReachRecall: map[quality.Reach]float64{},
		LevelConfusion: confusion(&s.Level), ReachConfusion: map[quality.Reach]map[quality.Reach]float64{},
		Times: map[string]TimesFigures{
			"offline": s.Blackout.figures(), "offlineNear": s.Near.figures(), "back": s.Back.figures(), "backNear": s.BackNear.figures(),
			"away": s.Away.figures(), "worse": s.Worse.figures(), "better": s.Better.figures(),
		},
		FlapsAnHour: s.FlapsAnHour(), SureShare: ratio(s.Sure, s.Seconds), Calibration: s.Calibration(), CalledOffline: s.CalledOffline,
		ProbesAnHour: s.ProbesAnHour(), BytesAnHour: s.BytesAnHour(), SegmentsASec: ratio(float64(s.Segments), s.Seconds),
	}
	for l := quality.Excellent; l <= quality.Offline; l++ {
		if share, ok := s.LevelRecall(l); ok {
			f.LevelRecall[l] = share
			f.UnknownSeconds += s.Level[l][quality.Unknown]
		}
	}
	if share, ok := s.LevelRecall(quality.Unknown); ok { // behind a portal, and without a server
		f.LevelRecall[quality.Unknown] = share
	}
	for r := range s.Reach {
		if share, ok := s.ReachRecall(quality.Reach(r)); ok {
			f.ReachRecall[quality.Reach(r)] = share
			f.ReachConfusion[quality.Reach(r)] = named[quality.Reach](s.Reach[r][:])
		}
	}
	return f
}

// confusion is a matrix of levels without the rows and cells that are empty.
func confusion(m *[levels][levels]float64) map[quality.Level]map[quality.Level]float64 {
	out := map[quality.Level]map[quality.Level]float64{}
	for l := range m {
		if row := named[quality.Level](m[l][:]); len(row) > 0 {
			out[quality.Level(l)] = row
		}
	}
	return out
}

func named[T ~int](row []float64) map[T]float64 {
	out := map[T]float64{}
	for i, x := range row {
		if x > 0 {
			out[T(i)] = rounded(x)
		}
	}
	return out
}
