package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

func TestServerTime(t *testing.T) {
	for name, row := range map[string]struct {
		lines []string
		want  time.Duration
	}{
		"none":           {nil, 0},
		"app":            {[]string{"app;dur=12.5"}, 12500 * time.Microsecond},
		"total":          {[]string{"total;dur=3"}, 3 * time.Millisecond},
		"among others":   {[]string{"cache;desc=\"hit\", db;dur=3 , app ; desc=x; DUR = \"7\""}, 7 * time.Millisecond},
		"second line":    {[]string{"db;dur=3", "app;dur=7"}, 7 * time.Millisecond},
		"no duration":    {[]string{"app"}, 0},
		"another's":      {[]string{"db;dur=3"}, 0},
		"negative":       {[]string{"app;dur=-3"}, 0},
		"not a number":   {[]string{"app;dur=NaN, app;dur=x, app;dur=Inf"}, 0},
		"nonsense":       {[]string{"app;dur=1e300", ";;,=;dur=,"}, 0},
		"first that can": {[]string{"app;dur=x, total;dur=2"}, 2 * time.Millisecond},
	} {
		if got := api.ServerTime(http.Header{"Server-Timing": row.lines}); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

// TestAttemptTellsServerTimeAndStrangers: an observer of attempts can tell the server's work from the path, and a portal
// from the server.
func TestAttemptTellsServerTimeAndStrangers(t *testing.T) {
	portal := false
	srv, _ := counted(t, func(w http.ResponseWriter, _ *http.Request) {
		if portal {
			w.WriteHeader(http.StatusNetworkAuthenticationRequired)
			return
		}
		w.Header().Set("Server-Timing", "app;dur=0.25")
		w.WriteHeader(http.StatusNoContent)
	})
	var last api.Attempt
	c := realClient(t, api.Options{MaxAttempts: 1, OnAttempt: func(a api.Attempt) { last = a }})
	for _, reused := range []bool{false, true} {
		res, err := c.HTTP().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if last.Timings.Server != 250*time.Microsecond || last.Foreign || last.Reused != reused {
			t.Errorf("the server's answer: %+v", last)
		}
	}
	portal = true
	res, err := c.HTTP().Get(srv.URL)
	if err == nil {
		_ = res.Body.Close()
	}
	if !last.Foreign || last.Timings.Server != 0 {
		t.Errorf("a portal's answer: %+v, %v", last, err)
	}
}
