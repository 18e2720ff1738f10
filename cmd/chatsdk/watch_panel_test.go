package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

var updatePanels = flag.Bool("update", false, "write testdata/panel.txtar instead of comparing with it")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// wellAt is a client with nothing to complain of.
func wellAt(at time.Time) sight {
	return sight{at: at, status: chatsdk.Status{
		Server: "https://chat.example", User: "ada",
		Session:    token.Change{State: token.Fresh, Reason: token.ReasonRenewed},
		Connection: realtime.Snapshot{State: realtime.Connected, Since: noon.Add(-time.Hour), Reason: realtime.ReasonConnected},
		Quality: quality.Report{
			At: at, Since: noon.Add(-192 * time.Second), Level: quality.Good, Reach: quality.ReachOnline, Reason: quality.ReasonRTT,
			RTT:        quality.RTT{Median: 84 * time.Millisecond, Variation: 6 * time.Millisecond, Tail: 101300 * time.Microsecond, Samples: 50},
			Loss:       quality.Loss{Share: 0.004, Low: 0.001, High: 0.0123, Segments: 2000},
			Goodput:    quality.Goodput{Up: 1.2 * (1 << 20), Down: 300 << 10},
			Confidence: 0.972,
		},
	}}
}

// awayAt is a client whose network is gone.
func awayAt(at time.Time) sight {
	s := wellAt(at)
	q := &s.status.Quality
	q.Level, q.Reach, q.Reason, q.RTT, q.Loss, q.Goodput = quality.Offline, quality.ReachOffline, quality.ReasonSilence, quality.RTT{}, quality.Loss{}, quality.Goodput{}
	q.Since, q.Drops = noon.Add(-9*time.Second), 1
	s.status.Connection = realtime.Snapshot{
		State: realtime.Reconnecting, Since: noon.Add(-9 * time.Second), Reason: realtime.ReasonUnreachable, Attempt: 3,
		Err: errors.New("realtime: dial: dial tcp 192.0.2.1:443: connect: network is unreachable"),
	}
	s.retryAt = at.Add(1300 * time.Millisecond)
	s.status.Queue = outbox.Snapshot{Queued: 3, Sending: 1, Parked: 2, Aside: 1, Blocked: map[outbox.Blocked]int{outbox.BlockedNetwork: 2, outbox.BlockedEarlier: 1}}
	s.status.Uploads = upload.Snapshot{States: map[upload.State]int{upload.WaitingNetwork: 1, upload.Paused: 2, upload.Done: 7}, Acked: 20 << 20, Total: 50 << 20}
	return s
}

// panelCase is a panel that was shown these looks, one after the other.
type panelCase struct {
	width, height int
	looks         []sight
}

func look1(width int, change func(*sight)) panelCase {
	s := wellAt(noon)
	change(&s)
	return panelCase{width, 24, []sight{s}}
}

func panelCases() map[string]panelCase {
	cases := map[string]panelCase{
		"unknown": {80, 24, []sight{{at: noon, status: chatsdk.Status{
			Server: "https://chat.example", Session: token.Change{Reason: token.ReasonStart},
			Connection: realtime.Snapshot{State: realtime.Connecting, Since: noon, Reason: realtime.ReasonAsked}, Quality: quality.Report{Reason: quality.ReasonStart},
		}}}},
		"offline":        {80, 24, []sight{awayAt(noon)}},
		"offline narrow": {40, 24, []sight{awayAt(noon)}},
		"offline tiny":   {9, 4, []sight{awayAt(noon)}},
		"captive": look1(80, func(s *sight) {
			s.status.Quality = quality.Report{Reach: quality.ReachCaptive, Reason: quality.ReasonPortal, Since: noon, Confidence: 0.98}
			s.status.Connection = realtime.Snapshot{State: realtime.Suspended, Since: noon.Add(-time.Hour), Reason: realtime.ReasonProtocol, Attempt: 70}
		}),
		"server down": look1(80, func(s *sight) {
			s.status.Quality = quality.Report{Reach: quality.ReachServerDown, Reason: quality.ReasonRefused, Since: noon.Add(-2 * time.Hour), Confidence: 0.9}
			s.status.Connection = realtime.Snapshot{State: realtime.Reconnecting, Since: noon, Reason: realtime.ReasonServerDelay}
			s.retryAt = noon.Add(-time.Second) // under way
		}),
		"signed out": look1(80, func(s *sight) {
			s.status.Session = token.Change{State: token.ReauthRequired, Reason: "invalid_grant", Err: token.ErrSignedOut}
			s.status.Connection = realtime.Snapshot{State: realtime.Disconnected, Since: noon, Reason: realtime.ReasonAsked}
			s.status.Queue = outbox.Snapshot{Queued: 1, Blocked: map[outbox.Blocked]int{outbox.BlockedAuth: 1}}
		}),
		"failed": look1(80, func(s *sight) {
			s.status.Session.Attempt = 2
			s.status.Connection = realtime.Snapshot{State: realtime.Failed, Since: noon, Reason: realtime.ReasonRefused, Err: errors.New("banned")}
			s.status.Queue.Err, s.status.Uploads.Err = errors.New("no room"), errors.New("none here either")
		}),
		"channels, guessed loss, transfer": look1(100, func(s *sight) {
			s.status.Quality.RTT.Loaded, s.status.Quality.Loss.Inferred = 300*time.Millisecond, true
			s.status.Channels = map[string]inbox.Snapshot{"staff": {Top: 3, Target: 9}, "general": {Top: 12, Target: 12, Synced: true}}
		}),
		"hostile texts": look1(60, func(s *sight) {
			s.status.User, s.status.Server = "a\x1b[2Jda", "http://"+strings.Repeat("x", 300)
			s.status.Quality.Reason = quality.Reason(strings.Repeat("長い", 100))
			s.status.Session.Reason = "re\tset\r\n\x07\u202e" + strings.Repeat("y", 70)
			s.status.Session.Err = errors.New("one\ntwo\x00")
			s.status.Channels = map[string]inbox.Snapshot{strings.Repeat("c", 64): {}}
			s.notice = "level=ERROR msg=\x1b]0;title\x07"
		}),
	}
	for level := quality.Excellent; level <= quality.Poor; level++ {
		cases["level "+level.String()] = look1(80, func(s *sight) { s.status.Quality.Level = level })
	}
	drive := panelCase{width: 80, height: 24}
	for n := range 50 { // into a tunnel and out again, with a hole while the machine slept
		at := noon.Add(time.Duration(n) * 2 * time.Second)
		s := wellAt(at)
		s.status.Quality.RTT.Median = time.Duration(40+7*n) * time.Millisecond
		switch {
		case n < 5:
			s.status.Quality.Level, s.status.Quality.Reach = quality.Unknown, quality.ReachUnknown
		case n >= 20 && n < 25:
			s = awayAt(at)
		case n >= 40 && n < 44:
			continue
		}
		drive.looks = append(drive.looks, s)
	}
	cases["history"] = drive
	drive.width = 40
	cases["history narrow"] = drive
	return cases
}

func (c panelCase) panel() *panel {
	p := &panel{}
	for _, s := range c.looks {
		p.apply(s)
	}
	return p
}

var colourCodes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// checkFits wants a view within its bounds and without anything that a terminal would obey.
func checkFits(view string, width, height int) error {
	lines := strings.Split(view, "\n")
	if len(lines) > height {
		return fmt.Errorf("%d lines in %d", len(lines), height)
	}
	for _, line := range lines {
		if w := lipgloss.Width(line); w > width {
			return fmt.Errorf("%d columns in %d: %s", w, width, line)
		}
		if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			return fmt.Errorf("%q at %d", line, i)
		}
	}
	return nil
}

// TestPanel compares what is drawn with testdata/panel.txtar.
func TestPanel(t *testing.T) {
	const file = "testdata/panel.txtar"
	golden, err := txtar.ParseFile(file)
	if err != nil && !*updatePanels {
		t.Fatal(err)
	}
	want := map[string]string{}
	if golden != nil {
		for _, f := range golden.Files {
			want[f.Name] = string(f.Data)
		}
	}
	cases, got := panelCases(), &txtar.Archive{}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		view := c.panel().view(c.width, c.height, false)
		if err := checkFits(view, c.width, c.height); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if coloured := c.panel().view(c.width, c.height, true); coloured == view || colourCodes.ReplaceAllString(coloured, "") != view {
			t.Errorf("%s: in colours it says something else:\n%s", name, coloured)
		}
		got.Files = append(got.Files, txtar.File{Name: name, Data: []byte(view + "\n")})
		if want[name] != view+"\n" && !*updatePanels {
			t.Errorf("%s: (go test -run TestPanel -update writes it)\n%s\nwant\n%s", name, view, want[name])
		}
		delete(want, name)
	}
	if *updatePanels {
		if err := os.WriteFile(file, txtar.Format(got), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if len(want) > 0 {
		t.Errorf("nobody draws %v", slices.Sorted(maps.Keys(want)))
	}
}

// TestPanelFits draws all panels in all sizes.
func TestPanelFits(t *testing.T) {
	for name, c := range panelCases() {
		p := c.panel()
		for width := range 130 {
			for _, height := range []int{0, 1, 2, 5, 17, 50} {
				if err := checkFits(p.view(width, height, false), max(width, 1), max(height, 1)); err != nil {
					t.Fatalf("%s in %d x %d: %v", name, width, height, err)
				}
			}
		}
	}
}

// TestLevelLooks holds icons, labels and colours to those of the first sketch, and all of them apart.
func TestLevelLooks(t *testing.T) {
	const green, yellow, orange, red = "2", "3", "208", "1" // as terminals number them
	for level, want := range map[quality.Level]levelLook{
		quality.Excellent: {"●●●", "Excellent", green}, quality.Good: {"●●○", "Good", green}, quality.Fair: {"●○○", "Fair", yellow},
		quality.Poor: {"○○○", "Poor", orange}, quality.Offline: {"×××", "Offline", red},
	} {
		if look := levelLooks[level]; look != want {
			t.Errorf("%v: %v, want %v", level, look, want)
		}
	}
	seen := map[string]bool{}
	for level, look := range levelLooks {
		if seen[look.icon] || seen[look.label] || lipgloss.Width(look.icon) != 3 {
			t.Errorf("%v looks like another one, or has no icon of its width: %+v", quality.Level(level), look)
		}
		seen[look.icon], seen[look.label] = true, true
	}
}

// TestPanelCountsDown goes through the seconds until the next try.
func TestPanelCountsDown(t *testing.T) {
	var p panel
	for left, want := range map[time.Duration]string{
		3 * time.Second: "try 4 in 3s", 2001 * time.Millisecond: "try 4 in 3s", time.Millisecond: "try 4 in 1s", 0: "try 4, since", -time.Second: "try 4, since",
	} {
		s := awayAt(noon)
		s.retryAt = noon.Add(left)
		p.apply(s)
		if got := p.connectionText(); !strings.Contains(got, want) {
			t.Errorf("%v left: %s, want %s", left, got, want)
		}
	}
}

// TestPanelNeedsNoMoreMemory applies what hours of changes, a clock that is set back, and a long sleep bring.
func TestPanelNeedsNoMoreMemory(t *testing.T) {
	var p panel
	s, n := wellAt(noon), 0
	if allocs := testing.AllocsPerRun(10_000, func() {
		n++
		s.at = s.at.Add(700 * time.Millisecond)
		switch n {
		case 5000:
			s.at = s.at.Add(-time.Hour)
		case 8000:
			s.at = s.at.Add(1000 * time.Hour)
		}
		p.apply(s)
	}); allocs != 0 {
		t.Errorf("%v allocations for each", allocs)
	}
	if bars, highest := p.past.spark(3 * pastSlots); lipgloss.Width(bars) != pastSlots || highest != 84*time.Millisecond {
		t.Errorf("%q up to %v", bars, highest)
	}
}

// TestLooksAreBounded wants ten looks a second at most in a burst of 10,000 changes, the last one after the last change, and
// two a second when nothing happens.
func TestLooksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		changed := make(chan struct{}, 1)
		w := watching{changed: changed}
		var updates, seen, looks atomic.Int64
		go look(ctx, changed, func() sight { return sight{retryAt: time.Unix(updates.Load(), 0)} }, func(s sight) {
			looks.Add(1)
			seen.Store(s.retryAt.Unix())
		})
		for range 10_000 { // 2 s
			time.Sleep(200 * time.Microsecond)
			updates.Add(1)
			w.wake()
		}
		synctest.Wait()
		if n := looks.Load(); n < 19 || n > 21 {
			t.Errorf("%d looks in 2 s", n)
		}
		time.Sleep(time.Second / framesPerSecond)
		synctest.Wait()
		if seen.Load() != updates.Load() {
			t.Errorf("saw %d of %d", seen.Load(), updates.Load())
		}
		looks.Store(0)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := looks.Load(); n < 9 || n > 11 { // each 600 ms
			t.Errorf("%d looks in 6 s", n)
		}
	})
}

// TestWatchLines says each change once.
func TestWatchLines(t *testing.T) {
	var p plainWatch
	var out bytes.Buffer
	queue := statusEvent{Queue: statusQueue{Queued: 2, Blocked: map[string]int{"network": 2}}}
	for _, e := range []event{
		helloEvent{Server: "http://x", User: "ada"},
		stateEvent{From: "connected", To: "reconnecting", Reason: "link lost"},
		stateEvent{From: "reconnecting", To: "reconnecting", Reason: "unreachable", Attempt: 1, RetryInMS: 250, Error: "no route"},
		stateEvent{From: "reconnecting", To: "reconnecting", Reason: "unreachable", Attempt: 2, RetryInMS: 500, Error: "no route"},
		tokenEvent{State: "fresh", Reason: "renewed"},
		qualityEvent{statusQuality: statusQuality{Level: "good", Reach: "online", Reason: "rtt", RTTMS: 84.2, Confidence: 0.5}},
		qualityEvent{statusQuality: statusQuality{Level: "no such", Reach: "captive", Reason: "portal"}},
		queue, queue,
		syncedEvent{Channel: "general"},
		errorEvent{Message: "can't sign in yet"},
		diskEvent{Message: "no room"},
		uploadEvent{},
	} {
		if line, notice := p.line(e); line != "" {
			if !notice {
				line = line[len("15:04:05 "):]
			}
			fmt.Fprintln(&out, line)
		}
	}
	const want = `watching http://x for ada
connection reconnecting (link lost)
connection reconnecting (unreachable), try 2 in 250ms: no route
session fresh (renewed)
●●○ Good, online (rtt), 84 ms, 50% sure
··· Unknown, captive (portal)
outbox 2 queued, 0 sending, 0 parked, waiting for network 2; uploads -
channel general caught up
can't sign in yet
messages can't be kept: no room
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}
}
