package chatsdk_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/upload"
)

// trial is one of what closing the loop buys. It is run with the loop open and closed on the same seeds, and returns
// figures, which are better the less they are.
type trial struct {
	test    string
	run     func(t *testing.T, h *host, measureOnly bool, seed uint64) []float64
	figures []figure
	seeds   uint64 // from 1 on, without SEED and SOAK_SEEDS
}

// figure is one of a trial's, and its bounds: closed it is most at most, and never worse by more than slack; on average it
// is better by gain.
type figure struct {
	name              string
	most, slack, gain float64
}

const (
	stored    = "s until a message is stored"
	connected = "s until connected"
	// phase is by how much a client is luckier than another whose pings go out at other moments.
	phase = 0.1
	// luck is by how much those that try at all moments beat the monitor, whose probes are a second apart in the background,
	// and a round trip, where they happen to try just then.
	luck = 1.1
	// resumes is by how much calls that wait for the monitor's probe, a round trip and their turn in 500 ms are later than those
	// that try all the time.
	resumes = luck + 0.4
	// lostTwice is by how much a message is later at 100 ms one of whose segments was lost twice in a row: 3·(RTT + 200 ms). Which
	// are lost is luck, with the loop open and closed.
	lostTwice = 0.9
	// asks is the time between two looks for a server that is down, the monitor's or one's own, which are at other moments.
	asks = 5
	// look is the time between two looks of a trial: of two that are equal one may be seen a look later.
	look = 0.005
)

// A trial is played with as many seeds as keep its means away from their bounds, whatever else is up to chance in it.
const (
	few = 3
	// more is for a trial whose runs differ: in one of 20 the client with the loop open dials less than others, and is done later.
	more = 8
)

var loopTrials = []trial{
	{"address change, foreground", addressChange(realtime.Foreground), []figure{{stored, 1, phase, -phase}}, few},
	{"address change, background", addressChange(realtime.Background), []figure{{stored, 1, 0, 1.4}}, few},
	// The monitor's pings go over the connection, which finds out by them that it is dead, with the loop open, too.
	{"address change, foreground, nothing to say", idleChange(realtime.Foreground, 100*time.Millisecond), []figure{{connected, 0.9, phase, -phase}}, few},
	{"address change, background, nothing to say", idleChange(realtime.Background, 100*time.Millisecond), []figure{{connected, 0.9, 0, 1.4}}, few},
	{"address change to a long path", idleChange(realtime.Foreground, 900*time.Millisecond), []figure{{connected, 4.6, 0, 4 - phase}}, few},
	{"outage of 60 s", needlessTries, []figure{
		{"dials beside the monitor's", 30, 0, 40}, {"refreshes that failed", 1, 0, 1}, {"s until all is sent", 1.8, resumes, -1},
	}, more},
	{"heal, background", healed, []figure{{stored, 1.5, luck, 0.8}}, few},
	{"server down, background", serverDown, []figure{{stored, 5.3, asks, -look}, {connected, 10.5, luck, 5}}, few},
	{"5% loss", lossy, []figure{{"reconnects", 3, 0, 0}, {"s of messages, 95th percentile", 1.4, lostTwice, -lostTwice / 3}}, few},
	{"blackout of a new path", newPath, []figure{{"s until it is seen", 3.5, 0, 1}}, few},
	{"cut of a slow upload", slowUpload, []figure{{"KiB sent again", 64, 0, 200}}, few},
}

// loopSeeds are as many as a trial needs, or as many as SOAK_SEEDS says, or the one of SEED.
func loopSeeds(t *testing.T, n uint64) (seeds []uint64) {
	t.Helper()
	for _, name := range []string{"SEED", "SOAK_SEEDS"} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		if name == "SEED" {
			return []uint64{n}
		}
	}
	for seed := range n {
		seeds = append(seeds, seed+1)
	}
	return seeds
}

// TestLoopPays wants the loop to be worth closing. SOAK_SEEDS=N plays each trial with seeds 1 to N, SEED=S with one.
func TestLoopPays(t *testing.T) {
	for _, trial := range loopTrials {
		t.Run(trial.test, func(t *testing.T) {
			open, closed := make([][]float64, len(trial.figures)), make([][]float64, len(trial.figures))
			seeds := loopSeeds(t, trial.seeds)
			for _, seed := range seeds {
				var was, is []float64
				withHost(t, func(t *testing.T, h *host) { was = trial.run(t, h, true, seed) })
				withHost(t, func(t *testing.T, h *host) { is = trial.run(t, h, false, seed) })
				for k, f := range trial.figures {
					open[k], closed[k] = append(open[k], was[k]), append(closed[k], is[k])
					if is[k] > was[k]+f.slack || is[k] > f.most {
						t.Errorf("SEED=%d: %.4g %s, %.4g with the loop open; want %.4g at most", seed, is[k], f.name, was[k], f.most)
					}
				}
			}
			for k, f := range trial.figures {
				gain := mean(open[k]) - mean(closed[k])
				t.Logf("%s: open %s, closed %s", f.name, spread(open[k]), spread(closed[k]))
				if len(seeds) > 1 && gain < f.gain {
					t.Errorf("%s: better by %.4g, want %.4g", f.name, gain, f.gain)
				}
			}
		})
	}
}

func mean(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// spread is the mean, the median and the largest.
func spread(v []float64) string {
	v = slices.Sorted(slices.Values(v))
	return fmt.Sprintf("%.4g (mean %.4g, worst %.4g)", v[len(v)/2], mean(v), v[len(v)-1])
}

func measureOnly(on bool, p realtime.Profile) func(*chatsdk.Options) {
	return func(o *chatsdk.Options) { o.Quality.MeasureOnly, o.Profile = on, p }
}

// settled waits for some while that is another for each seed.
func settled(seed uint64, least time.Duration) {
	time.Sleep(least + time.Duration(seed%97)*137*time.Millisecond)
}

// addressChange gives the phone another address, which its operating system tells: what goes over the old connections is
// lost. Somebody says something at the same moment.
func addressChange(profile realtime.Profile) func(*testing.T, *host, bool, uint64) []float64 {
	return func(t *testing.T, h *host, open bool, seed uint64) []float64 {
		p := h.phone(t, seed, measureOnly(open, profile))
		defer p.Close()
		settled(seed, 30*time.Second)
		h.link.Strand(true, true)
		p.links(true, true)
		return []float64{p.sent(t, p.say(t)).Seconds()}
	}
}

// idleChange is addressChange where nobody says anything, to a network with a round trip of rtt: where that is 900 ms, an
// attempt takes longer than the path before asked for.
func idleChange(profile realtime.Profile, rtt time.Duration) func(*testing.T, *host, bool, uint64) []float64 {
	return func(t *testing.T, h *host, open bool, seed uint64) []float64 {
		p := h.phone(t, seed, measureOnly(open, profile))
		defer p.Close()
		settled(seed, 30*time.Second)
		h.link.Set(faultnet.Symmetric(rtt))
		h.link.Strand(true, true)
		changed := time.Now()
		p.links(true, true)
		for !p.connectedSince(changed) {
			time.Sleep(5 * time.Millisecond)
		}
		return []float64{time.Since(changed).Seconds()}
	}
}

// needlessTries has everybody want something in an outage of 60 s in which the session's token runs out of its margin:
// three calls, messages, and an upload that is half done.
func needlessTries(t *testing.T, h *host, open bool, seed uint64) []float64 {
	h.link.Update(func(c *faultnet.Conditions) { c.Up.Rate = 256 << 10 })
	p := h.phone(t, seed, measureOnly(open, realtime.Background))
	defer p.Close()
	time.Sleep(11*time.Minute + 5*time.Second + time.Duration(seed%10)*time.Second)
	path := filepath.Join(t.TempDir(), "film")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := p.Upload(t.Context(), upload.Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	h.link.Cut()
	dials, refreshes := p.dials.Load()-p.Probes(), p.refresh.Load()
	time.Sleep(15 * time.Second) // it is known by now
	id := p.say(t)
	calls := make(chan error, 3)
	for i := range 3 {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			for p.CreateChannel(ctx, "room"+strconv.Itoa(i), false) != nil && ctx.Err() == nil { // each call has 10 s
			}
			calls <- ctx.Err()
		}()
	}
	time.Sleep(45 * time.Second)
	dials, refreshes = p.dials.Load()-p.Probes()-dials, p.refresh.Load()-refreshes
	h.link.Heal()
	began := time.Now()
	p.sent(t, id)
	for range 3 {
		if err := <-calls; err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	if _, err := p.WaitUpload(t.Context(), u.ID); err != nil { // it leaves room for what was said, so that its time is another matter
		t.Fatal(err)
	}
	return []float64{float64(dials), float64(refreshes), took.Seconds()}
}

// healed has a message wait for the end of an outage.
func healed(t *testing.T, h *host, open bool, seed uint64) []float64 {
	p := h.phone(t, seed, measureOnly(open, realtime.Background))
	defer p.Close()
	settled(seed, 30*time.Second)
	h.link.Cut()
	id := p.say(t)
	settled(seed*31, time.Minute)
	h.link.Heal()
	return []float64{p.sent(t, id).Seconds()}
}

// serverDown has a message wait for a server that refuses connections meanwhile.
func serverDown(t *testing.T, h *host, open bool, seed uint64) []float64 {
	p := h.phone(t, seed, measureOnly(open, realtime.Background))
	defer p.Close()
	settled(seed, 30*time.Second)
	h.link.Update(func(c *faultnet.Conditions) { c.Refused = true })
	h.link.Reset()
	id := p.say(t)
	settled(seed*31, time.Minute)
	h.link.Heal()
	took := p.sent(t, id)
	return []float64{took.Seconds(), (took + p.await(t, realtime.Connected)).Seconds()}
}

// lossy talks for a minute over a new path that loses 5% each way: what the loop makes of silence doesn't cost a
// connection that is only unlucky.
func lossy(t *testing.T, h *host, open bool, seed uint64) []float64 {
	for range 4 * seed { // each connection has luck of its own
		conn, err := h.net.Dialer("phone")(t.Context(), "tcp", "server:80")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	h.link.Update(func(c *faultnet.Conditions) { c.Up.Loss, c.Down.Loss = 0.05, 0.05 })
	p := h.phone(t, seed, measureOnly(open, realtime.Foreground))
	defer p.Close()
	var took []time.Duration
	for range 30 {
		began := time.Now()
		took = append(took, p.sent(t, p.say(t)))
		time.Sleep(2*time.Second - time.Since(began))
	}
	slices.Sort(took)
	return []float64{p.Reconnects(), took[len(took)*95/100].Seconds()}
}

// newPath cuts a path of 300 ms that was never used before.
func newPath(t *testing.T, h *host, open bool, seed uint64) []float64 {
	h.link.Set(faultnet.Symmetric(300 * time.Millisecond))
	p := h.phone(t, seed, measureOnly(open, realtime.Foreground))
	defer p.Close()
	time.Sleep(2*time.Second + time.Duration(seed%20)*100*time.Millisecond)
	h.link.Cut()
	cut := time.Now()
	for p.State().Connection.State == realtime.Connected {
		time.Sleep(5 * time.Millisecond)
	}
	return []float64{time.Since(cut).Seconds()}
}

// slowUpload breaks the connections 7 s into an upload over an uplink of 32 KiB/s, which the monitor was told of.
func slowUpload(t *testing.T, h *host, open bool, seed uint64) []float64 {
	const size = 600_000
	h.link.Update(func(c *faultnet.Conditions) { c.Up.Rate = 32 << 10 })
	p := h.phone(t, seed, measureOnly(open, realtime.Foreground))
	defer p.Close()
	settled(seed, 5*time.Second)
	p.ObserveUpload(128<<10, 4*time.Second)
	path := filepath.Join(t.TempDir(), "photo")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	p.written.Store(0)
	u, err := p.Upload(t.Context(), upload.Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(7 * time.Second)
	h.link.Reset()
	if u, err = p.WaitUpload(t.Context(), u.ID); err != nil || u.State != upload.Done {
		t.Fatal(u, err)
	}
	return []float64{float64(p.written.Load()-size) / 1024}
}
