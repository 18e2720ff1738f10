package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
)

const (
	// month is how long a device stays away: as long as a session lives without being renewed.
	month = 30 * 24 * time.Hour
	// monthOfRealTime stands for it where time can't be made to pass.
	monthOfRealTime = 2 * time.Second
	// backlog is what a device wrote by the end of the month, firstDays what of it before it was put aside.
	backlog   = 10_000
	firstDays = 2_000
	// missed is what the other wrote meanwhile.
	missed = 1_000
	// backlogWithin is ten times what 1,000 messages may take.
	backlogWithin = 30 * time.Second
	// offlineWrites is what is written on a plane, before and after the program is started again.
	offlineWrites = 20
)

// airplane are the scenarios of devices that are offline, with a profile that has to keep what they wrote.
func airplane() []Scenario {
	link := faultnet.Symmetric(100 * time.Millisecond)
	return []Scenario{
		{
			ID: "6", Name: "airplane mode",
			Why:  "what was written offline is gone when the program is started again before the landing",
			Link: link, Play: playAirplane, Thresholds: Thresholds{CatchUpWithin: 2 * time.Second},
		},
		{
			ID: "6-ack", Name: "ack lost and killed",
			Why:  "the server has a message, the client doesn't know and dies: it is sent twice, or never",
			Link: link, Play: playLostAck, Thresholds: Thresholds{CatchUpWithin: 2 * time.Second},
		},
		{
			ID: "6-month", Name: "offline for a month, then 10,000 messages",
			Why:    "queues that expire, ids that are forgotten and sessions that end lose what was written on a long journey",
			Limits: server.Limits{MessagesPerSecond: 1_000_000, MessageBurst: 1_000_000}, Alone: true,
			Link: link, Play: playMonth, Thresholds: Thresholds{CatchUpWithin: backlogWithin},
		},
		{
			ID: "6-backup", Name: "profile restored from a backup",
			Why:  "a device that forgot what it sent sends it again, or counts its messages wrongly and is refused for ever",
			Link: link, Play: playBackup, Thresholds: Thresholds{CatchUpWithin: 2 * time.Second},
		},
	}
}

// stage is a world with a device that goes offline and one that stays.
type stage struct {
	w          *World
	r          *Report
	dir        string
	limit      time.Duration
	away, home *Device
}

// setStage starts both devices and lets them say hello. Profiles are on disks in memory in virtual time, where waiting
// for a real one only takes time, and in folders on real sockets; place overrides that for the device that goes away.
func setStage(ctx context.Context, w *World, s Scenario, r *Report, dir string, place placement) (*stage, error) {
	g := &stage{w: w, r: r, dir: dir, limit: s.Thresholds.CatchUpWithin}
	usual := inMemory
	if r.Clock == "real" {
		usual = inFolder
	}
	if place == asUsual {
		place = usual
	}
	var err error
	if g.away, err = g.add(ctx, "ada", place); err != nil {
		return nil, err
	}
	if g.home, err = g.add(ctx, "bob", usual); err != nil {
		return nil, err
	}
	for _, d := range []*Device{g.away, g.home} {
		if err := bounded(ctx, d.caughtUp); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		if err := d.Send(ctx, "hello"); err != nil {
			return nil, err
		}
	}
	return g, g.rest(ctx)
}

// placement is where a device's profile is.
type placement int

const (
	asUsual  placement = iota
	inMemory           // such a device can crash
	inFolder           // such a device can be restored from a copy
)

func (g *stage) add(ctx context.Context, name string, p placement) (*Device, error) {
	if p == inMemory {
		return g.w.AddDevice(ctx, name)
	}
	return g.w.AddDeviceIn(ctx, name, g.folder(name))
}

func (g *stage) folder(name string) string { return filepath.Join(g.dir, name) }

// rest waits until nothing is on its way and everybody was shown everything.
func (g *stage) rest(ctx context.Context) error {
	return bounded(ctx, func(ctx context.Context) error {
		return errors.Join(emptyQueues(ctx, g.w), settleDevices(ctx, g.w))
	})
}

// taken waits until the server has stored the message with the seq.
func (g *stage) taken(ctx context.Context, seq uint64) error {
	return bounded(ctx, func(ctx context.Context) error {
		for {
			last, err := g.w.Last(ctx)
			if err != nil || last >= seq {
				return err
			}
			pause(ctx, 10*time.Millisecond)
			if ctx.Err() != nil {
				return fmt.Errorf("the server has messages up to %d, not %d: %w", last, seq, ctx.Err())
			}
		}
	})
}

// write makes a device send n messages.
func (g *stage) write(ctx context.Context, d *Device, what string, n int) error {
	for i := range n {
		if err := d.Send(ctx, fmt.Sprintf("%s %d", what, i+1)); err != nil {
			return err
		}
	}
	return nil
}

// back measures how long it takes from now until everything has come to rest.
func (g *stage) back(ctx context.Context, fault string) {
	began := time.Now()
	if err := g.rest(ctx); err != nil {
		g.r.problem("%s: %v", fault, err)
		return
	}
	took := time.Since(began)
	g.r.recovery(fault, Recovery{Connect: took, CatchUp: took}, g.limit)
}

// restart ends the program in order and starts it again.
func restart(ctx context.Context, d *Device) error {
	return errors.Join(d.Stop(), d.Start(ctx))
}

// playAirplane: what is written offline survives a restart of the program and arrives in order.
func playAirplane(ctx context.Context, w *World, s Scenario, r *Report, dir string) error {
	g, err := setStage(ctx, w, s, r, dir, asUsual)
	if err != nil {
		return err
	}
	w.History.FaultBegan("airplane mode", g.away.Name)
	g.away.Link.Cut()
	if err := g.write(ctx, g.away, "on the plane", offlineWrites); err != nil {
		return err
	}
	if err := restart(ctx, g.away); err != nil {
		return err
	}
	if err := errors.Join(g.write(ctx, g.away, "after the restart", offlineWrites), g.write(ctx, g.home, "meanwhile", offlineWrites)); err != nil {
		return err
	}
	pause(ctx, 5*time.Second)
	g.away.Link.Heal()
	w.History.FaultEnded("airplane mode", g.away.Name)
	g.back(ctx, "landing")
	return nil
}

// playLostAck: the server takes messages whose answers get lost, and the program dies before it can ask again.
func playLostAck(ctx context.Context, w *World, s Scenario, r *Report, dir string) error {
	g, err := setStage(ctx, w, s, r, dir, inMemory)
	if err != nil {
		return err
	}
	for _, power := range []bool{false, true} {
		name := map[bool]string{false: "kill", true: "power loss"}[power]
		if err := g.loseAcks(ctx, name); err != nil {
			r.problem("%s: the scenario shows nothing: %v", name, err)
		}
		g.away.Crash(power)
		w.History.FaultEnded(name, g.away.Name)
		if err := g.away.Start(ctx); err != nil {
			return err
		}
		g.back(ctx, name)
	}
	return nil
}

// loseAcks makes the server have messages whose answers got lost. On a machine that is busy the client may notice the
// silence meanwhile and ask again on another way; then more are tried.
func (g *stage) loseAcks(ctx context.Context, fault string) error {
	const messages, tries = 5, 5
	g.w.History.FaultBegan(fault, g.away.Name)
	for range tries {
		before, err := g.w.Last(ctx)
		if err != nil {
			return err
		}
		g.away.Link.Strand(false, true)
		if err := errors.Join(g.write(ctx, g.away, "before the "+fault, messages), g.taken(ctx, before+messages)); err != nil {
			return err
		}
		if q, ok := g.away.queue(); ok && q.Queued+q.Sending == messages {
			return nil
		}
		if err := g.rest(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("the program had answers before it could be killed, %d times", tries)
}

// playMonth: a device is away for as long as its session lives, and comes back with ten thousand messages.
func playMonth(ctx context.Context, w *World, s Scenario, r *Report, dir string) error {
	g, err := setStage(ctx, w, s, r, dir, asUsual)
	if err != nil {
		return err
	}
	w.History.FaultBegan("away", g.away.Name)
	g.away.Link.Cut()
	if err := g.write(ctx, g.away, "first days", firstDays); err != nil {
		return err
	}
	if err := errors.Join(g.away.Stop(), g.home.Stop(), g.letMonthPass(ctx)); err != nil {
		return err
	}
	if err := errors.Join(g.away.Start(ctx), g.home.Start(ctx), g.write(ctx, g.away, "last day", backlog-firstDays), g.write(ctx, g.home, "meanwhile", missed)); err != nil {
		return err
	}
	g.away.Link.Heal()
	w.History.FaultEnded("away", g.away.Name)
	g.back(ctx, "return")
	return nil
}

// letMonthPass stands for 30 days. Nothing runs meanwhile, not even the server: the timers of an idle one fire some
// millions of times in a month, and show nothing.
func (g *stage) letMonthPass(ctx context.Context) error {
	if g.r.Clock != "virtual" {
		pause(ctx, monthOfRealTime)
		g.r.note("on real sockets %v stand for the month: what its length does shows in virtual time alone", monthOfRealTime)
		return nil
	}
	err := g.w.StopServer(ctx, true)
	pause(ctx, month)
	return errors.Join(err, g.w.StartServer(ctx))
}

// playBackup: a profile is put back to where it was before its last messages were sent.
func playBackup(ctx context.Context, w *World, s Scenario, r *Report, dir string) error {
	g, err := setStage(ctx, w, s, r, dir, inFolder)
	if err != nil {
		return err
	}
	g.away.Link.Cut()
	if err := errors.Join(g.write(ctx, g.away, "in the backup", 5), g.away.Stop()); err != nil {
		return err
	}
	if err := os.CopyFS(g.folder("backup"), os.DirFS(g.folder("ada"))); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	g.away.Link.Heal()
	if err := errors.Join(g.away.Start(ctx), g.write(ctx, g.away, "after the backup", 5), g.rest(ctx), g.away.Stop()); err != nil {
		return err
	}
	w.History.FaultBegan("restore", g.away.Name)
	restored, err := w.AddRestored(ctx, g.away, "ada-restored", g.folder("backup"))
	if err != nil {
		return err
	}
	w.History.FaultEnded("restore", g.away.Name)
	if err := g.write(ctx, restored, "after the restore", 5); err != nil {
		return err
	}
	g.back(ctx, "restore")
	return nil
}
