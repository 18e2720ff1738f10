package scenario_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chatsdk/chatsdk/scenario"
)

// histSeeds is how many random histories are judged, and broken once each.
const histSeeds = 400

func TestRandomHistories(t *testing.T) {
	var runs, replayed, withdrawn int
	for seed := range uint64(histSeeds) {
		w := newHistWorld(rand.New(rand.NewPCG(seed, 1)))
		w.run(50 + w.rng.IntN(1500))
		v := scenario.Check(w.h, w.opts)
		if !v.OK {
			t.Fatalf("seed %d: a valid history: %v", seed, v)
		}
		runs, replayed, withdrawn = runs+v.Counts.Runs, replayed+v.Counts.Replayed, withdrawn+v.Counts.Withdrawn
	}
	// Were these rare, the histories would show little.
	if runs < 5*histSeeds || replayed < 50*histSeeds || withdrawn < histSeeds {
		t.Errorf("only %d runs, %d replayed, %d withdrawn in %d histories", runs, replayed, withdrawn, histSeeds)
	}
	t.Logf("%d runs, %d replayed, %d withdrawn in %d histories", runs, replayed, withdrawn, histSeeds)
}

func TestRandomMutations(t *testing.T) {
	used := map[string]int{}
	for seed := range uint64(histSeeds) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := newHistWorld(rng)
		w.run(50 + rng.IntN(800))
		m := histMutations[rng.IntN(len(histMutations))]
		events, ok := m.mutate(rng, w.h.Events())
		if !ok {
			continue
		}
		used[m.name]++
		v := scenario.Check(histOf(events), w.opts)
		if v.Found[m.want] == 0 {
			t.Errorf("seed %d: %s: want %s, got %v", seed, m.name, m.want, v)
		}
	}
	for _, m := range histMutations {
		if used[m.name] < 5 {
			t.Errorf("%s was tried %d times in %d histories", m.name, used[m.name], histSeeds)
		}
	}
}

// histMutation breaks a valid history in one place of many; it answers false if there is none.
type histMutation struct {
	name   string
	want   scenario.ViolationKind
	mutate func(*rand.Rand, []scenario.Event) ([]scenario.Event, bool)
}

var histMutations = []histMutation{
	{"a row vanishes", scenario.ViolationHole, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, func(i int, e scenario.Event) bool {
			// The last row of a channel leaves no hole behind.
			return e.Kind == scenario.KindStored && i+1 < len(es) && es[i+1].Channel == e.Channel
		})
		return histDelete(es, i), ok
	}},
	{"a row twice", scenario.ViolationDoubled, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, histIs(scenario.KindStored))
		return append(es, es[i]), ok
	}},
	{"a promise forgotten", scenario.ViolationLost, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, histIs(scenario.KindAccepted))
		e := es[i]
		e.ID = "forgotten"
		return slices.Insert(es, i, e), ok
	}},
	{"shown twice", scenario.ViolationDoubled, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, histIs(scenario.KindShown))
		return slices.Insert(es, i, es[i]), ok
	}},
	{"shown out of order", scenario.ViolationReordered, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, func(i int, e scenario.Event) bool { return histNextShown(es, i) > 0 })
		if ok {
			j := histNextShown(es, i)
			es[i], es[j] = es[j], es[i]
		}
		return es, ok
	}},
	{"left out", scenario.ViolationGap, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		// In the middle of a run, where the next one that is shown has a higher seq.
		i, ok := histPick(rng, es, func(i int, e scenario.Event) bool {
			return histNextShown(es, i) > 0 && slices.ContainsFunc(es[:i], func(x scenario.Event) bool {
				return x.Kind == scenario.KindShown && x.Client == e.Client && x.Run == e.Run && x.Channel == e.Channel
			})
		})
		return histDelete(es, i), ok
	}},
	{"another text", scenario.ViolationUnknown, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, histIs(scenario.KindShown))
		es[i].Text += "!"
		return es, ok
	}},
	{"another sender", scenario.ViolationUnknown, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, histIs(scenario.KindStored))
		es[i].User = "mallory"
		return es, ok
	}},
	{"a false ack", scenario.ViolationAck, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, histIs(scenario.KindAcked))
		es[i].Seq += 1 + rng.Uint64N(3)
		return es, ok
	}},
	{"the mark missing", scenario.ViolationDoubled, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		// After a run that began elsewhere nobody can say which messages need the mark.
		elsewhere := map[string]bool{}
		i, ok := histPick(rng, es, func(_ int, e scenario.Event) bool {
			elsewhere[e.Client] = elsewhere[e.Client] || (e.Kind == scenario.KindStarted && e.Begin != "")
			return e.Kind == scenario.KindShown && e.Replay && !elsewhere[e.Client]
		})
		es[i].Replay = false
		return es, ok
	}},
	{"the newest not shown", scenario.ViolationUnshown, func(rng *rand.Rand, es []scenario.Event) ([]scenario.Event, bool) {
		i, ok := histPick(rng, es, histIs(scenario.KindShown))
		last := es[i]
		for _, e := range es {
			if e.Kind == scenario.KindStored && e.Channel == last.Channel {
				last.Seq = max(last.Seq, e.Seq)
			}
		}
		return slices.DeleteFunc(es, func(e scenario.Event) bool {
			return e.Kind == scenario.KindShown && e.Client == last.Client && e.Channel == last.Channel && e.Seq == last.Seq
		}), ok
	}},
}

// histPick chooses one of the events that fit; ok is false, and i is 0, if none does.
func histPick(rng *rand.Rand, es []scenario.Event, fits func(int, scenario.Event) bool) (i int, ok bool) {
	var all []int
	for i, e := range es {
		if fits(i, e) {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	return all[rng.IntN(len(all))], true
}

func histIs(kind scenario.Kind) func(int, scenario.Event) bool {
	return func(_ int, e scenario.Event) bool { return e.Kind == kind }
}

func histDelete(es []scenario.Event, i int) []scenario.Event { return slices.Delete(es, i, i+1) }

// histNextShown is the index of the message that the same run shows next in the same channel; -1 if there is none.
func histNextShown(es []scenario.Event, i int) int {
	e := es[i]
	if e.Kind != scenario.KindShown {
		return -1
	}
	for j, x := range es[i+1:] {
		if x.Kind == e.Kind && x.Client == e.Client && x.Run == e.Run && x.Channel == e.Channel {
			return i + 1 + j
		}
	}
	return -1
}

// TestLargeHistory judges as many messages as an hour of ten clients brings that each send one a second.
func TestLargeHistory(t *testing.T) {
	h, opts := histLarge()
	v := scenario.Check(h, opts)
	if !v.OK || v.Counts.Shown != 360_000 {
		t.Fatal(v)
	}
}

func BenchmarkCheck360000Shown(b *testing.B) {
	h, opts := histLarge()
	for b.Loop() {
		if v := scenario.Check(h, opts); !v.OK {
			b.Fatal(v)
		}
	}
}

func histLarge() (*scenario.History, scenario.CheckOptions) {
	const clients, each = 10, 3600
	h := &scenario.History{}
	opts := scenario.CheckOptions{Final: true, Acks: true, Members: map[string][]string{}}
	var runs []*scenario.Run
	for i := range clients {
		runs = append(runs, h.StartRun(fmt.Sprintf("client-%d", i), scenario.BeginProcessed))
		opts.Members["general"] = append(opts.Members["general"], runs[i].Client())
	}
	var rows []scenario.Row
	for n := range each {
		for _, sender := range runs {
			row := scenario.Row{
				Channel: "general", ID: fmt.Sprintf("%s-%d", sender.Client(), n), Seq: uint64(len(rows) + 1),
				User: sender.Client(), Text: "hello", Device: sender.Client(), DeviceSeq: uint64(n + 1),
			}
			sender.Offered(row.Channel, row.ID, row.Text)
			sender.Accepted(row.Channel, row.ID, row.Text, true)
			sender.Acked(row.Channel, row.ID, row.Seq)
			for _, r := range runs {
				r.Shown(row.Channel, row.Seq, row.ID, row.User, row.Text, false)
			}
			rows = append(rows, row)
		}
	}
	for _, row := range rows {
		h.Stored(row)
	}
	return h, opts
}
