package scenario_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/scenario"
)

func TestHistoryRoundTrip(t *testing.T) {
	h, bad := histEvery(), newPlant()
	bad.drop(bad.shown("alice", 1, "m50"))
	w := newHistWorld(rand.New(rand.NewPCG(7, 7)))
	w.run(500)
	for name, h := range map[string]*scenario.History{"every kind": h, "broken": histOf(bad.events), "random": w.h} {
		var b bytes.Buffer
		n, err := h.WriteTo(&b)
		if err != nil || n != int64(b.Len()) {
			t.Fatalf("%s: WriteTo: %d of %d bytes, %v", name, n, b.Len(), err)
		}
		back, err := scenario.ReadHistory(&b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		histSame(t, h.Events(), back.Events())
		if a, b := scenario.Check(h, bad.opts), scenario.Check(back, bad.opts); a.String() != b.String() {
			t.Errorf("%s: the verdict changed from %v to %v", name, a, b)
		}
	}
}

// histEvery has every field of every kind of event.
func histEvery() *scenario.History {
	h := &scenario.History{}
	r := h.StartRun("alice", scenario.BeginNow)
	r.Offered("general", "m1", "a \"text\" with\nlines <&> and ünicode ")
	r.Accepted("general", "m1", "", false)
	r.Acked("general", "m1", 1<<63)
	r.Parked("general", "m2", "refused")
	r.Cancelled("general", "m3", "by hand")
	r.Expired("general", "m4", "too old")
	r.Shown("general", 2, "m5", "bob", "hi", true)
	r.Synced("general")
	r.State("connected", "reconnecting", "dead")
	h.FaultBegan("cut", "alice", "bob")
	h.FaultEnded("cut")
	h.Stored(scenario.Row{
		Channel: "general", ID: "m5", Seq: 2, User: "bob", Device: "d1", DeviceSeq: 7, Text: "hi",
	})
	h.Record(scenario.Event{
		At: histT0.In(time.FixedZone("somewhere", 3600)), Kind: scenario.KindAccepted, Client: "carol", ID: "m6", NoText: true,
	})
	r.Stopped(true)
	return h
}

func histSame(t *testing.T, a, b []scenario.Event) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d events became %d", len(a), len(b))
	}
	for i := range a {
		if !a[i].At.Equal(b[i].At) {
			t.Fatalf("event %d: at %v became %v", i, a[i].At, b[i].At)
		}
		x, y := a[i], b[i]
		x.At, y.At = time.Time{}, time.Time{}
		if x != y {
			t.Fatalf("event %d: %+v became %+v", i, x, y)
		}
	}
}

func TestReadHistoryRefuses(t *testing.T) {
	const head = "{\"history\":1}\n"
	const good = `{"t":"2026-08-01T12:00:00Z","event":"synced","client":"a","run":1,"channel":"c"}` + "\n"
	for _, tt := range []struct{ name, in, says string }{
		{"nothing", "", "empty"},
		{"no header", good, "line 1"},
		{"another schema", "{\"history\":2}\n", "line 1"},
		{"cut off", head + good + good[:40], "line 3"},
		{"unknown event", head + strings.Replace(good, "synced", "sunk", 1), `unknown event "sunk"`},
		{"unknown begin", head + strings.Replace(good, `"run":1`, `"begin":"later"`, 1), `unknown begin "later"`},
		{"negative run", head + strings.Replace(good, `"run":1`, `"run":-1`, 1), "run -1"},
		{"no time", head + `{"event":"synced"}` + "\n", "no usable time"},
		{"a time before the first year", head + strings.Replace(good, "2026-08-01T12:00:00Z", "0000-01-01T00:00:00+01:00", 1), "no usable time"},
		{"a line without end", head + strings.Repeat("x", 5<<20), "longer than"},
	} {
		h, err := scenario.ReadHistory(strings.NewReader(tt.in))
		if !errors.Is(err, scenario.ErrHistoryFormat) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.says)
		}
		if want := strings.Count(tt.in, good); h == nil || (tt.name == "cut off" && h.Len() != want) {
			t.Errorf("%s: the events before the bad line are gone", tt.name)
		}
	}
	h, err := scenario.ReadHistory(strings.NewReader(head + "\n" + strings.TrimSuffix(good, "\n")))
	if err != nil || h.Len() != 1 {
		t.Errorf("an empty line, and a last one without end: %v", err)
	}
	disk := errors.New("disk on fire")
	if _, err := scenario.ReadHistory(io.MultiReader(strings.NewReader(head), histFailing{disk})); !errors.Is(err, disk) {
		t.Errorf("a failing reader: %v", err)
	}
	if _, err := histEvery().WriteTo(histFailing{disk}); !errors.Is(err, disk) {
		t.Errorf("a failing writer: %v", err)
	}
}

type histFailing struct{ err error }

func (f histFailing) Read([]byte) (int, error)  { return 0, f.err }
func (f histFailing) Write([]byte) (int, error) { return 0, f.err }

// TestHistoryConcurrent records from many goroutines; each client's own order must stay, and no run number is given
// twice. The race detector looks on.
func TestHistoryConcurrent(t *testing.T) {
	const clients, each = 8, 200
	h := &scenario.History{}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			r := h.StartRun("one name", scenario.BeginProcessed)
			for n := range uint64(each) {
				r.Acked("general", "m", n)
				h.Events()
			}
		})
	}
	wg.Wait()
	next := map[int]uint64{}
	for _, e := range h.Events() {
		if e.Kind != scenario.KindAcked {
			continue
		}
		if e.Seq != next[e.Run] {
			t.Fatalf("run %d: got %d, want %d", e.Run, e.Seq, next[e.Run])
		}
		next[e.Run]++
	}
	for run := 1; run <= clients; run++ {
		if next[run] != each {
			t.Errorf("run %d has %d events, want %d", run, next[run], each)
		}
	}
	if r := histOf(h.Events()).StartRun("one name", ""); r.Number() != clients+1 {
		t.Errorf("the run after those that were read in is %d, want %d", r.Number(), clients+1)
	}
}

func TestRunLine(t *testing.T) {
	h := &scenario.History{}
	r := h.StartRun("alice", scenario.BeginProcessed)
	r.Offered("general", "m1", "hi")
	r.Offered("general", "m2", "oh")
	for _, line := range []string{
		`{"t":"2026-08-01T12:00:00.000Z","event":"hello","schema":1}`,
		`{"t":"2026-08-01T12:00:00.001Z","event":"state","from":"connecting","to":"connected","reason":"","attempt":1,"retryInMs":0}`,
		`{"t":"2026-08-01T12:00:00.002Z","event":"queued","id":"m1","channel":"general","durable":true}`,
		`{"t":"2026-08-01T12:00:00.003Z","event":"queued","id":"m2","channel":"general","durable":false}`,
		`{"t":"2026-08-01T12:00:00.004Z","event":"cancelled","id":"m2","channel":"general","reason":"by the user"}`,
		`{"t":"2026-08-01T12:00:00.005Z","event":"sent","id":"m1","channel":"general","seq":1}`,
		`{"t":"2026-08-01T12:00:00.006Z","event":"message","channel":"general","seq":1,"id":"m1","user":"alice","text":"hi","time":"2026-08-01T12:00:00Z"}`,
		`{"t":"2026-08-01T12:00:00.007Z","event":"synced","channel":"general"}`,
		`{"t":"2026-08-01T12:00:00.008Z","event":"quality","level":"good","rttMs":12}`,
	} {
		if err := r.Line(time.Time{}, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"", "{", `{"id":"m1"}`, `{"event":"sent","seq":-1}`} {
		if err := r.Line(time.Time{}, []byte(line)); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
	h.Stored(scenario.Row{Channel: "general", ID: "m1", Seq: 1, User: "alice", Text: "hi"})
	v := scenario.Check(h, scenario.CheckOptions{Final: true, Acks: true})
	want := scenario.Counts{
		Events: 11, Clients: 1, Runs: 1, Channels: 1, Accepted: 2, Acked: 1, Withdrawn: 1, Stored: 1, Shown: 1,
	}
	if !v.OK || v.Counts != want {
		t.Errorf("got %+v: %v", v.Counts, v)
	}
	last := h.Events()[9]
	if last.Kind != scenario.KindSynced || !last.At.Equal(histT0.Add(7*time.Millisecond)) || last.Run != 1 {
		t.Errorf("the last line became %+v", last)
	}
	if err := r.Line(histT0, []byte(`{"t":"2020-01-01T00:00:00Z","event":"message","channel":"general","seq":1,"id":"m1","user":"alice","text":"hi","replay":true}`)); err != nil {
		t.Fatal(err)
	}
	if e := h.Events()[11]; !e.At.Equal(histT0) || !e.Replay {
		t.Errorf("a line with a time of reading became %+v", e)
	}
}

// FuzzReadHistory: what can be read can be written and read again as it was, and judged without a panic.
func FuzzReadHistory(f *testing.F) {
	var b bytes.Buffer
	if _, err := histEvery().WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{\"history\":1}\n{\"t\":\"2026-08-01T12:00:00+23:59\",\"event\":\"shown\",\"seq\":18446744073709551615,\"client\":\"a\"}"))
	f.Add([]byte("{\"history\":1}\n{\"t\":\"9999-12-31T23:59:59-01:00\",\"event\":\"stored\"}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := scenario.ReadHistory(bytes.NewReader(in))
		if h == nil {
			t.Fatal("no history")
		}
		for _, opts := range []scenario.CheckOptions{{Final: true}, {NoTable: true, Final: true, Acks: true}} {
			v := scenario.Check(h, opts)
			if _, err := json.Marshal(v); err != nil {
				t.Fatal(err)
			}
			if v.OK != (len(v.Violations) == 0) || v.String() == "" {
				t.Fatalf("a verdict at odds with itself: %v", v)
			}
		}
		scenario.SummarizeFaults(scenario.Timings(h, scenario.TimingOptions{}))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := h.WriteTo(&out); err != nil {
			t.Fatalf("read, and not writable: %v", err)
		}
		back, err := scenario.ReadHistory(&out)
		if err != nil {
			t.Fatalf("written, and not readable: %v", err)
		}
		histSame(t, h.Events(), back.Events())
	})
}

// FuzzRunLine: no line makes it panic, and what it took can be written.
func FuzzRunLine(f *testing.F) {
	f.Add([]byte(`{"t":"2026-08-01T12:00:00Z","event":"message","channel":"c","seq":1,"id":"m","user":"u","text":"x"}`))
	f.Add([]byte(`{"t":"0000-01-01T00:00:00+01:00","event":"queued","durable":false}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		h := &scenario.History{}
		err := h.StartRun("a", "").Line(time.Time{}, line)
		if err != nil && h.Len() != 1 {
			t.Fatalf("a bad line was recorded: %v", err)
		}
		if _, err := h.WriteTo(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
