package scenario

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"time"
)

// stateConnected is the word for a connection that is up.
const stateConnected = "connected"

// Span is a measured duration, or none: OK is false where the thing didn't happen. Its JSON is milliseconds or null.
type Span struct {
	D  time.Duration
	OK bool
}

// MarshalJSON writes milliseconds with their fraction, or null.
func (s Span) MarshalJSON() ([]byte, error) {
	if !s.OK {
		return []byte("null"), nil
	}
	return json.Marshal(float64(s.D) / float64(time.Millisecond))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Span) UnmarshalJSON(b []byte) error {
	var ms *float64
	if err := json.Unmarshal(b, &ms); err != nil {
		return err
	}
	*s = Span{}
	if ms != nil {
		*s = Span{D: time.Duration(math.Round(*ms * float64(time.Millisecond))), OK: true}
	}
	return nil
}

// String is the duration in milliseconds precision, or "-".
func (s Span) String() string {
	if !s.OK {
		return "-"
	}
	return s.D.Round(time.Millisecond).String()
}

// Timing is what one fault did to one client.
type Timing struct {
	Fault  string    `json:"fault"`
	Client string    `json:"client"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"` // zero if the fault was one of an instant, or never ended

	// Detection is from the fault's beginning to the first change away from connected. None if the client wasn't
	// connected then, or never noticed.
	Detection Span `json:"detectionMs"`
	// Reconnect is from the base to connected again, 0 if the client was connected again before the base.
	Reconnect Span `json:"reconnectMs"`
	// CatchUp is from the base to the first moment at which the client is connected and every channel was reported as
	// synced since it last lost the connection. 0 if that was so before the base, and still is.
	CatchUp Span `json:"catchUpMs"`
}

// TimingOptions says how Timings counts.
type TimingOptions struct {
	// FromEnd names the faults that are outages: their Reconnect and CatchUp are counted from the end of the fault, of
	// all others from its beginning. nil means none is.
	FromEnd func(fault string) bool
	// Channels are those a client has to be synced with. nil, or nothing for a client, means all that it ever reported
	// as synced.
	Channels map[string][]string
}

// Timings measures each fault for each client that it concerns and that has recorded changes of state, in the order
// of the faults, clients by name. A fault is measured up to the beginning of the next one that concerns the client:
// what wasn't reached by then isn't OK.
func Timings(h *History, opts TimingOptions) []Timing {
	events := slices.Clone(h.view())
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	byClient, channels := map[string][]Event{}, map[string]map[string]bool{}
	for _, e := range events {
		if e.Client == "" || (e.Kind != KindState && e.Kind != KindSynced) {
			continue
		}
		byClient[e.Client] = append(byClient[e.Client], e)
		if e.Kind == KindSynced {
			if channels[e.Client] == nil {
				channels[e.Client] = map[string]bool{}
			}
			channels[e.Client][e.Channel] = true
		}
	}
	for client, names := range opts.Channels {
		if len(names) > 0 {
			channels[client] = map[string]bool{}
			for _, n := range names {
				channels[client][n] = true
			}
		}
	}
	windows := faultWindows(events)
	var out []Timing
	for i, w := range windows {
		fromEnd := opts.FromEnd != nil && opts.FromEnd(w.name)
		for _, client := range sortedKeys(byClient) {
			if !w.concerns(client) {
				continue
			}
			m := meter{w: w, fromEnd: fromEnd, limit: nextFault(windows[i+1:], w, client), channels: channels[client]}
			out = append(out, m.measure(client, byClient[client]))
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// faultWindow is one fault, from its beginning to its end.
type faultWindow struct {
	name, client string
	began, ended time.Time // ended is zero if it never did
}

func (w faultWindow) concerns(client string) bool { return w.client == "" || w.client == client }

// faultWindows pairs beginnings and ends, the oldest open one first.
func faultWindows(events []Event) []faultWindow {
	var ws []faultWindow
	for _, e := range events {
		if e.Kind == KindFaultBegan {
			ws = append(ws, faultWindow{name: e.Name, client: e.Client, began: e.At})
		}
		if e.Kind != KindFaultEnded {
			continue
		}
		i := slices.IndexFunc(ws, func(w faultWindow) bool {
			return w.name == e.Name && w.client == e.Client && w.ended.IsZero()
		})
		if i >= 0 {
			ws[i].ended = e.At
		}
	}
	return ws
}

// nextFault is when the next fault begins that concerns the client; zero if there is none.
func nextFault(later []faultWindow, w faultWindow, client string) time.Time {
	for _, x := range later {
		if x.concerns(client) && x.began.After(w.began) {
			return x.began
		}
	}
	return time.Time{}
}

// meter follows one client through one fault.
type meter struct {
	w        faultWindow
	fromEnd  bool
	limit    time.Time
	channels map[string]bool // to be synced with

	connected bool
	noticed   bool
	synced    map[string]bool
	back      time.Time // connected again since
	caught    time.Time // caught up since
}

func (m *meter) measure(client string, events []Event) Timing {
	t := Timing{Fault: m.w.name, Client: client, Began: m.w.began, Ended: m.w.ended}
	base := m.w.began
	if m.fromEnd {
		base = m.w.ended
	}
	m.synced = map[string]bool{}
	for _, e := range events {
		if !m.limit.IsZero() && !e.At.Before(m.limit) {
			break
		}
		if e.At.Before(m.w.began) {
			if e.Kind == KindState {
				m.connected = e.To == stateConnected
			}
			continue
		}
		m.step(e, base, &t)
	}
	if base.IsZero() { // an outage that never ended
		return t
	}
	m.settle(base, &t)
	return t
}

// step takes the next event after the fault's beginning.
func (m *meter) step(e Event, base time.Time, t *Timing) {
	switch {
	case e.Kind == KindSynced:
		m.synced[e.Channel] = true
	case e.To == stateConnected:
		if !m.connected && m.noticed {
			m.back = cmp.Or(m.back, e.At)
		}
		m.connected = true
	default:
		if m.connected && !m.noticed {
			t.Detection = Span{e.At.Sub(m.w.began), true}
		}
		m.noticed = true
		m.lose(e.At, base, t)
	}
	if m.connected && m.noticed && m.caught.IsZero() && m.allSynced() {
		m.caught = e.At
	}
}

// lose forgets what was reached before the base and is lost again; what was reached after it stands.
func (m *meter) lose(at, base time.Time, t *Timing) {
	if !base.IsZero() && at.After(base) {
		m.settle(base, t)
	}
	m.connected = false
	clear(m.synced)
	m.back, m.caught = time.Time{}, time.Time{}
}

// settle turns what was reached into spans, once each.
func (m *meter) settle(base time.Time, t *Timing) {
	if !t.Reconnect.OK && !m.back.IsZero() {
		t.Reconnect = Span{max(0, m.back.Sub(base)), true}
	}
	if !t.CatchUp.OK && !m.caught.IsZero() {
		t.CatchUp = Span{max(0, m.caught.Sub(base)), true}
	}
}

func (m *meter) allSynced() bool {
	for channel := range m.channels {
		if !m.synced[channel] {
			return false
		}
	}
	return true
}
