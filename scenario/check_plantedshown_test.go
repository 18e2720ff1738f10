package scenario_test

import (
	"slices"

	"github.com/chatsdk/chatsdk/scenario"
)

// plantedShown breaks what one run shows.
var plantedShown = []planted{
	{"shown twice in one run", func(p *plant) {
		i := p.shown("alice", 1, "m50")
		p.insert(i+40, scenario.Event{})
		p.events[i+40] = p.events[i]
	}, one(scenario.ViolationDoubled), "alice run 1: #general: m50 (seq 50, bob) was shown a second time in the same run"},
	{"swapped", func(p *plant) {
		i, j := p.shown("alice", 1, "m50"), p.shown("alice", 1, "m51")
		p.events[i], p.events[j] = p.events[j], p.events[i]
	}, one(scenario.ViolationReordered), "m50 (seq 50, bob) was shown at"},
	{"the first two swapped", func(p *plant) {
		i, j := p.shown("carol", 1, "m1"), p.shown("carol", 1, "m2")
		p.events[i], p.events[j] = p.events[j], p.events[i]
	}, one(scenario.ViolationReordered), "m1 (seq 1, alice) was shown at"},
	{"a late one", func(p *plant) {
		i, j := p.shown("alice", 1, "m50"), p.shown("alice", 1, "m90")
		e := p.events[i]
		p.events = slices.Insert(p.events, j, e)
		p.drop(i)
	}, one(scenario.ViolationReordered), "after m89"},
	{"a gap at the start", func(p *plant) {
		p.drop(p.shown("alice", 1, "m1"))
	}, one(scenario.ViolationGap), "seq 1 left out (1 stored, the first is m1 (seq 1, alice)): the run began with m2"},
	{"a gap at the start of a run from the start", func(p *plant) {
		p.drop(p.shown("carol", 1, "m1"))
	}, one(scenario.ViolationGap), "seq 1 left out"},
	{"a gap in the middle", func(p *plant) {
		p.drop(p.shown("alice", 1, "m50"))
		p.drop(p.shown("alice", 1, "m51"))
	}, one(scenario.ViolationGap), "seq 50 to 51 left out (2 stored"},
	{"a gap in a run from now on", func(p *plant) {
		p.drop(p.shown("dave", 1, "m50"))
	}, one(scenario.ViolationGap), "dave run 1"},
	{"a gap in each of two places", func(p *plant) {
		p.drop(p.shown("alice", 1, "m50"))
		p.drop(p.shown("alice", 1, "m60"))
	}, []scenario.ViolationKind{scenario.ViolationGap, scenario.ViolationGap}, "seq 60 left out"},
	{"the newest not shown to one", func(p *plant) {
		p.drop(p.shown("alice", 1, "m100"))
	}, one(scenario.ViolationUnshown), "the newest 1 of 100 stored were never shown, the first is m100"},
	{"a deaf member", func(p *plant) {
		p.opts.Members["general"] = append(p.opts.Members["general"], "eve")
	}, one(scenario.ViolationUnshown), "unshown: eve: #general: the newest 100 of 100"},
	{"the newest not shown to one who reads from now on", func(p *plant) {
		p.drop(p.shown("dave", 1, "m100"))
	}, one(scenario.ViolationUnshown), "the newest 1 of 100 stored were never shown, the first is m100"},
	{"deaf from now on", func(p *plant) {
		p.events = slices.DeleteFunc(p.events, func(e scenario.Event) bool {
			return e.Kind == scenario.KindShown && e.Client == "dave"
		})
		i := p.at(scenario.KindOffered, "", 0, "m42")
		p.events = slices.Insert(p.events, i, scenario.Event{
			Kind: scenario.KindSynced, Client: "dave", Run: 1, Channel: "general",
		})
	}, one(scenario.ViolationUnshown), "the newest 59 of 100 stored were never shown, the first is m42"},
	{"shown and not stored", func(p *plant) {
		i := p.shown("alice", 1, "m50")
		p.insert(i, scenario.Event{
			Kind: scenario.KindShown, Channel: "general", ID: "ghost", Seq: 777, User: "bob", Text: "boo",
		})
	}, one(scenario.ViolationUnknown), "ghost (seq 777, bob) was shown at"},
	{"shown in a channel that has nothing", func(p *plant) {
		i := p.shown("alice", 1, "m50")
		p.insert(i, scenario.Event{
			Kind: scenario.KindShown, Channel: "void", ID: "ghost", Seq: 1, User: "bob", Text: "boo",
		})
	}, one(scenario.ViolationUnknown), "#void"},
	{"shown as another message", func(p *plant) {
		p.events[p.shown("alice", 1, "m50")].ID = "m48"
	}, one(scenario.ViolationUnknown), "and stored is m50"},
	{"shown as of another sender", func(p *plant) {
		p.events[p.shown("alice", 1, "m50")].User = "mallory"
	}, one(scenario.ViolationUnknown), `as a message of "mallory", and is stored as one of "bob"`},
	{"shown with another text", func(p *plant) {
		p.events[p.shown("alice", 1, "m50")].Text = "forged"
	}, one(scenario.ViolationUnknown), `as "forged", and is stored as "text 50"`},
	{"shown with another seq", func(p *plant) {
		p.events[p.shown("alice", 1, "m100")].Seq = 101
	}, one(scenario.ViolationUnknown), "and is stored with seq 100"},
	{"another text without a table", func(p *plant) {
		p.opts.NoTable = true
		p.events[p.shown("dave", 1, "m50")].Text = "forged"
	}, one(scenario.ViolationUnknown), "dave run 1"},
	{"lost without a table", func(p *plant) {
		p.opts.NoTable = true
		i := p.at(scenario.KindAccepted, "alice", 0, "m9")
		p.insert(i, scenario.Event{Kind: scenario.KindAccepted, Channel: "general", ID: "gone"})
	}, one(scenario.ViolationLost), "gone"},
}

// plantedRuns breaks what holds from run to run.
var plantedRuns = []planted{
	{"a gap between two runs", func(p *plant) {
		p.drop(p.shown("bob", 2, "m51"))
	}, one(scenario.ViolationGap), "and earlier runs had got to seq 50"},
	{"a gap after a replay", func(p *plant) {
		p.drop(p.shown("carol", 2, "m81"))
	}, one(scenario.ViolationGap), "seq 81 left out"},
	{"a gap within a replay", func(p *plant) {
		p.drop(p.shown("carol", 2, "m75"))
	}, one(scenario.ViolationGap), "seq 75 left out"},
	{"shown again after a clean stop", func(p *plant) {
		p.replay("bob", 2, 50, 50)
	}, one(scenario.ViolationDoubled), "all up to seq 50 was shown and done with before"},
	{"a replay of 65", func(p *plant) {
		p.replay("carol", 2, 16, 70)
	}, one(scenario.ViolationDoubled), "with a limit of 64, it may begin with seq 17"},
	{"a replay of 10 where 9 are allowed", func(p *plant) {
		p.opts.ReplayLimit = 9
	}, one(scenario.ViolationDoubled), "it may begin with seq 72"},
	{"a replay where none is allowed", func(p *plant) {
		p.opts.ReplayLimit = -1
	}, one(scenario.ViolationDoubled), "done with before"},
	{"an unmarked replay", func(p *plant) {
		p.every(func(e scenario.Event) bool { return e.Replay }, func(e *scenario.Event) { e.Replay = false })
	}, one(scenario.ViolationDoubled), "10 shown again without a mark, the first is m71"},
	{"one of a replay without a mark", func(p *plant) {
		p.events[p.shown("carol", 2, "m80")].Replay = false
	}, one(scenario.ViolationDoubled), "1 shown again without a mark, the first is m80"},
	{"a replay swapped", func(p *plant) {
		i, j := p.shown("carol", 2, "m71"), p.shown("carol", 2, "m72")
		p.events[i], p.events[j] = p.events[j], p.events[i]
	}, one(scenario.ViolationReordered), "m71 (seq 71, alice) was shown at"},
	{"more marks than a replay may have", func(p *plant) {
		p.opts.ReplayLimit = 10
		p.events[p.shown("carol", 2, "m81")].Replay = true
	}, one(scenario.ViolationDoubled), "1 marked as shown before, the first is m81"},
	{"a second replay that goes further back", func(p *plant) {
		p.again("carol", "", 70, plantCount, plantCount)
	}, one(scenario.ViolationDoubled), "it may begin with seq 71"},
	{"a mark in a first run", func(p *plant) {
		p.events[p.shown("alice", 1, "m3")].Replay = true
	}, one(scenario.ViolationDoubled), "1 marked as shown before, the first is m3"},
	{"a mark after a clean stop", func(p *plant) {
		p.events[p.shown("bob", 2, "m51")].Replay = true
	}, one(scenario.ViolationDoubled), "which nobody can have been shown"},
	{"a mark in the middle", func(p *plant) {
		p.events[p.shown("carol", 2, "m90")].Replay = true
	}, one(scenario.ViolationDoubled), "1 marked as shown before, the first is m90"},
	{"from now on, and from before", func(p *plant) {
		i := slices.IndexFunc(p.events, func(e scenario.Event) bool {
			return e.Kind == scenario.KindStarted && e.Client == "bob" && e.Run == 2
		})
		p.events[i].Begin = scenario.BeginNow
		p.replay("bob", 2, 50, 50)
	}, one(scenario.ViolationDoubled), "m50"},

	{"a mark after a clean run that went beyond the replay", func(p *plant) {
		p.opts.Final = false
		p.cut("carol", 2, 85) // shows 81 to 85 without a mark: so the killed run hadn't got that far
		p.stop("carol", 2, true)
		p.again("carol", "", 86, 86, plantCount)
	}, one(scenario.ViolationDoubled), "1 marked as shown before, the first is m86"},
	{"more marks over two runs than a replay may have", func(p *plant) {
		p.opts.Final, p.opts.ReplayLimit = false, 12
		p.cut("carol", 2, 82)
		p.mark("carol", 2, 81, 82) // 71 to 82: all that may have been shown
		p.stop("carol", 2, true)
		p.again("carol", "", 83, 83, plantCount)
	}, one(scenario.ViolationDoubled), "1 marked as shown before, the first is m83"},

	{"a replay that a clean stop a little beyond what was shown cut in two", func(p *plant) {
		p.opts.Final = false
		p.cut("carol", 2, 85)
		p.mark("carol", 2, 81, 85)
		p.stop("carol", 2, true)
		p.again("carol", "", 86, 90, plantCount)
	}, nil, "ok"},
	{"a replay of 64", func(p *plant) { p.replay("carol", 2, 17, 70) }, nil, "ok"},
	{"a run that goes on without a replay", func(p *plant) {
		p.events = slices.DeleteFunc(p.events, func(e scenario.Event) bool { return e.Replay })
	}, nil, "ok"},
	{"one marked that the killed run may have shown", func(p *plant) {
		p.events[p.shown("carol", 2, "m81")].Replay = true
	}, nil, "ok"},
	{"a second replay", func(p *plant) {
		p.again("carol", "", 71, plantCount, plantCount)
	}, nil, "ok"},
	{"one marked that a killed run may have shown, in the run after the next", func(p *plant) {
		p.opts.Final = false
		p.cut("carol", 2, 80) // shows 71 to 80 again and then stops in order
		p.stop("carol", 2, true)
		p.again("carol", "", 81, 81, plantCount)
	}, nil, "ok"},
	{"one marked that a killed run may have shown that recorded nothing", func(p *plant) {
		p.opts.Final = false
		p.stop("alice", 1, true)
		p.cut("alice", 1, 90)
		p.again("alice", "", 1, 0, 0)
		p.stop("alice", 2, false)
		p.again("alice", "", 91, 91, plantCount)
	}, nil, "ok"},
	{"a kill that nobody recorded", func(p *plant) {
		p.events = slices.DeleteFunc(p.events, func(e scenario.Event) bool {
			return e.Kind == scenario.KindStopped && e.Client == "carol"
		})
	}, nil, "ok"},
	{"everything again from the start", func(p *plant) {
		p.again("bob", scenario.BeginStart, 1, 0, plantCount)
	}, nil, "ok"},
}

// replay lets a run begin with lo to hi, marked, before what it shows first.
func (p *plant) replay(client string, run, lo, hi int) {
	i := slices.IndexFunc(p.events, func(e scenario.Event) bool {
		return e.Kind == scenario.KindShown && e.Client == client && e.Run == run
	})
	for n := hi; n >= lo; n-- {
		h := &scenario.History{}
		r := h.StartRun(client, "")
		plantShow(r, n, true)
		p.insert(i, h.Events()[1])
	}
}

// again adds a run at the end that shows lo to hi, those up to marked with the mark.
func (p *plant) again(client string, begin scenario.Begin, lo, marked, hi int) {
	h := histOf(p.events)
	r := h.StartRun(client, begin)
	for n := lo; n <= hi; n++ {
		plantShow(r, n, n <= marked)
	}
	p.events = h.Events()
}

// cut takes away what a run shows after a seq.
func (p *plant) cut(client string, run int, seq uint64) {
	p.events = slices.DeleteFunc(p.events, func(e scenario.Event) bool {
		return e.Kind == scenario.KindShown && e.Client == client && e.Run == run && e.Seq > seq
	})
}

// mark gives what a run shows from lo to hi the mark.
func (p *plant) mark(client string, run int, lo, hi uint64) {
	p.every(func(e scenario.Event) bool {
		return e.Kind == scenario.KindShown && e.Client == client && e.Run == run && lo <= e.Seq && e.Seq <= hi
	}, func(e *scenario.Event) { e.Replay = true })
}

func (p *plant) stop(client string, run int, clean bool) {
	p.add(scenario.Event{Kind: scenario.KindStopped, Client: client, Run: run, Clean: clean})
}
