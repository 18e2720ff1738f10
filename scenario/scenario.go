package scenario

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
)

// Scenario is one failure that users meet, with what has to hold in it. It is data: the runner gives it a clock.
type Scenario struct {
	ID   string // stable; what `chatsdk suite run` takes
	Name string
	Why  string // what users see where it isn't handled

	Link    faultnet.Conditions // of every client, all the time
	Clients int                 // how many talk; defaults to 2
	Every   time.Duration       // pause between two messages of a client; defaults to 1s
	Warm    time.Duration       // talk before the first fault; defaults to 10s, in which the path is learnt
	Faults  []Fault             // one after the other; the first client's link has them
	Gap     time.Duration       // talk between faults and after the last; defaults to 5s

	Files     bool          // the server takes uploads, and requests are recorded as they arrive
	Limits    server.Limits // of the server; zero fields are its defaults
	AccessTTL time.Duration // of the server's access tokens; 0 is its default

	// Alone says that it keeps the machine busy, so that on real sockets nothing is measured beside it.
	Alone bool

	// Play is a story of its own in place of clients that talk through Faults, or nil. dir is an empty folder for what
	// it keeps. It adds to r what it measures; what the history shows is judged after it.
	Play func(ctx context.Context, w *World, s Scenario, r *Report, dir string) error

	Thresholds Thresholds
}

// Fault is one thing that goes wrong.
type Fault struct {
	Name  string
	Lasts time.Duration // from Begin to End; 0 means that it is over at once
	// Begin makes it and End, unless nil, ends it.
	Begin, End func(ctx context.Context, w *World, c *Client) error
	// FromEnd counts the recovery from the end of the fault: nothing can be done before.
	FromEnd bool
	// HTTP is what has to hold around it where clients talk by HTTP alone; they wait for no recovery.
	HTTP HTTPBounds
	// Unnoticed says that the connection is expected to live through it, and no message to be sent twice.
	Unnoticed bool
}

// Thresholds are what has to hold. Nothing lost, doubled, reordered or left out holds always.
type Thresholds struct {
	AckWithin     time.Duration // each message, from Send to the client's report; 0 means not asked
	CatchUpWithin time.Duration // after each fault; 0 means not asked
	Reconnects    int           // most connections after the first, of each client; -1 means not asked
	Resends       int           // most transmissions after the first of any message; -1 means not asked
	Dials         int           // most connections begun by each client in virtual time, those of HTTP included; 0 means not asked

	// HTTP makes the clients talk by HTTP requests alone, without a connection, and is then all that is asked; or nil.
	HTTP *HTTPThresholds
}

func (s Scenario) withDefaults() Scenario {
	if s.Clients <= 0 {
		s.Clients = 2
	}
	if s.Every <= 0 {
		s.Every = time.Second
	}
	if s.Warm <= 0 {
		s.Warm = 10 * time.Second
	}
	if s.Gap <= 0 {
		s.Gap = 5 * time.Second
	}
	return s
}

// onLink makes a fault's Begin or End of a change to the client's link.
func onLink(f func(*faultnet.Link)) func(context.Context, *World, *Client) error {
	return func(_ context.Context, _ *World, c *Client) error {
		f(c.Link)
		return nil
	}
}

// The faults that several scenarios and the demo share.
var (
	faultReset = Fault{Name: "reset", Begin: onLink((*faultnet.Link).Reset)}

	faultSilentDrop = Fault{
		Name:  "silent drop",
		Begin: onLink(func(l *faultnet.Link) { l.Strand(true, true) }),
	}
	faultHalfOpenUp = Fault{
		Name:  "half-open up",
		Begin: onLink(func(l *faultnet.Link) { l.Strand(true, false) }),
	}
	faultHalfOpenDown = Fault{
		Name:  "half-open down",
		Begin: onLink(func(l *faultnet.Link) { l.Strand(false, true) }),
	}
)

// All returns the scenarios in the order of their ids. The slice is the caller's.
func All() []Scenario {
	all := []Scenario{
		{
			ID: "1", Name: "slow network",
			Why:        "over a satellite or a full cell, clients with fixed timeouts never connect, or send twice",
			Link:       faultnet.Symmetric(500 * time.Millisecond),
			Warm:       20 * time.Second,
			Thresholds: Thresholds{AckWithin: 2 * time.Second, Dials: 2},
		},
		{
			ID: "1-hard", Name: "very slow network",
			Why:        "500 ms each way is 1 s for each round trip: even one needless trip is felt",
			Link:       faultnet.Symmetric(time.Second),
			Warm:       20 * time.Second,
			Thresholds: Thresholds{AckWithin: 2 * time.Second, Dials: 2},
		},
		{
			ID: "5", Name: "WebSocket lost",
			Why:        "a dead connection that looks alive shows nothing new for 20 s to minutes",
			Link:       faultnet.Symmetric(100 * time.Millisecond),
			Faults:     []Fault{faultReset, faultSilentDrop, faultHalfOpenUp, faultHalfOpenDown},
			Thresholds: Thresholds{CatchUpWithin: 2 * time.Second, Reconnects: 4, Resends: -1},
		},
	}
	all = slices.Concat(all, httpScenarios(), airplane(), uploadScenarios())
	slices.SortStableFunc(all, func(a, b Scenario) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Find returns the scenario with the id.
func Find(id string) (Scenario, bool) {
	for _, s := range All() {
		if s.ID == id {
			return s, true
		}
	}
	return Scenario{}, false
}
