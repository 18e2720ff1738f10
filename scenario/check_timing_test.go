package scenario_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/scenario"
)

const ms = time.Millisecond

// timed puts one event at a time after histT0 into a history.
type timed struct {
	at   time.Duration
	what string // a state, "synced CHANNEL", "begin FAULT", "ended FAULT"
}

func timedHistory(client string, events ...timed) *scenario.History {
	h := &scenario.History{}
	for _, x := range events {
		e := scenario.Event{At: histT0.Add(x.at), Client: client, Run: 1}
		switch rest := x.what[5:]; x.what[:5] {
		case "begin":
			e.Kind, e.Name, e.Client = scenario.KindFaultBegan, rest[1:], ""
		case "ended":
			e.Kind, e.Name, e.Client = scenario.KindFaultEnded, rest[1:], ""
		case "synce":
			e.Kind, e.Channel = scenario.KindSynced, rest[2:]
		default:
			e.Kind, e.To = scenario.KindState, x.what
		}
		h.Record(e)
	}
	return h
}

func some(d time.Duration) scenario.Span { return scenario.Span{D: d, OK: true} }

var none = scenario.Span{}

// timedCases begin with a client that is connected and synced; the first fault begins a second later.
var timedCases = []struct {
	name                         string
	events                       []timed
	fromEnd                      bool
	detection, reconnect, caught scenario.Span
}{
	{
		"a reset", []timed{
			{1000 * ms, "begin f"},
			{1005 * ms, "reconnecting"},
			{1200 * ms, "connected"},
			{1250 * ms, "synced c1"},
			{1300 * ms, "synced c2"},
		}, false, some(5 * ms), some(200 * ms), some(300 * ms),
	},
	{
		"synced before connected is said", []timed{
			{1000 * ms, "begin f"},
			{1005 * ms, "reconnecting"},
			{1100 * ms, "synced c1"},
			{1100 * ms, "synced c2"},
			{1200 * ms, "connected"},
		}, false, some(5 * ms), some(200 * ms), some(200 * ms),
	},
	{
		"one channel never catches up", []timed{
			{1000 * ms, "begin f"}, {1005 * ms, "reconnecting"}, {1200 * ms, "connected"}, {1250 * ms, "synced c1"},
		}, false, some(5 * ms), some(200 * ms), none,
	},
	{
		"an outage, from its end", []timed{
			{1000 * ms, "begin f"},
			{2000 * ms, "reconnecting"},
			{9000 * ms, "suspended"},
			{31000 * ms, "ended f"},
			{31400 * ms, "connected"},
			{31500 * ms, "synced c1"},
			{31600 * ms, "synced c2"},
		}, true, some(1000 * ms), some(400 * ms), some(600 * ms),
	},
	{
		"an outage that is noticed after its end", []timed{
			{1000 * ms, "begin f"},
			{2000 * ms, "ended f"},
			{2100 * ms, "reconnecting"},
			{2400 * ms, "connected"},
			{2500 * ms, "synced c1"},
			{2600 * ms, "synced c2"},
		}, true, some(1100 * ms), some(400 * ms), some(600 * ms),
	},
	{
		"back before the end", []timed{
			{1000 * ms, "begin f"},
			{1100 * ms, "reconnecting"},
			{1200 * ms, "connected"},
			{1200 * ms, "synced c1"},
			{1200 * ms, "synced c2"},
			{2000 * ms, "ended f"},
		}, true, some(100 * ms), some(0), some(0),
	},
	{
		"back before the end, and gone again", []timed{
			{1000 * ms, "begin f"},
			{1100 * ms, "reconnecting"},
			{1200 * ms, "connected"},
			{1200 * ms, "synced c1"},
			{1200 * ms, "synced c2"},
			{1300 * ms, "reconnecting"},
			{2000 * ms, "ended f"},
			{2300 * ms, "connected"},
			{2300 * ms, "synced c1"},
			{2400 * ms, "synced c2"},
		}, true, some(100 * ms), some(300 * ms), some(400 * ms),
	},
	{
		"lost again before it had caught up", []timed{
			{1000 * ms, "begin f"},
			{1005 * ms, "reconnecting"},
			{1200 * ms, "connected"},
			{1250 * ms, "synced c1"},
			{1260 * ms, "reconnecting"},
			{1500 * ms, "connected"},
			{1550 * ms, "synced c2"},
			{1600 * ms, "synced c1"},
		}, false, some(5 * ms), some(200 * ms), some(600 * ms),
	},
	{"never noticed", []timed{{1000 * ms, "begin f"}, {1500 * ms, "ended f"}}, true, none, none, none},
	{
		"never ended",
		[]timed{{1000 * ms, "begin f"}, {1500 * ms, "reconnecting"}, {1600 * ms, "connected"}},
		true, some(500 * ms), none, none,
	},
	{
		"down already", []timed{
			{900 * ms, "reconnecting"},
			{1000 * ms, "begin f"},
			{1100 * ms, "suspended"},
			{1200 * ms, "connected"},
			{1250 * ms, "synced c1"},
			{1300 * ms, "synced c2"},
		}, false, none, some(200 * ms), some(300 * ms),
	},
	{
		"the next fault comes first", []timed{
			{1000 * ms, "begin f"},
			{1005 * ms, "reconnecting"},
			{1100 * ms, "begin g"},
			{1200 * ms, "connected"},
			{1250 * ms, "synced c1"},
			{1300 * ms, "synced c2"},
		}, false, some(5 * ms), none, none,
	},
}

func TestTimings(t *testing.T) {
	up := []timed{{0, "connected"}, {1 * ms, "synced c1"}, {1 * ms, "synced c2"}}
	for _, tt := range timedCases {
		t.Run(tt.name, func(t *testing.T) {
			h := timedHistory("alice", append(append([]timed(nil), up...), tt.events...)...)
			got := scenario.Timings(h, scenario.TimingOptions{FromEnd: func(string) bool { return tt.fromEnd }})
			if len(got) == 0 || got[0].Fault != "f" || got[0].Client != "alice" {
				t.Fatalf("got %+v", got)
			}
			x := got[0]
			if x.Detection != tt.detection || x.Reconnect != tt.reconnect || x.CatchUp != tt.caught {
				t.Errorf("got detection %v, reconnect %v, caught up %v; want %v, %v, %v",
					x.Detection, x.Reconnect, x.CatchUp, tt.detection, tt.reconnect, tt.caught)
			}
			if want := histT0.Add(1000 * ms); !x.Began.Equal(want) {
				t.Errorf("began %v, want %v", x.Began, want)
			}
		})
	}
}

// TestTimingsClients: a fault concerns the clients that it names, twice the same fault is two, and the channels of a
// client can be given.
func TestTimingsClients(t *testing.T) {
	h := &scenario.History{}
	at := func(d time.Duration, e scenario.Event) { e.At = histT0.Add(d); h.Record(e) }
	for i, client := range []string{"bob", "alice", "carol"} {
		d := time.Duration(i) * ms
		for round := range 2 {
			base := time.Duration(round) * time.Minute
			at(base, scenario.Event{Kind: scenario.KindState, Client: client, To: "connected"})
			at(base+1100*ms+d, scenario.Event{Kind: scenario.KindState, Client: client, To: "reconnecting"})
			at(base+1200*ms+d, scenario.Event{Kind: scenario.KindState, Client: client, To: "connected"})
			at(base+1300*ms+d, scenario.Event{Kind: scenario.KindSynced, Client: client, Channel: "c1"})
			at(base+1400*ms+d, scenario.Event{Kind: scenario.KindSynced, Client: client, Channel: "c2"})
		}
	}
	for round := range 2 {
		for _, client := range []string{"alice", "bob"} {
			base := time.Duration(round)*time.Minute + 1000*ms
			at(base, scenario.Event{Kind: scenario.KindFaultBegan, Name: "cut", Client: client})
			at(base+50*ms, scenario.Event{Kind: scenario.KindFaultEnded, Name: "cut", Client: client})
		}
	}
	got := scenario.Timings(h, scenario.TimingOptions{Channels: map[string][]string{"bob": {"c1"}}})
	want := []struct {
		client  string
		round   int
		catchUp time.Duration
	}{{"alice", 0, 401 * ms}, {"bob", 0, 300 * ms}, {"alice", 1, 401 * ms}, {"bob", 1, 300 * ms}}
	if len(got) != len(want) {
		t.Fatalf("got %d timings, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		began := histT0.Add(time.Duration(w.round)*time.Minute + 1000*ms)
		if got[i].Client != w.client || !got[i].Began.Equal(began) || !got[i].Ended.Equal(began.Add(50*ms)) ||
			got[i].CatchUp != some(w.catchUp) {
			t.Errorf("timing %d: got %+v, want %+v", i, got[i], w)
		}
	}
	sums := scenario.SummarizeFaults(got)
	if len(sums) != 1 || sums[0].Fault != "cut" || sums[0].CatchUp.N != 4 ||
		sums[0].CatchUp.P50 != some(300*ms) || sums[0].CatchUp.P95 != some(401*ms) {
		t.Errorf("got %+v", sums)
	}
}

func TestPercentile(t *testing.T) {
	upTo := func(n int) (ds []time.Duration) {
		for i := n; i >= 1; i-- { // falling: the caller's order doesn't matter
			ds = append(ds, time.Duration(i))
		}
		return ds
	}
	for _, tt := range []struct {
		n    int
		p    float64
		want time.Duration
	}{
		{0, 50, 0},
		{1, 0, 1},
		{1, 50, 1},
		{1, 100, 1},
		{2, 50, 1},
		{2, 50.1, 2},
		{3, 50, 2},
		{4, 50, 2},
		{20, 95, 19},
		{21, 95, 20},
		{30, 95, 29},
		{100, 95, 95},
		{100, 99, 99},
		{1000, 99.9, 999},
		{10, 100, 10},
		{10, 200, 10},
		{10, -5, 1},
	} {
		if got := scenario.Percentile(upTo(tt.n), tt.p); got != tt.want {
			t.Errorf("the %g-th percentile of 1 to %d is %d, want %d", tt.p, tt.n, got, tt.want)
		}
	}
	ds := upTo(3)
	scenario.Percentile(ds, 50)
	if ds[0] != 3 {
		t.Error("Percentile sorted the caller's values")
	}
}

func TestSummary(t *testing.T) {
	var spans []scenario.Span
	for i := 20; i >= 1; i-- {
		spans = append(spans, some(time.Duration(i)*ms), none)
	}
	s := scenario.Summarize(spans)
	if want := (scenario.Summary{N: 20, None: 20, P50: some(10 * ms), P95: some(19 * ms), Max: some(20 * ms)}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if got, want := s.String(), "p50 10ms, p95 19ms, max 20ms (n 20, none 20)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := scenario.Summarize([]scenario.Span{none}).String(), "p50 -, p95 -, max - (n 0, none 1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTimingJSON(t *testing.T) {
	in := scenario.Timing{Fault: "f", Client: "a", Began: histT0, Detection: some(1500 * time.Microsecond), Reconnect: some(0)}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"fault":"f","client":"a","began":"2026-08-01T12:00:00Z","detectionMs":1.5,"reconnectMs":0,"catchUpMs":null}`
	if string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
	var out scenario.Timing
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("got %+v, %v; want %+v", out, err, in)
	}
	if err := json.Unmarshal([]byte(`{"detectionMs":"soon"}`), &out); err == nil {
		t.Error("a span of words was taken")
	}
}
