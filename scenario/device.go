package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
	"github.com/chatsdk/chatsdk/token"
)

// Device is a user's program and the profile that outlives it: the program can be ended in order or like a crash, and
// started again on what the profile holds. Start, Stop and Crash are for one goroutine; the rest may be called
// concurrently.
type Device struct {
	Name string // in the history
	User string
	Link *faultnet.Link

	world *World
	route route
	open  func() (*profile.Profile, error)
	begin Begin             // where the history expects its runs to begin
	disk  *profiletest.Disk // nil where the profile is in a folder: such a device can't crash
	tap   *tap              // of its connections, in all lives

	mu       sync.Mutex // guards below
	changed  chan struct{}
	life     *life                           // nil while the program is down
	promised map[string]struct{}             // ids that Send accepted, in any life
	shown    map[string]struct{}             // ids that the application was shown, in any life
	top      map[string]uint64               // the highest seq of them, by channel
	files    map[string][]chatsdk.Attachment // of the messages shown, by id
	logouts  int                             // times that the program said that its session is over
}

// life is one run of the program.
type life struct {
	run    *Run
	prof   *profile.Profile
	chat   *chatsdk.Client
	ctx    context.Context // ends with the life
	cancel context.CancelFunc
	wg     sync.WaitGroup
	dead   atomic.Bool     // crashed: what is still on its way through the program is seen by nobody
	synced map[string]bool // by channel; guarded by Device.mu
}

// errDown says that the program isn't running.
var errDown = errors.New("scenario: the device's program is down")

// AddDevice makes a user and its device, whose profile is on a disk in memory that Crash can pull the plug of, and
// starts its program.
func (w *World) AddDevice(ctx context.Context, name string) (*Device, error) {
	disk := profiletest.NewDisk(w.fork())
	d, err := w.addDevice(ctx, name, func() (*profile.Profile, error) {
		return profile.OpenWith(name, profile.Options{VFS: disk.VFS()})
	})
	if err != nil {
		disk.Close()
		return nil, err
	}
	d.disk = disk
	return d, d.Start(ctx)
}

// AddDeviceIn is AddDevice with the profile in a folder.
func (w *World) AddDeviceIn(ctx context.Context, name, dir string) (*Device, error) {
	d, err := w.addDevice(ctx, name, func() (*profile.Profile, error) { return profile.Open(dir) })
	if err != nil {
		return nil, err
	}
	return d, d.Start(ctx)
}

// AddRestored makes a device that is another one's after its profile's folder was put back from a backup: the same user
// and the same profile, but its own name in the history, since it has forgotten what it did after the backup.
func (w *World) AddRestored(ctx context.Context, of *Device, name, dir string) (*Device, error) {
	d := w.newDevice(name, of.User, of.route, func() (*profile.Profile, error) { return profile.Open(dir) })
	d.begin = BeginNow
	return d, d.Start(ctx)
}

func (w *World) addDevice(ctx context.Context, name string, open func() (*profile.Profile, error)) (*Device, error) {
	r, err := w.join(ctx, name)
	if err != nil {
		return nil, err
	}
	return w.newDevice(name, name, r, open), nil
}

func (w *World) newDevice(name, user string, r route, open func() (*profile.Profile, error)) *Device {
	d := &Device{
		Name: name, User: user, Link: r.link, world: w, route: r, open: open, begin: BeginProcessed,
		changed: make(chan struct{}), promised: map[string]struct{}{}, shown: map[string]struct{}{},
		top: map[string]uint64{}, files: map[string][]chatsdk.Attachment{},
	}
	if w.opts.Files != "" {
		d.tap = newTap(name)
		d.route.dial = d.tap.dialer(r.dial)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.devices = append(w.devices, d)
	return d
}

// Start runs the program on the profile. It doesn't wait for a connection.
func (d *Device) Start(ctx context.Context) error {
	prof, err := d.open()
	if err != nil {
		return fmt.Errorf("%s: %w", d.Name, err)
	}
	chat, err := chatsdk.Open(ctx, chatsdk.Options{
		Server: d.route.url, Store: prof, DialContext: d.route.dial, Rand: d.world.fork(), Logger: d.world.log.With(slog.String("who", d.Name)),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", d.Name, err), prof.Close())
	}
	l := &life{run: d.world.History.StartRun(d.Name, d.begin), prof: prof, chat: chat, synced: map[string]bool{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	d.note(func() { d.life = l })
	updates := chat.Watch(l.ctx)
	l.wg.Go(func() { d.follow(l, updates) })
	for _, channel := range d.world.opts.channels() {
		l.wg.Go(func() { d.read(l, channel) })
	}
	l.wg.Go(func() { d.signIn(l) })
	return nil
}

// signIn connects with the profile's session, and signs in where it has none. When the session is over, the person who
// uses the program signs in again.
func (d *Device) signIn(l *life) {
	if _, _, ok := l.chat.Session(); !ok {
		if err := l.chat.SignIn(l.ctx, d.User, password); err != nil {
			return // the life ended; a wrong password would show as a device that never catches up
		}
	}
	l.chat.Connect()
}

// signedOut is how often the program said that its session is over.
func (d *Device) signedOut() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logouts
}

// read is the application: it shows every message of a channel.
func (d *Device) read(l *life, channel string) {
	for m, err := range l.chat.Messages(l.ctx, channel) {
		if err != nil {
			return
		}
		d.note(func() {
			if l.dead.Load() {
				return
			}
			l.run.Shown(m.Channel, m.Seq, m.ID, m.User, m.Text, m.Replay)
			d.shown[m.ID], d.top[channel] = struct{}{}, max(d.top[channel], m.Seq)
			d.files[m.ID] = chatsdk.Attachments(m)
		})
	}
}

// follow records what the program reports.
func (d *Device) follow(l *life, updates <-chan chatsdk.Update) {
	for u := range updates {
		d.note(func() {
			switch {
			case l.dead.Load():
			case u.Connection != nil:
				l.run.State(u.Connection.From.String(), u.Connection.To.String(), string(u.Connection.Reason))
			case u.Channel != nil:
				l.synced[u.Channel.Channel] = u.Channel.Synced
				if u.Channel.Synced {
					l.run.Synced(u.Channel.Channel)
				}
			case u.Session != nil && u.Session.State == token.ReauthRequired:
				d.logouts++
				l.wg.Go(func() { d.signIn(l) })
			case u.Entry != nil && u.Entry.To != u.Entry.From:
				recordEntry(l.run, *u.Entry)
			}
		})
	}
}

// recordEntry records how a message ended.
func recordEntry(r *Run, v outbox.Change) {
	e := v.Entry
	switch v.To {
	case outbox.Sent:
		r.Acked(e.Channel, e.ID, e.Seq)
	case outbox.Parked:
		r.Parked(e.Channel, e.ID, v.Reason)
	case outbox.Cancelled:
		r.Cancelled(e.Channel, e.ID, v.Reason)
	case outbox.Expired:
		r.Expired(e.Channel, e.ID, v.Reason)
	case outbox.Queued, outbox.Sending:
	}
}

// Stop ends the program in order.
func (d *Device) Stop() error {
	l := d.end()
	if l == nil {
		return nil
	}
	err := errors.Join(l.chat.Close(), l.finish())
	l.run.Stopped(true)
	return err
}

// Crash ends the program without asking it: like kill -9, or, with power, like a pulled plug, after which some of what
// it wrote and didn't sync is gone.
func (d *Device) Crash(power bool) {
	l := d.end()
	if l == nil {
		return
	}
	l.dead.Store(true)
	if power {
		d.disk.LosePower()
	} else {
		d.disk.Kill()
	}
	d.Link.Reset() // the connection dies with the process
	l.run.Stopped(false)
	_ = errors.Join(l.chat.Close(), l.finish()) // its disk is gone: it can only complain
}

// end takes the present life away.
func (d *Device) end() (l *life) {
	d.note(func() { l, d.life = d.life, nil })
	return l
}

// finish ends what runs beside the client.
func (l *life) finish() error {
	l.cancel()
	l.wg.Wait()
	return l.prof.Close()
}

// Send is SendTo for Channel.
func (d *Device) Send(ctx context.Context, text string) error { return d.SendTo(ctx, Channel, text) }

// SendTo hands a text for a channel to the program and records the promise. It fails while the program is down or going
// down; then nothing is promised.
func (d *Device) SendTo(ctx context.Context, channel, text string) error {
	d.mu.Lock()
	l := d.life
	d.mu.Unlock()
	if l == nil {
		return errDown
	}
	id := uuid.NewString()
	l.run.Offered(channel, id, text)
	e, err := l.chat.SendEntry(ctx, outbox.Entry{ID: id, Channel: channel, Text: text})
	if err != nil {
		return fmt.Errorf("%s: send: %w", d.Name, err)
	}
	d.note(func() {
		if l.dead.Load() {
			return // it was stored, but nobody heard of it
		}
		l.run.Accepted(e.Channel, e.ID, e.Text, l.chat.Durable())
		d.promised[id] = struct{}{}
	})
	return nil
}

// note changes what is known under the lock and wakes await.
func (d *Device) note(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
}

// await waits until ok says so, which is called under the lock.
func (d *Device) await(ctx context.Context, ok func() bool) error {
	for {
		d.mu.Lock()
		done, changed := ok(), d.changed
		d.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			d.mu.Lock()
			defer d.mu.Unlock()
			return fmt.Errorf("%s was shown %d messages up to %v: %w", d.Name, len(d.shown), d.top, ctx.Err())
		}
	}
}

// caughtUp waits until the program runs and is synced with every channel.
func (d *Device) caughtUp(ctx context.Context) error {
	return d.await(ctx, func() bool {
		return d.life != nil && !slices.ContainsFunc(d.world.opts.channels(), func(name string) bool { return !d.life.synced[name] })
	})
}

// shownUpTo waits until the application was shown the message of the channel with the seq.
func (d *Device) shownUpTo(ctx context.Context, channel string, seq uint64) error {
	return d.await(ctx, func() bool { return d.top[channel] >= seq })
}

// ownShown waits until the application was shown everything that its program promised to send.
func (d *Device) ownShown(ctx context.Context) error {
	return d.await(ctx, func() bool { return len(d.missingLocked()) == 0 })
}

func (d *Device) missingLocked() (ids []string) {
	for id := range d.promised {
		if _, ok := d.shown[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// running says whether the program is up.
func (d *Device) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.life != nil
}

// queue is the outgoing queue's state; ok is false while the program is down.
func (d *Device) queue() (s outbox.Snapshot, ok bool) {
	d.mu.Lock()
	l := d.life
	d.mu.Unlock()
	if l == nil {
		return s, false
	}
	return l.chat.State().Queue, true
}

// Devices returns the devices in the order they came.
func (w *World) Devices() []*Device {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.devices)
}

func (w *World) runningDevices() []*Device {
	return slices.DeleteFunc(w.Devices(), func(d *Device) bool { return !d.running() })
}

// closeDevices ends every device and its disk.
func (w *World) closeDevices() error {
	w.mu.Lock()
	devices := w.devices
	w.devices = nil
	w.mu.Unlock()
	var errs []error
	for _, d := range devices {
		errs = append(errs, d.Stop())
		if d.disk != nil {
			d.disk.Close()
		}
	}
	return errors.Join(errs...)
}

// settleDevices waits until everything that any device promised is stored and shown to all.
func settleDevices(ctx context.Context, w *World) error {
	var errs []error
	devices := w.runningDevices()
	for _, d := range devices {
		errs = append(errs, d.ownShown(ctx))
	}
	for _, channel := range w.opts.channels() {
		last, err := w.last(ctx, channel)
		errs = append(errs, err)
		for _, d := range devices {
			errs = append(errs, d.shownUpTo(ctx, channel, last))
		}
	}
	return errors.Join(errs...)
}

// emptyQueues waits until no device has anything on its way, looking each millisecond.
func emptyQueues(ctx context.Context, w *World) error {
	for _, d := range w.runningDevices() {
		for {
			s, ok := d.queue()
			if ok && s.Queued+s.Sending == 0 {
				break
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("%s has %d messages queued and %d under way: %w", d.Name, s.Queued, s.Sending, ctx.Err())
			}
		}
	}
	return nil
}
