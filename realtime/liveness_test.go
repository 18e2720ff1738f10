package realtime_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/realtime"
)

// path is a clean one of 100 ms: suspect after 250 ms, dead after 750 ms.
func path() *realtime.Estimator {
	e := &realtime.Estimator{}
	steady(e, 100*ms, 100)
	return e
}

func TestLivenessVerdicts(t *testing.T) {
	t0 := time.Now()
	at := func(d time.Duration) time.Time { return t0.Add(d) }
	e := path()
	for _, row := range []struct {
		name      string
		do        func(l *realtime.Liveness)
		now       time.Duration
		suspected bool
		received  uint64
		heard     time.Duration
		want      int
	}{
		{"nothing asked", func(*realtime.Liveness) {}, time.Hour, false, 0, 0, int(realtime.Alive)},
		{"young probe", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, 200 * ms, false, 0, 0, int(realtime.Alive)},
		{"old probe", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, 260 * ms, false, 0, 0, int(realtime.Suspect)},
		{"still suspected", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, 700 * ms, true, 0, 0, int(realtime.Suspect)},
		{"too old", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, 760 * ms, true, 0, 0, int(realtime.Dead)},
		{"answered", func(l *realtime.Liveness) { l.Sent(t0, 0, 0); l.Proof(t0, 0) }, 760 * ms, true, 0, 0, int(realtime.Alive)},
		{"later one answered", func(l *realtime.Liveness) {
			l.Sent(t0, 0, 0)
			l.Sent(at(50*ms), 0, 0)
			l.Proof(at(50*ms), 0)
		}, 760 * ms, true, 0, 0, int(realtime.Alive)},
		{"older one answered", func(l *realtime.Liveness) {
			l.Sent(t0, 0, 0)
			l.Sent(at(10*ms), 0, 0)
			l.Proof(t0, 0)
		}, 770 * ms, true, 0, 0, int(realtime.Dead)},
		{"a push is no answer", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, 760 * ms, true, 300, 740 * ms, int(realtime.Dead)},
		{"a long download is one", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, 760 * ms, true, 1 << 20, 740 * ms, int(realtime.Alive)},
		{"not for ever", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, 15010 * ms, true, 1 << 30, 15000 * ms, int(realtime.Dead)},
		{"a long upload takes its time", func(l *realtime.Liveness) { l.Sent(t0, 64<<10, 0) }, 1240 * ms, false, 0, 0, int(realtime.Alive)},
		{"noticed late, one more chance", func(l *realtime.Liveness) { l.Sent(t0, 0, 0) }, time.Minute, true, 0, 0, int(realtime.Alive)},
	} {
		t.Run(row.name, func(t *testing.T) {
			var l realtime.Liveness
			l.Begin(t0)
			row.do(&l)
			if got := l.Judge(at(row.now), row.suspected, e, row.received, at(row.heard)); got != row.want {
				t.Errorf("verdict %d, want %d", got, row.want)
			}
		})
	}
}

// TestTrickleIsNoDownload cuts the way up right after a probe. What had been on its way down comes, 10 KiB at once, and then
// 200 bytes each 100 ms, which isn't what holds up the answer. At 5 KiB a second it is.
func TestTrickleIsNoDownload(t *testing.T) {
	for _, row := range []struct {
		bytes  uint64
		within time.Duration
	}{{200, 900 * ms}, {512, 15 * time.Second}} {
		t0 := time.Now()
		var l realtime.Liveness
		e := path()
		l.Begin(t0)
		l.Sent(t0, 0, 0)
		received, now, suspected, verdict := uint64(0), t0, false, int(realtime.Alive)
		for verdict != int(realtime.Dead) && now.Sub(t0) < time.Minute {
			now = now.Add(100 * ms)
			if received += row.bytes; now.Sub(t0) == 100*ms {
				received += 10 << 10
			}
			verdict = l.Judge(now, suspected, e, received, now)
			suspected = suspected || verdict == int(realtime.Suspect)
		}
		if d := now.Sub(t0); d != row.within {
			t.Errorf("%d bytes each 100 ms: dead after %v, want %v", row.bytes, d, row.within)
		}
	}
}

// TestOverdueTimerGivesOneChance is protocol point 40: the second look, a second later, is the last.
func TestOverdueTimerGivesOneChance(t *testing.T) {
	t0 := time.Now()
	var l realtime.Liveness
	e := path()
	l.Begin(t0)
	l.Sent(t0, 0, 0)
	woken := t0.Add(10 * time.Minute)
	if got := l.Judge(woken, false, e, 0, t0); got != int(realtime.Alive) {
		t.Fatalf("verdict %d right after the wake, want one more chance", got)
	}
	if got := l.Judge(woken.Add(990*ms), false, e, 0, t0); got != int(realtime.Alive) {
		t.Errorf("verdict %d within the grace", got)
	}
	if got := l.Judge(woken.Add(1001*ms), false, e, 0, t0); got != int(realtime.Dead) {
		t.Errorf("verdict %d after the grace, want dead", got)
	}
}

// TestLateTimersDontAddUp lets every timer be late, as on a machine that is short of processors: waiting data gets one
// chance, and the verdict is late by what timers are late, not by more with each of them.
func TestLateTimersDontAddUp(t *testing.T) {
	for _, late := range []time.Duration{0, 30 * ms, 60 * ms, 200 * ms, 500 * ms, 1100 * ms} {
		t0 := time.Now()
		var l realtime.Liveness
		e := path()
		l.Begin(t0)
		l.Sent(t0, 0, 0)
		now, suspected, looks := t0, false, 0
		for verdict := int(realtime.Alive); verdict != int(realtime.Dead); looks++ {
			suspectAt, deadAt := l.Deadlines(e)
			if suspected {
				suspectAt = deadAt
			}
			if suspectAt.After(now) {
				now = suspectAt
			}
			now = now.Add(late)
			if verdict = l.Judge(now, suspected, e, 0, t0); verdict == int(realtime.Suspect) && !suspected {
				suspected = true
				l.Sent(now, 0, 0)
			}
			if looks > 10 {
				t.Fatalf("timers late by %v: no verdict after %v", late, now.Sub(t0))
			}
		}
		grace := time.Duration(0)
		switch {
		case late > time.Second:
			grace = time.Second
		case late > 50*ms:
			grace = 50 * ms
		}
		if d, most := now.Sub(t0), realtime.DeadMin+2*late+grace; d > most {
			t.Errorf("timers late by %v: dead after %v in %d looks, want at most %v", late, d, looks, most)
		}
	}
}

// TestStallIsNotTakenForLoss: on a loaded machine answers are late because nobody looked. Taken for loss they made the
// demo wait 4.4 s for a half-open link.
func TestStallIsNotTakenForLoss(t *testing.T) {
	for _, row := range []struct {
		name    string
		answers []realtime.Answer
		want    int
	}{
		{"late by a retransmission", []realtime.Answer{{0, 400 * ms, 0}}, 1},
		{"late by less", []realtime.Answer{{0, 330 * ms, 0}}, 0},
		{"this process stood still", []realtime.Answer{{0, 900 * ms, 300 * ms}}, 0},
		{"it stood still before", []realtime.Answer{{0, 100 * ms, 300 * ms}, {200 * ms, 700 * ms, 0}}, 1},
		{"timers a little late", []realtime.Answer{{0, 900 * ms, 40 * ms}}, 1},
		{"held up behind one loss", []realtime.Answer{{0, 1000 * ms, 0}, {100 * ms, 1000 * ms, 0}, {200 * ms, 1000 * ms, 0}}, 1},
		{"two losses", []realtime.Answer{{0, 400 * ms, 0}, {401 * ms, 801 * ms, 0}}, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := realtime.LateAnswers(row.answers...); err != nil || got != row.want {
				t.Errorf("%d late answers (%v), want %d", got, err, row.want)
			}
		})
	}
}

func TestProbesKeepTheirPace(t *testing.T) {
	t0 := time.Now()
	var l realtime.Liveness
	l.Begin(t0)
	if got := l.ProbeAt(500*ms, 1).Sub(t0); got != 500*ms {
		t.Errorf("first probe after %v", got)
	}
	l.Sent(t0.Add(400*ms), 0, 0)
	l.Proof(t0.Add(400*ms), 0)
	if got := l.ProbeAt(500*ms, 1).Sub(t0); got != 900*ms {
		t.Errorf("probe %v after the start, want 500 ms after what was proven", got)
	}
}

func TestSleepIsNoticed(t *testing.T) {
	if realtime.Slept(time.Second, time.Second) || realtime.Slept(time.Second, time.Minute) {
		t.Error("clocks that agree, or a wall clock set back, are no sleep")
	}
	if !realtime.Slept(10*time.Minute, 500*ms) {
		t.Error("ten minutes of wall time in half a second weren't noticed")
	}
}
