package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// ViolationKind is a way to break the promises. The words are stable.
type ViolationKind string

const (
	// ViolationLost is a message that was accepted, is not stored, and was not parked, cancelled or expired; or one
	// that the client called sent and that is not stored. A volatile promise ends with its run.
	ViolationLost ViolationKind = "lost"
	// ViolationDoubled is a message that is stored twice, that is shown twice in one run, or that is shown again in a
	// later run: unmarked, after a clean stop, or beyond the replay limit. Also a replay mark where nothing can have
	// been shown before, since applications skip what is marked.
	ViolationDoubled ViolationKind = "doubled"
	// ViolationReordered is a message of a client that is stored before another that the client had accepted before
	// this one was offered; device numbers that fall as seq rises; or a message shown after a later one of its channel.
	ViolationReordered ViolationKind = "reordered"
	// ViolationGap is a stored message that a run left out, at its beginning or between two that it showed.
	ViolationGap ViolationKind = "gap"
	// ViolationUnknown is a message that is stored though nobody sent it, or though it was reported as parked,
	// cancelled or expired; or shown though it isn't stored; or stored or shown with another sender, channel, seq or
	// text.
	ViolationUnknown ViolationKind = "unknown"
	// ViolationHole is a channel whose stored messages aren't numbered 1, 2, 3, ….
	ViolationHole ViolationKind = "hole"
	// ViolationAck is a message that the client reported as sent with another seq than it is stored with.
	ViolationAck ViolationKind = "ack-mismatch"
	// ViolationUnshown is a member that had not been shown the newest messages of a channel by the end.
	ViolationUnshown ViolationKind = "unshown"
	// ViolationUnacked is a stored message that its client never reported as sent, if CheckOptions.Acks asks for it.
	ViolationUnacked ViolationKind = "unacked"
)

// ViolationKinds returns all kinds, the worst first.
func ViolationKinds() []ViolationKind {
	return []ViolationKind{
		ViolationLost, ViolationDoubled, ViolationReordered, ViolationGap, ViolationUnknown, ViolationHole, ViolationAck,
		ViolationUnshown, ViolationUnacked,
	}
}

// Violation is one broken promise with its evidence.
type Violation struct {
	Kind    ViolationKind `json:"kind"`
	Client  string        `json:"client,omitempty"` // "" if the table alone shows it
	Run     int           `json:"run,omitempty"`    // 0 if it isn't about one run
	Channel string        `json:"channel,omitempty"`
	Seq     uint64        `json:"seq,omitempty"` // the first one concerned
	ID      string        `json:"id,omitempty"`
	Detail  string        `json:"detail"` // for people: what was seen, when, and what it contradicts
}

// String is the violation in one line.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", v.Kind)
	if v.Client != "" {
		b.WriteString(v.Client)
		if v.Run > 0 {
			fmt.Fprintf(&b, " run %d", v.Run)
		}
		b.WriteString(": ")
	}
	if v.Channel != "" {
		fmt.Fprintf(&b, "#%s: ", v.Channel)
	}
	b.WriteString(v.Detail)
	return b.String()
}

// Counts says how much a verdict rests on. A verdict over nothing is worth nothing: look at them.
type Counts struct {
	Events    int `json:"events"`
	Clients   int `json:"clients"`
	Runs      int `json:"runs"`
	Channels  int `json:"channels"`
	Accepted  int `json:"accepted"`  // messages, not answers
	Acked     int `json:"acked"`     // messages
	Withdrawn int `json:"withdrawn"` // messages parked, cancelled or expired
	Stored    int `json:"stored"`    // rows
	Shown     int `json:"shown"`     // times, over all clients
	Replayed  int `json:"replayed"`  // those of Shown that were marked
}

// Verdict is what Check found. Its JSON field names are stable.
type Verdict struct {
	OK         bool                  `json:"ok"`
	Counts     Counts                `json:"counts"`
	Found      map[ViolationKind]int `json:"found"`      // every kind, most of them 0
	Violations []Violation           `json:"violations"` // at most CheckOptions.Examples of each kind, the worst first
}

// MarshalJSON writes an empty list of violations as [] and not as null.
func (v Verdict) MarshalJSON() ([]byte, error) {
	type plain Verdict
	if v.Violations == nil {
		v.Violations = []Violation{}
	}
	return json.Marshal(plain(v))
}

// String is the verdict for people: one line if all is well, else a line for each violation after it.
func (v Verdict) String() string {
	var b strings.Builder
	n := v.Counts
	if v.OK {
		b.WriteString("ok: nothing lost, doubled, reordered or left out")
	} else {
		var parts []string
		for _, k := range ViolationKinds() {
			if v.Found[k] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", v.Found[k], k))
			}
		}
		b.WriteString("FAILED: " + strings.Join(parts, ", "))
	}
	fmt.Fprintf(&b, " (%d accepted, %d withdrawn, %d stored in %d channels, %d shown by %d clients in %d runs, %d replayed)",
		n.Accepted, n.Withdrawn, n.Stored, n.Channels, n.Shown, n.Clients, n.Runs, n.Replayed)
	told := map[ViolationKind]int{}
	for _, x := range v.Violations {
		b.WriteString("\n  " + x.String())
		told[x.Kind]++
	}
	for _, k := range ViolationKinds() {
		if more := v.Found[k] - told[k]; more > 0 {
			fmt.Fprintf(&b, "\n  %s: and %d more", k, more)
		}
	}
	return b.String()
}

func sortViolations(vs []Violation) {
	rank := map[ViolationKind]int{}
	for i, k := range ViolationKinds() {
		rank[k] = i
	}
	slices.SortStableFunc(vs, func(a, b Violation) int {
		return cmp.Or(
			cmp.Compare(rank[a.Kind], rank[b.Kind]), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Client, b.Client),
			cmp.Compare(a.Run, b.Run), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID),
		)
	})
}
