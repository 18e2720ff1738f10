package scenario

import (
	"context"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
)

const (
	// httpEvery makes 20 requests a second.
	httpEvery = 50 * time.Millisecond
	// messagesPath is what the workload asks for.
	messagesPath = "/api/channels/"
)

// httpLimits let one user post what a scenario needs: the server's own limit isn't what these are about.
var httpLimits = server.Limits{MessagesPerSecond: 1000, MessageBurst: 2000}

// onRequests makes a fault's Begin of faults on the client's way to the server.
func onRequests(faults ...faultnet.HTTPFault) func(context.Context, *World, *Client) error {
	return func(_ context.Context, _ *World, c *Client) error { return c.HTTP.Set(faults...) }
}

// atServer makes a fault's Begin or End of faults at the server's door.
func atServer(faults ...faultnet.HTTPFault) func(context.Context, *World, *Client) error {
	return func(_ context.Context, w *World, _ *Client) error { return w.opts.Faults.Set(faults...) }
}

// unanswered are faults by which half of the requests get no answer: an eighth each for the request or the reply lost,
// by a cut or by silence. Each share is of those that the faults before it let through.
func unanswered() []faultnet.HTTPFault {
	return []faultnet.HTTPFault{
		{Name: "request cut", Kind: faultnet.HTTPRequestLost, Share: 1. / 8},
		{Name: "request silent", Kind: faultnet.HTTPRequestLost, Share: 1. / 7, Hang: true},
		{Name: "reply cut", Kind: faultnet.HTTPReplyLost, Share: 1. / 6},
		{Name: "reply silent", Kind: faultnet.HTTPReplyLost, Share: 1. / 5, Hang: true},
	}
}

// tooMany is a fault by which one request is answered with 429, and so asks for a wait of at most 3 s; it lasts until
// those who waited have come.
func tooMany(name string, wait time.Duration, date bool) Fault {
	return Fault{
		Name: name, Lasts: 6 * time.Second, End: atServer(),
		Begin: atServer(faultnet.HTTPFault{
			Kind: faultnet.HTTPStatus, Path: messagesPath, Limit: 1, Status: http.StatusTooManyRequests,
			RetryAfter: wait, RetryAfterDate: date, Name: name,
		}),
	}
}

// httpScenarios are those whose clients talk by HTTP requests alone.
func httpScenarios() []Scenario {
	link := faultnet.Symmetric(50 * time.Millisecond)
	base := Scenario{Link: link, Clients: 1, Every: httpEvery, Warm: 5 * time.Second, Limits: httpLimits}
	with := func(f func(*Scenario)) Scenario {
		s := base
		f(&s)
		return s
	}
	return []Scenario{
		with(func(s *Scenario) {
			s.ID, s.Name = "2", "half of the requests get no answer"
			s.AccessTTL = time.Minute // half of the refreshes get none either
			s.Why = "clients that don't try again lose messages, those that do without care double them"
			s.Faults = []Fault{{Name: "half lost", Lasts: time.Minute, HTTP: HTTPBounds{Hit: 0.45}, Begin: onRequests(unanswered()...), End: onRequests()}}
			s.Thresholds.HTTP = &HTTPThresholds{Done99: 30 * time.Second, Refreshes: -1}
		}),
		with(func(s *Scenario) {
			s.ID, s.Name = "2-503", "half of the requests, then all, are answered with 503"
			s.Why = "clients that try again at once keep an overloaded server down"
			s.Faults = []Fault{
				{
					Name: "half refused", Lasts: 20 * time.Second, HTTP: HTTPBounds{Hit: 0.3, Load: 1.1}, End: atServer(),
					Begin: atServer(faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: messagesPath, Share: 0.5}),
				},
				{
					Name: "all refused", Lasts: 30 * time.Second, End: atServer(), HTTP: HTTPBounds{Hit: 0.9, Load: 1.1},
					Begin: atServer(faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: messagesPath}),
				},
			}
			s.Thresholds.HTTP = &HTTPThresholds{Refreshes: -1}
		}),
		with(func(s *Scenario) {
			s.ID, s.Name, s.Alone = "3", "server down for 30 s", true // 600 messages leave at once in the end
			s.Why = "clients that keep trying delay the server's return, those that give up lose messages"
			s.Faults = []Fault{{
				Name: "server down", Lasts: 30 * time.Second, HTTP: HTTPBounds{OpenWithin: time.Second, DoneWithin: 2 * time.Second},
				Begin: func(ctx context.Context, w *World, c *Client) error {
					c.Link.Update(func(l *faultnet.Conditions) { l.Refused = true }) // a proxy would accept for a server that doesn't
					return w.StopServer(ctx, false)
				},
				End: func(ctx context.Context, w *World, c *Client) error {
					defer c.Link.Heal()
					return w.StartServer(ctx)
				},
			}}
			s.Thresholds.HTTP = &HTTPThresholds{Refreshes: -1}
		}),
		with(func(s *Scenario) {
			s.ID, s.Name = "4", "token expires during requests"
			s.Why = "each of the requests that meet the end of a token asks for a new one, or the user is logged out"
			s.AccessTTL, s.Every = 20*time.Second, 20*time.Millisecond // so that several requests meet the end
			s.Faults = []Fault{{
				Name: "token refused", Lasts: 20 * time.Second, End: atServer(),
				Begin: atServer(faultnet.HTTPFault{Kind: faultnet.HTTPTokenExpired, Path: messagesPath, Limit: 1}),
			}}
			s.Thresholds.HTTP = &HTTPThresholds{Done99: time.Second, Refreshes: 2} // one for that, one at the end of the next
		}),
		with(func(s *Scenario) {
			s.ID, s.Name, s.Gap = "7", "too many requests", 2*time.Second
			s.Why = "clients that come back too early, or all at once, are refused again and again"
			s.Faults = []Fault{
				tooMany("429 with seconds", 3*time.Second, false),
				tooMany("429 with a date", 3*time.Second, true),
				tooMany("429 without", 0, false),
			}
			s.Thresholds.HTTP = &HTTPThresholds{Done99: 10 * time.Second, Refreshes: -1, RetryAfter: true}
		}),
	}
}
