package realtime_test

import (
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/realtime"
)

// TestStateTable holds every state against every input: where it leads, and what is done on the way.
func TestStateTable(t *testing.T) {
	const (
		d, g, c, r, s, f = realtime.Disconnected, realtime.Connecting, realtime.Connected, realtime.Reconnecting, realtime.Suspended, realtime.Failed
		start            = "forget, arm suspend, dial"
		stop             = "stop attempts, disarm suspend, drop, settle"
		up               = "disarm suspend, stop attempts, arm stable"
	)
	type cell struct {
		to realtime.State
		do string
	}
	trying := func(st realtime.State) map[realtime.Input]cell {
		return map[realtime.Input]cell{
			realtime.InConnect: {st, "dial"}, realtime.InDisconnect: {d, stop}, realtime.InUp: {c, up}, realtime.InLost: {st, ""},
			realtime.InAttemptFailed: {st, "retry"}, realtime.InTerminal: {f, stop}, realtime.InRetryDue: {st, "dial"},
			realtime.InSuspendDue: {s, ""}, realtime.InNetworkChanged: {st, "forget, redial"}, realtime.InStable: {st, ""},
			realtime.InPathBack: {st, "rejoin"}, realtime.InPathLost: {st, ""},
		}
	}
	table := map[realtime.State]map[realtime.Input]cell{
		d: {
			realtime.InConnect: {g, start}, realtime.InDisconnect: {d, ""}, realtime.InUp: {d, ""}, realtime.InLost: {d, ""},
			realtime.InAttemptFailed: {d, ""}, realtime.InTerminal: {d, ""}, realtime.InRetryDue: {d, ""},
			realtime.InSuspendDue: {d, ""}, realtime.InNetworkChanged: {d, ""}, realtime.InStable: {d, ""},
			realtime.InPathBack: {d, ""}, realtime.InPathLost: {d, ""},
		},
		g: trying(g), r: trying(r), s: trying(s),
		c: {
			realtime.InConnect: {c, ""}, realtime.InDisconnect: {d, "settle, leave, stop attempts"}, realtime.InUp: {c, ""},
			realtime.InLost: {r, "drop, settle, arm suspend, retry"}, realtime.InAttemptFailed: {c, ""},
			realtime.InTerminal: {f, "drop, settle, stop attempts"}, realtime.InRetryDue: {c, ""}, realtime.InSuspendDue: {c, ""},
			realtime.InNetworkChanged: {c, "probe"}, realtime.InStable: {c, "forget"},
			realtime.InPathBack: {c, "ask"}, realtime.InPathLost: {c, "doubt"},
		},
		f: {
			realtime.InConnect: {g, start}, realtime.InDisconnect: {d, ""}, realtime.InUp: {f, ""}, realtime.InLost: {f, ""},
			realtime.InAttemptFailed: {f, ""}, realtime.InTerminal: {f, ""}, realtime.InRetryDue: {f, ""},
			realtime.InSuspendDue: {f, ""}, realtime.InNetworkChanged: {f, ""}, realtime.InStable: {f, ""},
			realtime.InPathBack: {f, ""}, realtime.InPathLost: {f, ""},
		},
	}
	for st := range realtime.States {
		for i := range realtime.Inputs {
			from, in := realtime.State(st), realtime.Input(i)
			want, ok := table[from][in]
			if !ok {
				t.Errorf("%v on %v: not in the table", from, in)
				continue
			}
			to, actions := realtime.Next(from, in)
			if got := strings.Join(actions, ", "); to != want.to || got != want.do {
				t.Errorf("%v on %v: %v [%s], want %v [%s]", from, in, to, got, want.to, want.do)
			}
		}
	}
}

func TestStateNames(t *testing.T) {
	want := []string{"disconnected", "connecting", "connected", "reconnecting", "suspended", "failed"}
	for i, w := range want {
		if got := realtime.State(i).String(); got != w {
			t.Errorf("state %d is %q, want %q", i, got, w)
		}
	}
}
