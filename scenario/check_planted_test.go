package scenario_test

import (
	"slices"

	"github.com/chatsdk/chatsdk/scenario"
)

// plantedSent breaks what happens between a sender and the table.
var plantedSent = []planted{
	{"a promised message isn't stored", func(p *plant) {
		p.insert(p.at(scenario.KindAccepted, "alice", 0, "m9"), scenario.Event{
			Kind: scenario.KindAccepted, Channel: "general", ID: "gone", Text: "where am I",
		})
	}, one(scenario.ViolationLost), `gone ("where am I") was accepted at`},
	{"a message called sent isn't stored", func(p *plant) {
		i := p.at(scenario.KindOffered, "alice", 0, "x4")
		p.insert(i+1, scenario.Event{Kind: scenario.KindAcked, Channel: "general", ID: "x4", Seq: 101})
	}, one(scenario.ViolationLost), "x4 was reported as sent with seq 101"},
	{"a message called sent isn't stored, before the end", func(p *plant) {
		p.opts.Final = false
		i := p.at(scenario.KindOffered, "alice", 0, "x4")
		p.insert(i+1, scenario.Event{Kind: scenario.KindAcked, Channel: "general", ID: "x4", Seq: 101})
	}, one(scenario.ViolationLost), "isn't stored"},
	{"a volatile message of the last run", func(p *plant) {
		i := p.at(scenario.KindAccepted, "alice", 0, "m9")
		p.insert(i, scenario.Event{Kind: scenario.KindAccepted, Channel: "general", ID: "gone", Volatile: true})
	}, one(scenario.ViolationLost), "gone"},
	{"stored twice", func(p *plant) {
		p.extra("m40", "bob", "text 40", 101)
	}, one(scenario.ViolationDoubled), "m40 (seq 40, bob) is stored again as seq 101"},
	{"two of a sender in the wrong order", func(p *plant) {
		p.every(func(e scenario.Event) bool { return e.ID == "m31" || e.ID == "m33" }, func(e *scenario.Event) {
			if e.Kind == scenario.KindStored || e.Kind == scenario.KindShown {
				m := map[string]string{"m31": "m33", "m33": "m31"}[e.ID]
				e.ID, e.Text = m, "text "+m[1:]
			}
			if e.Kind == scenario.KindAcked {
				e.Seq = map[string]uint64{"m31": 33, "m33": 31}[e.ID]
			}
		})
	}, one(scenario.ViolationReordered), "m33 (seq 31, alice) is stored before m31 (seq 33, alice)"},
	{"device numbers that fall", func(p *plant) {
		p.row("m51").DeviceSeq = 3
	}, one(scenario.ViolationReordered), "has device number 3"},
	{"a device number twice", func(p *plant) {
		p.row("m51").DeviceSeq = p.row("m49").DeviceSeq
	}, one(scenario.ViolationReordered), "of the same device has 25"},
	{"a hole in the numbering", func(p *plant) {
		p.every(func(e scenario.Event) bool { return e.Seq > 60 }, func(e *scenario.Event) { e.Seq++ })
	}, one(scenario.ViolationHole), "no message is stored with seq 61; m61 (seq 62, alice) comes next"},
	{"the numbering begins with 2", func(p *plant) {
		p.every(func(e scenario.Event) bool { return e.Seq > 0 }, func(e *scenario.Event) { e.Seq++ })
	}, one(scenario.ViolationHole), "no message is stored with seq 1"},
	{"one seq for two messages", func(p *plant) {
		e := *p.row("m100")
		e.ID, e.User, e.Text, e.DeviceSeq = "x4", "alice", "no", 0
		p.add(e)
	}, one(scenario.ViolationHole), "are stored with one seq"},
	{"stored without a sender", func(p *plant) {
		p.extra("ghost", "alice", "boo", 101)
	}, one(scenario.ViolationUnknown), "ghost (seq 101, alice) is stored, and nobody sent it"},
	{"stored as of another sender", func(p *plant) {
		p.every(func(e scenario.Event) bool {
			return e.ID == "m12" && (e.Kind == scenario.KindStored || e.Kind == scenario.KindShown)
		}, func(e *scenario.Event) { e.User = "mallory" })
	}, one(scenario.ViolationUnknown), `is stored as a message of "mallory", and "bob" sent it`},
	{"stored with another text", func(p *plant) {
		p.every(func(e scenario.Event) bool {
			return e.ID == "m12" && (e.Kind == scenario.KindStored || e.Kind == scenario.KindShown)
		}, func(e *scenario.Event) { e.Text = "forged" })
	}, one(scenario.ViolationUnknown), `is stored as "forged", and was sent as "text 12"`},
	{"stored in another channel", func(p *plant) {
		i := p.at(scenario.KindOffered, "alice", 0, "x4")
		p.events[i].Channel = "elsewhere"
		p.extra("x4", "alice", "no", 101)
	}, one(scenario.ViolationUnknown), "is stored in #general, and was sent to #elsewhere"},
	{"cancelled and stored", func(p *plant) {
		p.extra("x1", "alice", "no", 101)
	}, one(scenario.ViolationUnknown), "was reported as cancelled at"},
	{"an ack with the wrong seq", func(p *plant) {
		p.events[p.at(scenario.KindAcked, "bob", 0, "m8")].Seq = 9
	}, one(scenario.ViolationAck), "m8 was reported as sent with seq 9"},
	{"an ack that never came", func(p *plant) {
		p.drop(p.at(scenario.KindAcked, "bob", 0, "m8"))
	}, one(scenario.ViolationUnacked), "bob never reported it as sent"},
	{"no table was dumped", func(p *plant) {
		p.opts.Members = nil
		p.events = slices.DeleteFunc(p.events, func(e scenario.Event) bool {
			return e.Kind == scenario.KindStored || (e.ID != "m1" && e.ID != "")
		})
	}, []scenario.ViolationKind{
		scenario.ViolationLost, scenario.ViolationUnknown, scenario.ViolationUnknown, scenario.ViolationUnknown,
	}, "m1"},
}

// plantedFine are changes that break nothing.
var plantedFine = []planted{
	{"nothing", func(*plant) {}, nil, "ok: nothing lost"},
	{"cancelled and stored, where that is allowed", func(p *plant) {
		p.opts.MayBeStored = []scenario.Kind{scenario.KindCancelled}
		p.extra("x1", "alice", "no", 101)
	}, nil, "ok"},
	{"an unanswered message is stored", func(p *plant) {
		p.extra("x4", "alice", "no", 101)
	}, nil, "ok"},
	{"a parked message that was sent after all", func(p *plant) {
		i := p.at(scenario.KindParked, "alice", 0, "x2")
		p.insert(i+1, scenario.Event{Kind: scenario.KindAcked, Channel: "general", ID: "x2", Seq: 101})
		p.extra("x2", "alice", "no", 101)
	}, nil, "ok"},
	{"one parked early, and sent at last", func(p *plant) {
		i := p.at(scenario.KindOffered, "alice", 0, "m9")
		p.insert(i, scenario.Event{Kind: scenario.KindParked, Channel: "general", ID: "x5"})
		p.insert(i, scenario.Event{Kind: scenario.KindAccepted, Channel: "general", ID: "x5", Text: "no"})
		p.insert(p.at(scenario.KindOffered, "alice", 0, "x4"), scenario.Event{
			Kind: scenario.KindAcked, Channel: "general", ID: "x5", Seq: 101,
		})
		p.extra("x5", "alice", "no", 101)
	}, nil, "ok"},
	{"accepted twice", func(p *plant) {
		i := p.at(scenario.KindAccepted, "alice", 0, "m9")
		p.events = append(p.events, p.events[i])
	}, nil, "ok"},
	{"sent at the same time, stored either way", func(p *plant) {
		// m33 is offered before m31 is accepted.
		e := p.events[p.at(scenario.KindOffered, "", 0, "m33")]
		p.insert(p.at(scenario.KindOffered, "", 0, "m31"), e)
		plantedSent[slices.IndexFunc(plantedSent, func(x planted) bool {
			return x.name == "two of a sender in the wrong order"
		})].plant(p)
	}, nil, "ok"},
	{"not stored yet", func(p *plant) {
		p.opts.Final = false
		i := p.at(scenario.KindAccepted, "alice", 0, "m9")
		p.insert(i, scenario.Event{Kind: scenario.KindAccepted, Channel: "general", ID: "queued"})
	}, nil, "ok"},
	{"a volatile message of a killed run", func(p *plant) {
		i := p.shown("carol", 1, "m80")
		p.insert(i, scenario.Event{Kind: scenario.KindAccepted, Channel: "general", ID: "gone", Volatile: true})
	}, nil, "ok"},
	{"a volatile message of a run that another followed", func(p *plant) {
		i := p.shown("carol", 1, "m80")
		p.insert(i, scenario.Event{Kind: scenario.KindAccepted, Channel: "general", ID: "gone", Volatile: true})
		p.events = slices.DeleteFunc(p.events, func(e scenario.Event) bool {
			return e.Kind == scenario.KindStopped && e.Client == "carol"
		})
	}, nil, "ok"},
	{"called sent and not shown yet, without a table", func(p *plant) {
		p.opts.NoTable, p.opts.Final = true, false
		i := p.at(scenario.KindOffered, "alice", 0, "x4")
		p.insert(i, scenario.Event{Kind: scenario.KindAcked, Channel: "general", ID: "x4", Seq: 101})
	}, nil, "ok"},
	{"not shown yet", func(p *plant) {
		p.opts.Final = false
		p.drop(p.shown("alice", 1, "m100"))
	}, nil, "ok"},
	{"users by other names than their clients", func(p *plant) {
		p.opts.Users = map[string]string{"alice": "anna"}
		p.every(func(e scenario.Event) bool { return e.User == "alice" }, func(e *scenario.Event) { e.User = "anna" })
	}, nil, "ok"},
	{"a queued line without a text", func(p *plant) {
		p.drop(p.at(scenario.KindOffered, "", 0, "m9"))
		e := &p.events[p.at(scenario.KindAccepted, "", 0, "m9")]
		e.Text, e.NoText = "", true
	}, nil, "ok"},
	{"no table, and none asked for", func(p *plant) {
		p.opts.NoTable = true
		p.events = slices.DeleteFunc(p.events, func(e scenario.Event) bool { return e.Kind == scenario.KindStored })
	}, nil, "ok"},
}
