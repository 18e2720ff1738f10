package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

// uploadFault is one of a random world of uploads. It begins and ends.
type uploadFault struct {
	name   string
	server bool // of the server's, so that it may break requests of all
	do     func(ctx context.Context, p *uploadWorld, d *Device) error
}

// uploadFaults are those beside deviceFaults.
var uploadFaults = []uploadFault{
	{"half-open", false, func(ctx context.Context, p *uploadWorld, d *Device) error {
		d.Link.Strand(true, true)
		d.Link.Cut()
		pause(ctx, outage(p.rng))
		d.Link.Heal()
		return nil
	}},
	{"silent drop", false, func(_ context.Context, _ *uploadWorld, d *Device) error {
		d.Link.Strand(true, true)
		return nil
	}},
	{"server restart", true, func(ctx context.Context, p *uploadWorld, _ *Device) error {
		err := p.restartServer(ctx, p.rng.IntN(2) == 0, downtime(p.rng))
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil // a request on a dead connection was still being read from; it was cut off at the limit, as promised
		}
		return err
	}},
	{"token refused", true, func(ctx context.Context, p *uploadWorld, _ *Device) error {
		return p.atDoor(ctx, faultnet.HTTPFault{Kind: faultnet.HTTPTokenExpired, Path: uploadsPath, Limit: 2})
	}},
	{"answers lost", true, func(ctx context.Context, p *uploadWorld, _ *Device) error {
		method := []string{"", http.MethodPost, http.MethodPost, http.MethodPatch, http.MethodDelete}[p.rng.IntN(5)]
		return p.atDoor(ctx, faultnet.HTTPFault{Kind: faultnet.HTTPReplyLost, Path: uploadsPath, Method: method, Limit: int64(1 + p.rng.IntN(3))})
	}},
	{"unavailable", true, func(ctx context.Context, p *uploadWorld, _ *Device) error {
		return p.atDoor(ctx, faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: uploadsPath, Share: 0.5})
	}},
	{"file changed", false, func(ctx context.Context, p *uploadWorld, d *Device) error { return p.changeFile(ctx, d) }},
}

// atDoor puts a fault before the server for a while.
func (p *uploadWorld) atDoor(ctx context.Context, f faultnet.HTTPFault) error {
	if err := p.w.opts.Faults.Set(f); err != nil {
		return err
	}
	pause(ctx, outage(p.rng)/2)
	return p.w.opts.Faults.Set()
}

// changeFile writes other content to a file of the device, if it can to one whose upload is under way. It may be of
// another size.
func (p *uploadWorld) changeFile(ctx context.Context, d *Device) error {
	var open []*made
	for range 100 { // 5 s, in which something will be under way
		all, err := d.uploads(ctx)
		if err != nil {
			return err
		}
		p.mu.Lock()
		for i := range all {
			if f := p.fileLocked(&all[i]); f != nil && (all[i].Progress.Sent > 0 && !all[i].State.Settled() || all[i].State == upload.Done && p.rng.IntN(100) == 0) {
				open = append(open, f)
			}
		}
		p.mu.Unlock()
		if len(open) > 0 {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	if len(open) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f := open[p.rng.IntN(len(open))]
	sum, err := f.fill(p.size(p.rng), p.rng)
	if err == nil && !f.versions[sum] {
		f.versions[sum] = f.policy == upload.Restart
	}
	return err
}

// breakThings makes faults, one after the other, each of a device or of the server.
func (p *uploadWorld) breakThings(ctx context.Context) error {
	var all []uploadFault
	for _, f := range deviceFaults {
		all = append(all, uploadFault{f.name, false, func(ctx context.Context, p *uploadWorld, d *Device) error { return f.do(ctx, p.rng, d) }})
	}
	all = append(all, uploadFaults...)
	mix := slices.DeleteFunc(slices.Clone(all), func(uploadFault) bool { return p.rng.IntN(3) == 0 })
	if len(mix) == 0 {
		mix = all
	}
	devices := p.w.Devices()
	for began := time.Now(); time.Since(began) < p.o.Lasts; {
		pause(ctx, time.Duration(p.rng.IntN(5_000))*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return err
		}
		f, d := mix[p.rng.IntN(len(mix))], devices[p.rng.IntN(len(devices))]
		p.r.Faults[f.name]++
		who := d.Name
		if f.server {
			who = ""
		}
		// A fault draws from a source of its own: how much it draws may depend on what it finds, and what comes later is to
		// be the seed's alone.
		rng := p.rng
		p.rng = rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		err := p.during(f.name, who, func() error { return f.do(ctx, p, d) })
		if p.rng = rng; err != nil {
			return fmt.Errorf("fault %s: %w", f.name, err)
		}
	}
	return nil
}

// during notes a fault while do makes it.
func (p *uploadWorld) during(name, who string, do func() error) error {
	f := UploadFault{Client: who, Name: name, From: time.Now()}
	p.w.History.FaultBegan(name)
	err := do()
	f.To = time.Now()
	p.w.History.FaultEnded(name)
	p.w.log.Info("scenario: fault", slog.String("name", name), slog.String("who", who), slog.Time("from", f.From), slog.Time("to", f.To))
	p.broke = append(p.broke, f)
	return err
}

// renewedBack is how soon the server has a new byte where the session ran out in the outage: it has to be renewed first,
// and the server to refuse the token that was fetched before. 2 s is what the client promises for a connection.
const renewedBack = 2 * time.Second

// noticed is how long the last outage is at least. One that ends before anybody noticed it is TCP's to mend, whose
// retransmission may come as long after its end as it lasted.
const noticed = 3 * time.Second

// lastBreaks are those after which the first new byte is measured.
var lastBreaks = []struct {
	name   string
	limit  time.Duration
	outage bool
	begin  func(*faultnet.Link)
}{
	{"cut", uploadBack, true, (*faultnet.Link).Cut},
	{"half-open", behindOld, true, func(l *faultnet.Link) {
		l.Strand(true, true)
		l.Cut()
	}},
	{"reset", uploadBack, false, (*faultnet.Link).Reset},
	{"unreachable", uploadBack, true, func(l *faultnet.Link) {
		l.Update(func(c *faultnet.Conditions) { c.Unreachable = true })
		l.Reset()
	}},
}

// lastBreak gives each device a file, breaks all links half-way, and asks how soon after their return the server has a
// new byte of each.
func (p *uploadWorld) lastBreak(ctx context.Context) error {
	p.rng = rand.New(rand.NewPCG(p.o.Seed, 6))
	k, lasts := lastBreaks[p.rng.IntN(len(lastBreaks))], time.Duration(0)
	if k.outage {
		lasts = noticed + outage(p.rng)
	}
	p.r.Last = fmt.Sprintf("%s for %v", k.name, lasts)
	since, ids := time.Now(), map[*Device]string{}
	for _, d := range p.w.Devices() {
		f := p.make("last-"+d.Name, int(p.rate)*(4+p.rng.IntN(3)), upload.Fail, p.rng)
		if f == nil {
			return errors.New("no file to break")
		}
		ids[d] = uuid.NewString()
		p.giveFile(ctx, d, ids[d], f)
	}
	share := int64(20 + p.rng.IntN(50))
	for _, d := range p.w.Devices() {
		if err := p.partWay(ctx, d, ids[d], share, since); err != nil {
			return err
		}
	}
	if err := p.during(k.name, "", func() error {
		for _, d := range p.w.Devices() {
			k.begin(d.Link)
		}
		pause(ctx, lasts)
		for _, d := range p.w.Devices() {
			d.Link.Heal()
		}
		return nil
	}); err != nil {
		return err
	}
	p.w.opts.Record.mark()
	ranOut := map[*Device]bool{}
	for _, d := range p.w.Devices() {
		l, err := d.program()
		ranOut[d] = err == nil && l.chat.State().Session.State == token.Expired
	}
	for _, d := range p.w.Devices() {
		limit := k.limit
		if ranOut[d] {
			limit = max(limit, renewedBack)
		}
		u, err := d.known(ctx, ids[d])
		if err != nil {
			return err
		}
		if u.Progress.Acked == u.Source.Size { // it was all there before the break
			continue
		}
		first, err := p.firstByte(ctx, u)
		if err != nil {
			p.problem("%s: after %s: %v", d.Name, k.name, err)
			continue
		}
		if p.r.First[d.Name] = first; first > limit {
			p.problem("%s: the first new byte came %v after the end of %s, at most %v is allowed", d.Name, ms(first), k.name, limit)
		}
	}
	if len(p.r.First) == 0 {
		p.problem("the last break broke no upload: the run shows nothing of the first new byte")
	}
	return nil
}

// known finds an upload of the device's program.
func (d *Device) known(ctx context.Context, id string) (upload.Upload, error) {
	all, err := d.uploads(ctx)
	if err != nil {
		return upload.Upload{}, err
	}
	i := slices.IndexFunc(all, func(u upload.Upload) bool { return u.ID == id })
	if i < 0 {
		return upload.Upload{}, fmt.Errorf("%s doesn't know upload %s", d.Name, id)
	}
	return all[i], nil
}

// partWay waits until a share of an upload has arrived at the server.
func (p *uploadWorld) partWay(ctx context.Context, d *Device, id string, percent int64, since time.Time) error {
	return until(ctx, "part of a file", func() (there bool, err error) {
		u, err := d.known(ctx, id)
		if err != nil || u.URL == "" {
			return false, err
		}
		path := copyPath(copyID(u.URL))
		p.w.opts.Record.note(func(v *HTTPView) {
			there = slices.ContainsFunc(v.Arrivals, func(a HTTPArrival) bool {
				return a.Path == path && a.Method == http.MethodPatch && !a.At.Before(since) && (a.Offset+a.Bytes)*100 >= percent*u.Source.Size
			})
		})
		return there, nil
	})
}

// firstByte is how long after the mark the server had a new byte of an upload.
func (p *uploadWorld) firstByte(ctx context.Context, u upload.Upload) (first time.Duration, err error) {
	err = until(ctx, "the first new byte", func() (there bool, _ error) {
		first, there = p.w.opts.Record.firstByte(copyPath(copyID(u.URL)))
		return there, nil
	})
	return first, err
}
