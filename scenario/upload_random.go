package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/upload"
)

// UploadOptions say how large a random world of uploads is. The zero value is the promise's.
type UploadOptions struct {
	Seed    uint64
	Devices int           // defaults to 2
	Files   int           // or messages with up to 3 of them, that each device is given; defaults to 8
	Lasts   time.Duration // of the faults; defaults to 1m
	Logger  *slog.Logger  // nil means nothing is logged
	Secrets *Secrets      // see WorldOptions
}

// UploadReport is what a random world of uploads showed.
type UploadReport struct {
	Seed     uint64
	Faults   map[string]int
	Last     string // the break that the first new byte was measured after
	Files    int    // that are done in the end
	Failed   int    // because they were changed
	Messages int    // with files
	Sent     int64  // bytes of files, all requests together
	Again    int64  // of them, those that had been sent before
	InFlight int64  // bytes that weren't acknowledged when requests broke
	First    map[string]time.Duration
	Verdict  Verdict
	Problems []string
}

// OK says whether everything held.
func (r UploadReport) OK() bool { return r.Verdict.OK && len(r.Problems) == 0 }

// String is the report in a line.
func (r UploadReport) String() string {
	return fmt.Sprintf("seed %d: faults %v, %d files done, %d changed and failed, %d messages with files, %d bytes sent, %d again, %d in flight at breaks, first new byte after %s: %v, %v",
		r.Seed, r.Faults, r.Files, r.Failed, r.Messages, r.Sent, r.Again, r.InFlight, r.Last, r.First, r.Verdict)
}

// uploadWorld is one run of RunUploads.
type uploadWorld struct {
	durable

	o      UploadOptions
	r      *UploadReport
	dir    string
	rate   int64
	broke  []UploadFault
	giving sync.WaitGroup

	mu       sync.Mutex       // guards below
	given    map[string]*made // by the upload's id
	messages []givenMessage
}

type givenMessage struct {
	id    string
	files []*made
}

// RunUploads lets devices with profiles upload files, some of them with messages, through a random sequence of faults: of
// links, of the server, of programs and their power, of tokens and of the files themselves. Then everything is healed and
// has to come to rest; each device is given one more file, whose upload is broken half-way, and the time until its first
// new byte is measured. In the end all sides are compared; see UploadView.Check. Call it inside a testing/synctest bubble.
func RunUploads(ctx context.Context, o UploadOptions) (r UploadReport, err error) {
	if o.Devices <= 0 {
		o.Devices = 2
	}
	if o.Files <= 0 {
		o.Files = 8
	}
	if o.Lasts <= 0 {
		o.Lasts = time.Minute
	}
	r = UploadReport{Seed: o.Seed, Faults: map[string]int{}, First: map[string]time.Duration{}}
	dir, err := os.MkdirTemp("", "chatsdk-uploads-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p := &uploadWorld{o: o, r: &r, dir: dir, given: map[string]*made{}}
	p.rng = rand.New(rand.NewPCG(o.Seed, 5))
	if err := p.open(ctx); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, p.w.Close()) }()
	for _, d := range p.w.Devices() {
		rng := rand.New(rand.NewPCG(p.rng.Uint64(), p.rng.Uint64()))
		p.giving.Go(func() { p.give(ctx, d, rng) })
	}
	err = p.breakThings(ctx)
	p.giving.Wait()
	if err != nil {
		return r, err
	}
	p.heal("the faults", p.rest(ctx))
	p.noLoss()
	if err := p.lastBreak(ctx); err != nil {
		return r, err
	}
	p.heal("the last break", p.rest(ctx))
	return r, p.judge(ctx)
}

func (p *uploadWorld) heal(what string, err error) {
	if err != nil {
		p.problem("after %s: %v", what, err)
	}
}

func (p *uploadWorld) problem(format string, args ...any) {
	p.r.Problems = append(p.r.Problems, fmt.Sprintf(format, args...))
}

// open makes the world: round trips up to 100 ms, up to which the first new byte can be there within a second.
func (p *uploadWorld) open(ctx context.Context) (err error) {
	p.rate = int64(128<<10 + p.rng.IntN(640<<10))
	link := func() faultnet.Conditions {
		c := faultnet.Symmetric(time.Duration(20+p.rng.IntN(80)) * time.Millisecond)
		c.Up.Rate, c.Down.Rate = p.rate, p.rate
		return c
	}
	wo := WorldOptions{
		Seed: p.o.Seed, Link: link(), Logger: p.o.Logger, Secrets: p.o.Secrets, Files: filepath.Join(p.dir, "files"), Record: &HTTPRecord{}, Faults: newHTTPFaults(p.o.Seed),
	}
	if p.rng.IntN(2) == 0 {
		wo.AccessTTL = shortTTL
		p.r.Faults["token expiry"] = int(p.o.Lasts / shortTTL)
	}
	if p.w, err = NewVirtualWorld(ctx, wo); err != nil {
		return err
	}
	loss := p.loss()
	for i := range p.o.Devices {
		d, err := p.w.AddDevice(ctx, clientName(i))
		if err == nil {
			c := link() // every device has a path of its own
			c.Up.Loss, c.Down.Loss = loss, loss
			d.Link.Set(c)
			err = bounded(ctx, d.caughtUp)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("start: %w", err), p.w.Close())
		}
	}
	return nil
}

// lossy is how many seeds there are to one whose links lose segments.
const lossy = 3

// loss is the share of segments that the links lose while things are broken, 1% to 3% for every third seed. It is drawn
// beside what else the seed decides.
func (p *uploadWorld) loss() float64 {
	if p.o.Seed%lossy != 0 {
		return 0
	}
	percent := 1 + rand.New(rand.NewPCG(p.o.Seed, 8)).IntN(3)
	p.r.Faults["percent lost"] = percent
	return float64(percent) / 100
}

// mostMisjudged bounds how often a run's clients may each take a link for dead that only loses segments.
const mostMisjudged = 3

// misjudged are the moments at which a link that loses segments was taken for dead, where none was broken: two losses in a
// row do that on a path of which little is known yet. What was on its way there breaks off with it.
func (p *uploadWorld) misjudged() (out []UploadFault) {
	if p.loss() == 0 {
		return nil
	}
	each := map[string]int{}
	for _, e := range p.w.History.Events() {
		broken := func(f UploadFault) bool { return f.touches(e.Client, e.At, e.At) }
		if e.Kind != KindState || e.Reason != string(realtime.ReasonLinkDead) || slices.ContainsFunc(p.broke, broken) {
			continue
		}
		if each[e.Client]++; each[e.Client] > mostMisjudged {
			p.problem("%s took a link for dead %d times that only lost segments", e.Client, each[e.Client])
		}
		p.r.Faults["link misjudged"]++
		out = append(out, UploadFault{Client: e.Client, Name: "segments lost", From: e.At, To: e.At})
	}
	return out
}

// noLoss ends it: within a second a new byte can only be there if none of the few segments that it takes is lost.
func (p *uploadWorld) noLoss() {
	for _, d := range p.w.Devices() {
		d.Link.Update(func(c *faultnet.Conditions) { c.Up.Loss, c.Down.Loss = 0, 0 })
	}
}

// size draws a file's: nothing, a few bytes, and some seconds at the link's rate.
func (p *uploadWorld) size(rng *rand.Rand) int {
	switch k := rng.IntN(10); {
	case k == 0:
		return 0
	case k == 1:
		return 1 + rng.IntN(100)
	case k < 5:
		return rng.IntN(128 << 10)
	default:
		return rng.IntN(int(8 * p.rate))
	}
}

// give hands a device its files at random moments. It asks again under the same ids until the program has them, as a
// careful application does.
func (p *uploadWorld) give(ctx context.Context, d *Device, rng *rand.Rand) {
	for n := range p.o.Files {
		pause(ctx, time.Duration(rng.Int64N(int64(2*p.o.Lasts)/int64(p.o.Files))))
		name := fmt.Sprintf("%s-%d", d.Name, n)
		if rng.IntN(2) == 0 {
			p.giveMessage(ctx, d, name, rng)
			continue
		}
		policy := upload.Policy(rng.IntN(2))
		if f := p.make(name, p.size(rng), policy, rng); f != nil {
			p.giveFile(ctx, d, uuid.NewString(), f)
		}
	}
}

func (p *uploadWorld) make(name string, size int, policy upload.Policy, rng *rand.Rand) *made {
	f, err := makeFile(filepath.Join(p.dir, "source"), name, size, rng)
	if err != nil {
		p.mu.Lock()
		p.problem("make a file: %v", err)
		p.mu.Unlock()
		return nil
	}
	f.policy = policy
	return f
}

// giveFile asks until the program took the file.
func (p *uploadWorld) giveFile(ctx context.Context, d *Device, id string, f *made) {
	for ctx.Err() == nil {
		if _, err := d.upload(ctx, upload.Request{ID: id, Path: f.path, OnChange: f.policy}); err == nil && d.running() {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given[id] = f
}

// giveMessage asks until the program took a message with its files.
func (p *uploadWorld) giveMessage(ctx context.Context, d *Device, name string, rng *rand.Rand) {
	m := givenMessage{id: uuid.NewString()}
	var files []chatsdk.File
	for i := range 1 + rng.IntN(3) {
		f := p.make(fmt.Sprintf("%s-%d", name, i), p.size(rng)/2, upload.Restart, rng)
		if f == nil {
			return
		}
		m.files, files = append(m.files, f), append(files, chatsdk.File{Path: f.path, OnChange: f.policy})
	}
	for ctx.Err() == nil {
		if err := d.sendFiles(ctx, m.id, name, files...); err == nil && d.accepted(m.id) {
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, m)
}

// fileLocked is the file of an upload, or nil.
func (p *uploadWorld) fileLocked(u *upload.Upload) *made {
	if f := p.given[u.ID]; f != nil {
		return f
	}
	for _, m := range p.messages {
		for _, f := range m.files {
			if f.path == u.Path {
				return f
			}
		}
	}
	return nil
}

// rest waits until every file is over, what failed has been given up, the server has dropped what nobody wants, and
// everybody was shown every message.
func (p *uploadWorld) rest(ctx context.Context) error {
	for _, d := range p.w.Devices() {
		d.Link.Heal()
	}
	if err := p.w.opts.Faults.Set(); err != nil {
		return err
	}
	return bounded(ctx, func(ctx context.Context) error {
		var errs []error
		for _, d := range p.w.Devices() {
			errs = append(errs, p.settleFiles(ctx, d))
		}
		return errors.Join(append(errs, emptyQueues(ctx, p.w), settleDevices(ctx, p.w))...)
	})
}

func (p *uploadWorld) settleFiles(ctx context.Context, d *Device) error {
	for {
		all, err := d.uploads(ctx)
		if err != nil {
			return err
		}
		var open *upload.Upload
		for i := range all {
			u := &all[i]
			if u.State == upload.Failed && u.Code == upload.CodeSourceChanged {
				p.r.Failed++
				if l, err := d.program(); err == nil {
					err = l.chat.CancelUpload(ctx, u.ID)
					if err != nil {
						return fmt.Errorf("give %s up: %w", u.Name, err)
					}
				}
			}
			if !u.State.Settled() || len(u.Leftovers) > 0 {
				open = u
			}
		}
		if open == nil {
			return nil
		}
		pause(ctx, 20*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %s is %v, %d of %d bytes, %d copies to drop, %s: %w",
				d.Name, open.Name, open.State, open.Offset, open.Source.Size, len(open.Leftovers), open.Err, ctx.Err())
		}
	}
}

// judge compares all sides.
func (p *uploadWorld) judge(ctx context.Context) error {
	v, err := p.w.look(ctx)
	if err != nil {
		return err
	}
	if err := v.downloads(ctx, p.w); err != nil {
		return err
	}
	v.Faults = append(p.misjudged(), p.broke...)
	for _, m := range p.messages {
		um := UploadMessage{ID: m.id, Files: map[string]bool{}, Count: len(m.files), Shown: map[string][]string{}}
		for _, f := range m.files {
			for sum := range f.versions {
				um.Files[sum] = true
			}
		}
		for _, d := range p.w.Devices() {
			if sums, ok := d.attached(m.id); ok {
				um.Shown[d.Name] = sums
			}
		}
		v.Messages = append(v.Messages, um)
	}
	for i := range v.Files {
		f := &v.Files[i]
		if m := p.fileLocked(&f.Upload); m != nil {
			f.Versions = m.versions
		}
		if f.Upload.State == upload.Done {
			p.r.Files++
		}
	}
	v.known(p.given, p.messages, p.problem)
	p.r.Messages = len(v.Messages)
	p.r.Sent, p.r.Again, p.r.InFlight = v.spent()
	p.r.Problems = append(p.r.Problems, v.Check()...)
	for _, d := range p.w.Devices() {
		if n := d.signedOut(); n > 0 {
			p.problem("%s was signed out %d times with a valid session", d.Name, n)
		}
	}
	p.r.Verdict, err = p.w.Verdict(ctx)
	return err
}

// known asks that the clients still know of everything that they were given.
func (v *UploadView) known(given map[string]*made, messages []givenMessage, problem tell) {
	ids, paths := map[string]bool{}, map[string]bool{}
	for i := range v.Files {
		u := &v.Files[i].Upload
		ids[u.ID] = true
		paths[u.Path] = u.State == upload.Done
	}
	for id := range given {
		if !ids[id] {
			problem("no client knows of upload %s any more", id)
		}
	}
	for _, m := range messages {
		for _, f := range m.files {
			if !paths[f.path] {
				problem("%s of message %s isn't done", filepath.Base(f.path), m.id)
			}
		}
	}
}
