package scenario_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/scenario"
)

// second makes moments of the record that the checks are tried on: one fault from 10 s to 20 s.
func second(n float64) time.Time {
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n * float64(time.Second)))
}

// goodHTTP is a record in which everything holds: 30 s of two messages a second, a 429 that is obeyed, a circuit that
// opens and closes, one refresh.
func goodHTTP() scenario.HTTPView {
	v := scenario.HTTPView{
		RTT: 100 * time.Millisecond,
		Faults: []scenario.HTTPWindow{{
			Name: "f", From: second(10), To: second(20), Requests: 20, Met: 10,
			Bounds: scenario.HTTPBounds{Hit: 0.5, Load: 1.1, OpenWithin: time.Second, DoneWithin: 2 * time.Second},
		}},
		Circuits: []scenario.HTTPCircuit{{At: second(10.5), To: "open"}, {At: second(20.5), To: "closed"}},
		Sessions: []scenario.HTTPSession{{At: second(0), Client: "ada", State: "fresh"}},
	}
	for i := range 600 {
		at := second(float64(i) / 20)
		v.Calls = append(v.Calls, scenario.HTTPCall{Client: "ada", ID: "x", Began: at, Ended: at.Add(100 * time.Millisecond)})
		if i%2 == 0 {
			v.Arrivals = append(v.Arrivals, scenario.HTTPArrival{At: at, Answered: at, Path: "/api/channels/general/messages", Status: 201})
		}
	}
	v.Arrivals = append(v.Arrivals, scenario.HTTPArrival{At: second(3), Answered: second(3), Path: "/api/auth/refresh", Status: 200})
	refused := scenario.HTTPArrival{At: second(40), Answered: second(40), Path: "/api/channels/general/messages", Status: 429}
	for _, s := range []struct{ after, retryAfter string }{{"seconds", "3"}, {"a date", second(53).Format(http.TimeFormat)}, {"none", ""}} {
		refused.RetryAfter = s.retryAfter
		v.Arrivals = append(v.Arrivals, refused)
		refused.At, refused.Answered = refused.At.Add(10*time.Second), refused.At.Add(10*time.Second)
	}
	return v
}

var thresholdsHTTP = scenario.HTTPThresholds{Done99: time.Second, Refreshes: 1, RetryAfter: true}

// TestHTTPChecksFindWhatIsPlanted breaks the good record in one place each: the check that is there for it says so, and
// no other.
func TestHTTPChecksFindWhatIsPlanted(t *testing.T) {
	good := goodHTTP()
	if got := good.Check(thresholdsHTTP); len(got) > 0 {
		t.Fatalf("the good record: %q", got)
	}
	message := func(at time.Time) scenario.HTTPArrival {
		return scenario.HTTPArrival{At: at, Answered: at, Path: "/api/channels/general/messages", Status: 201}
	}
	arrive := func(at ...float64) func(*scenario.HTTPView) {
		return func(v *scenario.HTTPView) {
			for _, n := range at {
				v.Arrivals = append(v.Arrivals, message(second(n)))
			}
		}
	}
	for name, row := range map[string]struct {
		plant func(*scenario.HTTPView)
		want  string
	}{
		"not done":       {func(v *scenario.HTTPView) { v.Calls[7].Ended = time.Time{} }, "1 of 600 messages aren't done"},
		"given up":       {func(v *scenario.HTTPView) { v.Calls[7].Err = "no" }, "1 of 600 messages aren't done"},
		"no messages":    {func(v *scenario.HTTPView) { v.Calls, v.Faults = nil, nil }, "shows nothing"},
		"one in 66 slow": {slow(3), "197 of 200"},
		"logged out":     {func(v *scenario.HTTPView) { v.Sessions[0].Over = true }, "ada was logged out"},
		"two refreshes":  {func(v *scenario.HTTPView) { v.Arrivals = append(v.Arrivals, v.Arrivals[300]) }, "2 requests for new tokens arrived, 1 are needed"},
		"no refresh":     {func(v *scenario.HTTPView) { v.Arrivals = slices.Delete(v.Arrivals, 300, 301) }, "0 requests for new tokens"},
		"no fault":       {func(v *scenario.HTTPView) { v.Faults[0].Met = 9 }, "9 of 20 requests met it"},
		"overload": {func(v *scenario.HTTPView) {
			v.Arrivals = append(v.Arrivals, slices.Repeat([]scenario.HTTPArrival{message(second(12))}, 121)...)
		}, "221 requests arrived for 200"},
		"never opened":     {func(v *scenario.HTTPView) { v.Circuits = v.Circuits[1:] }, "opened after never"},
		"opened late":      {func(v *scenario.HTTPView) { v.Circuits[0].At = second(11.1) }, "opened after 1.1s"},
		"never closed":     {func(v *scenario.HTTPView) { v.Circuits = v.Circuits[:1] }, "closed never after the end"},
		"closed late":      {func(v *scenario.HTTPView) { v.Circuits[1].At = second(22.1) }, "closed 2.1s after the end"},
		"done late":        {slow(1), "done 2.55s after the end"},
		"early, seconds":   {arrive(42.9), `100ms before the time that a 429 with Retry-After "3"`},
		"early, date":      {arrive(52.9), `Retry-After "Sat, 01 Jan 2000`},
		"early, none":      {arrive(60.9), `Retry-After ""`},
		"a crowd":          {arrive(43, 43.01, 43.02, 43.03), `4 requests arrived at once after a 429 with Retry-After "3"`},
		"nothing was held": {func(v *scenario.HTTPView) { v.Arrivals = v.Arrivals[:301] }, "no request was answered with 429"},
	} {
		t.Run(name, func(t *testing.T) {
			v := goodHTTP()
			row.plant(&v)
			if got := v.Check(thresholdsHTTP); len(got) != 1 || !strings.Contains(got[0], row.want) {
				t.Errorf("the check says %q, want %q alone", got, row.want)
			}
		})
	}
	allowed := goodHTTP()
	arrive(40.15, 43, 43.2, 53, 61)(&allowed) // on its way when the 429 came, and in time
	if got := allowed.Check(thresholdsHTTP); len(got) > 0 {
		t.Errorf("what is allowed: %q", got)
	}
}

// TestReportSaysHowAnOutageWentBy asks the report for the three times of a fault that has a bound.
func TestReportSaysHowAnOutageWentBy(t *testing.T) {
	v := goodHTTP()
	want := v.Summary().Outages
	if len(want) != 1 || want[0].OpenedNS <= 0 || want[0].ClosedNS <= 0 || want[0].LimitNS != 2*time.Second {
		t.Fatalf("%+v", want)
	}
	slow(1)(&v)
	if got := v.Summary().Outages[0]; got.DoneNS <= want[0].DoneNS || got.ClosedNS != want[0].ClosedNS {
		t.Errorf("with a late message %+v, without %+v", got, want[0])
	}
	v.Circuits = nil
	r := scenario.Report{HTTP: v.Summary()}
	if text := r.String(); !strings.Contains(text, "closed 0s") || r.HTTP.Outages[0].OpenedNS != 0 {
		t.Errorf("without a circuit:\n%s", text)
	}
}

// TestRefreshRateCountsWhatWasNeeded takes requests that failed for tries of the refresh that they were for.
func TestRefreshRateCountsWhatWasNeeded(t *testing.T) {
	var total scenario.HTTPReport
	if got := total.RefreshRate(); got != "" {
		t.Errorf("without any: %q", got)
	}
	for _, tries := range []string{"ada ok, ada no, ada no, ada ok", "ada ok, grace no, ada ok, grace no"} {
		var v scenario.HTTPView
		for try := range strings.SplitSeq(tries, ", ") {
			client, result, _ := strings.Cut(try, " ")
			v.Refreshes = append(v.Refreshes, scenario.HTTPRefresh{Client: client, OK: result == "ok"})
		}
		total.Add(*v.Summary())
	}
	if got, want := total.RefreshRate(), "token refreshes that succeeded: 4 of 5 (80.0%), in 8 requests"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// slow makes the last messages of the fault late: 2.6 s.
func slow(n int) func(*scenario.HTTPView) {
	return func(v *scenario.HTTPView) {
		for i := range n {
			c := &v.Calls[399-i]
			c.Ended = c.Began.Add(2600 * time.Millisecond)
			if n > 1 {
				c.Ended = c.Began.Add(1500 * time.Millisecond)
			}
		}
	}
}
