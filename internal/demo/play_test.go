package demo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/demo"
	"github.com/chatsdk/chatsdk/scenario"
)

// plays are scenarios that are over soon, or never.
func plays() []scenario.Scenario {
	quick := scenario.Scenario{
		Name: "quick", Why: "-", Warm: 300 * time.Millisecond, Gap: time.Millisecond, Every: 50 * time.Millisecond,
		Thresholds: scenario.Thresholds{Resends: -1, CatchUpWithin: 20 * time.Second, Reconnects: 1},
		Faults: []scenario.Fault{{Name: "break", Begin: func(_ context.Context, _ *scenario.World, c *scenario.Client) error {
			c.Link.Reset()
			return nil
		}}},
	}
	late, long, broken, chatty := quick, quick, quick, quick
	quick.ID, late.ID, long.ID, broken.ID, chatty.ID = "quick", "late", "long", "broken", "quick-chatty"
	late.Thresholds.AckWithin = time.Nanosecond
	long.Warm = time.Hour
	broken.Play = func(context.Context, *scenario.World, scenario.Scenario, *scenario.Report, string) error {
		return errors.New("it is broken")
	}
	for range 249 {
		chatty.Faults = append(chatty.Faults, scenario.Fault{Name: strings.Repeat("x", 600), Unnoticed: true, Begin: noFault})
	}
	chatty.Thresholds = scenario.Thresholds{Resends: -1, Reconnects: -1}
	return []scenario.Scenario{chatty, quick, late, long, broken}
}

func noFault(context.Context, *scenario.World, *scenario.Client) error { return nil }

// over waits for the end of what plays.
func (r *rig) over() state {
	r.t.Helper()
	return r.until("it is over", func(s state) bool { return s.Play.State != "running" })
}

func TestPlayPassesAndFails(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{Scenarios: plays()})
	s := r.call(http.MethodPost, "play", `{"scenario":"quick"}`, http.StatusAccepted)
	if s.Play.ID != "quick" || s.Play.State != "running" || s.Play.Lines == nil || s.Play.Clients == nil || s.Play.Problems == nil {
		t.Errorf("at the beginning: %+v", s.Play)
	}
	p := r.over().Play
	if p.State != "passed" || len(p.Problems) != 0 || p.Counts.Violations != 0 || p.TookMs < 300 {
		t.Errorf("at its end: %+v", p)
	}
	if p.Counts.Sent == 0 || p.Counts.Stored != p.Counts.Sent || p.Counts.Shown != 2*p.Counts.Sent {
		t.Errorf("counts %+v", p.Counts)
	}
	if c := p.Clients; len(c) != 2 || c[0].State != "stopped" || c[0].Sent+c[1].Sent != p.Counts.Sent || c[0].Shown != p.Counts.Stored {
		t.Errorf("clients %+v with %+v", c, p.Counts)
	}
	if all := strings.Join(p.Lines, "\n"); !strings.Contains(all, "  break: detected") || !strings.Contains(all, "s  ada    fault: break\n") || !strings.Contains(all, "s  ada    connected (connected)\n") || !strings.Contains(all, "messages acknowledged") {
		t.Errorf("lines %q", p.Lines)
	}

	r.call(http.MethodPost, "play", `{"scenario":"late"}`, http.StatusAccepted)
	if p := r.over().Play; p.State != "failed" || len(p.Problems) != 1 || !strings.Contains(p.Problems[0], "the slowest message") {
		t.Errorf("one that misses a threshold: %+v", p)
	}
	r.call(http.MethodPost, "play", `{"scenario":"broken"}`, http.StatusAccepted)
	if p := r.over().Play; p.State != "error" || fmt.Sprint(p.Problems) != "[it is broken]" {
		t.Errorf("one that can't be played: %+v", p)
	}
	if s := r.state(); s.Server.Stored != 0 {
		t.Errorf("the demo's own server has %d messages of it", s.Server.Stored)
	}
}

func TestPlayOneAtATime(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{Scenarios: plays()})
	r.post("stop", `{}`) // nothing
	r.call(http.MethodPost, "play", `{"scenario":"long"}`, http.StatusAccepted)
	if res, text := r.ask(http.MethodPost, "/demo/v1/play", `{"scenario":"quick"}`); res.StatusCode != http.StatusConflict || !strings.Contains(text, `"conflict"`) {
		t.Errorf("a second one: %s %s", res.Status, text)
	}
	s := r.until("its clients talk", func(s state) bool { return s.Play.Counts.Shown > 0 })
	if p := s.Play; p.State != "running" || len(p.Clients) != 2 || p.Clients[0].Name != "ada" || p.Clients[0].State == "" || p.Counts.Sent == 0 {
		t.Errorf("in the middle: %+v", p)
	}
	r.post("stop", `{}`)
	if p := r.over().Play; p.ID != "long" || p.State != "stopped" || len(p.Problems) != 0 || p.TookMs > 20_000 {
		t.Errorf("stopped: %+v", p)
	}
	r.call(http.MethodPost, "play", `{"scenario":"quick"}`, http.StatusAccepted)
	if p := r.over().Play; p.State != "passed" {
		t.Errorf("another one after it: %+v", p)
	}
}

func TestPlayKeepsSomeLines(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{Scenarios: plays()})
	if s := r.state().Scenarios; s[len(s)-1].ID != "quick-chatty" || s[len(s)-1].Of != "quick" {
		t.Errorf("scenarios %+v", s)
	}
	r.call(http.MethodPost, "play", `{"scenario":"quick-chatty"}`, http.StatusAccepted)
	p := r.over().Play
	if len(p.Lines) != 200 {
		t.Errorf("%d lines", len(p.Lines))
	}
	for _, line := range p.Lines {
		if len(line) > 500 || strings.Contains(line, "\n") {
			t.Fatalf("line %q", line)
		}
	}
	if len(p.Problems) != 50 { // in so short a fault nothing is acknowledged
		t.Errorf("%d problems", len(p.Problems))
	}
}
