package scenario_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/scenario"
)

// plant is one small history, good as it is made, that each test breaks in one way.
//
// In #general alice and bob send 100 messages in turns, m1 to m100. alice reads them in one run; bob in two with a
// clean stop after 50; carol was killed after 80, and her second run begins with 71 to 80 again. dave listens from
// now on, and missed the first 40. alice also sent a message that was cancelled, one that was parked, one that
// expired, and one without an answer, x1 to x4, none of which is stored.
type plant struct {
	events []scenario.Event
	opts   scenario.CheckOptions
}

const plantCount = 100

func newPlant() *plant {
	h := &scenario.History{}
	p := &plant{opts: scenario.CheckOptions{
		Final: true, Acks: true, Members: map[string][]string{"general": {"alice", "bob", "carol", "dave"}},
	}}
	alice, bob := h.StartRun("alice", scenario.BeginProcessed), h.StartRun("bob", scenario.BeginProcessed)
	carol := h.StartRun("carol", scenario.BeginStart)
	var dave *scenario.Run
	for n := 1; n <= plantCount; n++ {
		switch n {
		case 41:
			dave = h.StartRun("dave", scenario.BeginNow)
		case 51:
			bob.Stopped(true)
			bob = h.StartRun("bob", scenario.BeginProcessed)
		case 81:
			carol.Stopped(false)
			carol = h.StartRun("carol", scenario.BeginProcessed)
			for again := 71; again <= 80; again++ {
				plantShow(carol, again, true)
			}
		}
		sender := []*scenario.Run{bob, alice}[n%2]
		id, text := fmt.Sprintf("m%d", n), fmt.Sprintf("text %d", n)
		sender.Offered("general", id, text)
		sender.Accepted("general", id, text, true)
		sender.Acked("general", id, uint64(n))
		for _, r := range []*scenario.Run{alice, bob, carol, dave} {
			if r != nil {
				plantShow(r, n, false)
			}
		}
	}
	for i, id := range []string{"x1", "x2", "x3", "x4"} {
		alice.Offered("general", id, "no")
		if i < 3 {
			alice.Accepted("general", id, "no", true)
			[]func(string, string, string){alice.Cancelled, alice.Parked, alice.Expired}[i]("general", id, "so it was")
		}
	}
	for n := 1; n <= plantCount; n++ {
		h.Stored(scenario.Row{
			Channel: "general", ID: fmt.Sprintf("m%d", n), Seq: uint64(n), User: plantSender(n),
			Text: fmt.Sprintf("text %d", n), Device: plantSender(n), DeviceSeq: uint64(n+1) / 2,
		})
	}
	p.events = h.Events()
	return p
}

func plantSender(n int) string { return []string{"bob", "alice"}[n%2] }

func plantShow(r *scenario.Run, n int, replay bool) {
	r.Shown("general", uint64(n), fmt.Sprintf("m%d", n), plantSender(n), fmt.Sprintf("text %d", n), replay)
}

// at is the index of the one event of a kind, of a message, and of a client and run where they count ("" and 0: any).
func (p *plant) at(kind scenario.Kind, client string, run int, id string) int {
	i := slices.IndexFunc(p.events, func(e scenario.Event) bool {
		return e.Kind == kind && e.ID == id && (client == "" || e.Client == client) && (run == 0 || e.Run == run)
	})
	if i < 0 {
		panic(fmt.Sprintf("the plant has no %s of %s for %s run %d", kind, id, client, run))
	}
	return i
}

func (p *plant) shown(client string, run int, id string) int {
	return p.at(scenario.KindShown, client, run, id)
}

func (p *plant) row(id string) *scenario.Event {
	return &p.events[p.at(scenario.KindStored, "", 0, id)]
}
func (p *plant) drop(i int)           { p.events = slices.Delete(p.events, i, i+1) }
func (p *plant) add(e scenario.Event) { p.events = append(p.events, e) }

// insert puts e before the event at i, as of the same client and run.
func (p *plant) insert(i int, e scenario.Event) {
	e.Client, e.Run = p.events[i].Client, p.events[i].Run
	p.events = slices.Insert(p.events, i, e)
}

// every changes all events that fit.
func (p *plant) every(fits func(scenario.Event) bool, change func(*scenario.Event)) {
	for i := range p.events {
		if fits(p.events[i]) {
			change(&p.events[i])
		}
	}
}

// extra stores one more message, and shows it to everybody.
func (p *plant) extra(id, user, text string, seq uint64) {
	for client, run := range map[string]int{"alice": 1, "bob": 2, "carol": 2, "dave": 1} {
		p.add(scenario.Event{
			Kind: scenario.KindShown, Client: client, Run: run, Channel: "general", ID: id, Seq: seq, User: user, Text: text,
		})
	}
	p.add(scenario.Event{Kind: scenario.KindStored, Channel: "general", ID: id, Seq: seq, User: user, Text: text})
}

// TestPlanted breaks the history in one way each; the verdict must name that kind, as often as stated, and no other.
func TestPlanted(t *testing.T) {
	all := slices.Concat(plantedSent, plantedShown, plantedRuns, plantedFine)
	names := map[string]bool{}
	for _, tt := range all {
		if names[tt.name] {
			t.Errorf("two tests are called %q", tt.name)
		}
		names[tt.name] = true
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
			p := newPlant()
			tt.plant(p)
			v := scenario.Check(histOf(p.events), p.opts)
			want := map[scenario.ViolationKind]int{}
			for _, k := range tt.want {
				want[k]++
			}
			for _, k := range scenario.ViolationKinds() {
				if v.Found[k] != want[k] {
					t.Fatalf("found %d %s, want %d: %v", v.Found[k], k, want[k], v)
				}
			}
			if v.OK != (len(tt.want) == 0) {
				t.Errorf("OK is %v: %v", v.OK, v)
			}
			if !strings.Contains(v.String(), tt.says) {
				t.Errorf("the verdict doesn't say %q: %v", tt.says, v)
			}
		})
	}
}

type planted struct {
	name  string
	plant func(*plant)
	want  []scenario.ViolationKind
	says  string // part of the evidence
}

func one(k scenario.ViolationKind) []scenario.ViolationKind { return []scenario.ViolationKind{k} }
