package scenario_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/scenario"
)

func TestVerdictString(t *testing.T) {
	h := &scenario.History{}
	r := h.StartRun("alice", "")
	h.Record(scenario.Event{
		At: histT0, Kind: scenario.KindAccepted, Client: "alice", Run: r.Number(), Channel: "general", ID: "m1", Text: strings.Repeat("x", 50),
	})
	h.Record(scenario.Event{
		At: histT0, Kind: scenario.KindAccepted, Client: "alice", Run: r.Number(), Channel: "general", ID: "m2", Text: "hi",
	})
	h.Stored(scenario.Row{Channel: "general", ID: "m2", Seq: 1, User: "alice", Text: "hi"})
	r.Shown("general", 1, "m2", "alice", "hi", false)
	got := scenario.Check(h, scenario.CheckOptions{Final: true}).String()
	want := "FAILED: 1 lost (2 accepted, 0 withdrawn, 1 stored in 1 channels, 1 shown by 1 clients in 1 runs, 0 replayed)\n" +
		"  lost: alice: #general: m1 (\"" + strings.Repeat("x", 40) + "…\") was accepted at 12:00:00.000, and isn't stored"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = scenario.Check(h, scenario.CheckOptions{}).String()
	want = "ok: nothing lost, doubled, reordered or left out " +
		"(2 accepted, 0 withdrawn, 1 stored in 1 channels, 1 shown by 1 clients in 1 runs, 0 replayed)"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVerdictJSON(t *testing.T) {
	b, err := json.Marshal(scenario.Check(&scenario.History{}, scenario.CheckOptions{Final: true}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"ok":true,"counts":{"events":0,"clients":0,"runs":0,"channels":0,"accepted":0,"acked":0,"withdrawn":0,` +
		`"stored":0,"shown":0,"replayed":0},"found":{"ack-mismatch":0,"doubled":0,"gap":0,"hole":0,"lost":0,` +
		`"reordered":0,"unacked":0,"unknown":0,"unshown":0},"violations":[]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	h := &scenario.History{}
	h.Stored(scenario.Row{Channel: "general", ID: "m1", Seq: 1, User: "alice"})
	if b, err = json.Marshal(scenario.Check(h, scenario.CheckOptions{})); err != nil {
		t.Fatal(err)
	}
	want = `"violations":[{"kind":"unknown","channel":"general","seq":1,"id":"m1",` +
		`"detail":"m1 (seq 1, alice) is stored, and nobody sent it"}]}`
	if !strings.HasSuffix(string(b), want) {
		t.Errorf("got %s\nwant it to end with %s", b, want)
	}
}

// TestVerdictBounded: a history that is wrong all over is counted in full, and told in part.
func TestVerdictBounded(t *testing.T) {
	h := &scenario.History{}
	for n := range 1000 {
		h.Stored(scenario.Row{Channel: "general", ID: fmt.Sprintf("m%d", n), Seq: uint64(n + 1), User: "alice"})
	}
	for _, tt := range []struct{ examples, want int }{{0, 20}, {3, 3}} {
		v := scenario.Check(h, scenario.CheckOptions{Examples: tt.examples})
		if v.Found[scenario.ViolationUnknown] != 1000 || len(v.Violations) != tt.want {
			t.Errorf("%d found, %d told, want 1000 and %d", v.Found[scenario.ViolationUnknown], len(v.Violations), tt.want)
		}
		if last := fmt.Sprintf("\n  unknown: and %d more", 1000-tt.want); !strings.HasSuffix(v.String(), last) {
			t.Errorf("no word of the rest in %v", v)
		}
	}
}

// TestVerdictRepeats: maps inside must not show outside, not even in which examples are told.
func TestVerdictRepeats(t *testing.T) {
	p := newPlant()
	for i := range p.events {
		if p.events[i].Kind == scenario.KindShown && i%3 == 0 {
			p.events[i].Text = "forged"
		}
	}
	h := histOf(p.events)
	first := scenario.Check(h, p.opts).String()
	for range 20 {
		if again := scenario.Check(h, p.opts).String(); again != first {
			t.Fatalf("first %s\nthen  %s", first, again)
		}
	}
}
