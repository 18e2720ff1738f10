package upload

import (
	"context"
	"errors"
	"os"
	"time"
)

const (
	strangeFor   = 10 * time.Second // answers that no tus server gives are borne, before they are taken at their word
	strangeAgain = 30 * time.Second // after so long without one they are counted anew
	lockFirst    = 100 * time.Millisecond
	lockLast     = 2 * time.Second
	patientFor   = 10 * time.Minute // an outage is probed often for so long
	rareRetry    = 10 * time.Second // and then so rarely
	damagedTries = 3                // 460 in a row
	authFast     = 3                // refused tokens in a row before it is asked rarely
)

// run is one upload under way: one goroutine that makes one request after the other. What it finds out goes to the owner,
// who writes it down; u is its own copy.
type run struct {
	q    *Queue
	id   string
	u    Upload
	ctx  context.Context
	stop context.CancelCauseFunc

	file   *os.File
	hash   *hasher
	caps   caps
	asked  bool  // caps are known
	synced bool  // the server's offset is known
	fresh  bool  // nothing is known of what a former process sent
	high   int64 // up to where this process has sent, or knows that it was sent
	chunks chunks
	ready  *hashJob // of the chunk that goes next, where the server takes checksums; or nil

	final     string          // SHA-256 of the whole that the server told, in hex
	confirmed bool            // an answer said that the server has all
	looked    bool            // it was asked for final
	corrupt   int             // copies whose SHA-256 was another
	lastSize  int64           // of the last chunk sent
	job       *hashJob        // or nil
	wake      <-chan struct{} // news since the present step began
	began     time.Time       // when it did

	attempt     int       // failed ones since the last progress
	outage      time.Time // when the server was last heard of; zero while it is
	strange     time.Time // when the first strange answer of a row came
	strangeLast time.Time // and the last one; zero after progress
	locked      time.Time // when the first 423 since the last progress came
	lockTry     int
	auth        int // refused tokens since the last progress
	damaged     int // 460 since the last progress
	stalls      int // in a row
	saved       time.Time
	progress    *meter
}

func newRun(q *Queue, u Upload) *run {
	r := &run{q: q, id: u.ID, u: u, fresh: true, progress: newMeter(&u)}
	r.ctx, r.stop = context.WithCancelCause(context.WithoutCancel(q.ctx))
	return r
}

// cancel ends the run; it says so by landing.
func (r *run) cancel(cause error) { r.stop(cause) }

// main goes on until the upload is settled or not wanted.
func (r *run) main() {
	defer r.stop(errNotWanted)
	defer r.close()
	for r.ctx.Err() == nil {
		if r.react(r.step()) {
			return
		}
	}
}

func (r *run) close() {
	r.endJob()
	if r.file != nil {
		_ = r.file.Close()
		r.file, r.hash = nil, nil
	}
}

// step does what comes next.
func (r *run) step() verdict {
	var online bool
	r.began = time.Now()
	if online, r.wake = r.q.outlook(); !online {
		r.tell(evNetwork, Change{Reason: ReasonOffline})
		select {
		case <-r.wake:
		case <-r.ctx.Done():
		}
		return verdict{kind: kindOK}
	}
	if r.file == nil {
		if v := r.open(); v.kind != kindOK {
			return v
		}
	}
	if !r.asked {
		known, ok := r.q.caps.get()
		if !ok {
			var v verdict
			if known, v = r.capsFrom(); v.kind != kindOK {
				return v
			}
		}
		r.caps, r.asked = known, true
		r.chunks = newChunks(&r.q.opts, known.algorithm != "", r.q.pace.measured())
		if known.maxSize >= 0 && r.u.Source.Size > known.maxSize {
			return verdict{kind: kindFatal, code: CodeTooLarge, err: errors.New("the server says that it takes no file of this size")}
		}
	}
	switch {
	case r.u.URL == "":
		return r.create()
	case !r.synced:
		return r.head()
	case r.u.Offset < r.u.Source.Size:
		return r.patch()
	}
	return r.finish()
}

// react does what a step's outcome asks for; true ends the run.
func (r *run) react(v verdict) (over bool) {
	switch v.kind {
	case kindOK:
		return false
	case kindStop:
		return true
	case kindKicked:
		r.synced = false
		return false
	case kindNetwork:
		r.retryNetwork(v)
	case kindStrange:
		return r.bear(v)
	case kindServer:
		r.retryServer(v)
	case kindLocked:
		r.retryLocked(v)
	case kindAuth:
		return r.retryAuth(v)
	case kindLost:
		return r.restart(ReasonLost, v, nil)
	case kindConflict:
		r.conflict(v)
	case kindSmaller:
		r.synced = false
		if !r.chunks.refused(r.lastSize) {
			return r.fail(v)
		}
	case kindChecksum:
		return r.damage(v)
	case kindChanged:
		return r.changed(v)
	case kindFatal:
		return r.fail(v)
	}
	return false
}

// retryNetwork waits before the next attempt. The spacing counts from attempt to attempt, so that one that took its time
// is followed at once; while an outage is young it is short enough to be back within a second.
func (r *run) retryNetwork(v verdict) {
	r.synced = r.synced && planted == bugOwnOffset
	r.attempt++
	now := time.Now()
	if r.outage.IsZero() {
		r.outage = now
	}
	if errors.Is(v.err, errStalled) {
		r.stalls++
	}
	limit := max(r.q.opts.RetryMax/2, time.Millisecond)
	if now.Sub(r.outage) > patientFor {
		limit = max(rareRetry, limit)
	}
	d := r.q.delay(r.attempt, min(r.q.opts.RetryMin, limit), limit) - now.Sub(r.began)
	r.hold(evNetwork, ReasonRetry, v.err, max(d, 0), true)
}

// borne says whether strange answers have been borne for long enough.
func (r *run) borne() bool {
	now := time.Now()
	return now.Sub(r.strangeLast) <= strangeAgain && now.Sub(r.strange) >= strangeFor
}

// bear waits out what only something between us and the server can have answered, and then takes it at its word. An
// answer to another request in between proves nothing: that one may go another way.
func (r *run) bear(v verdict) (over bool) {
	now := time.Now()
	if now.Sub(r.strangeLast) > strangeAgain {
		r.strange = now
	}
	r.strangeLast = now
	if now.Sub(r.strange) < strangeFor {
		r.synced = false
		r.attempt++
		err := errors.Join(errors.New("the answer isn't that of a tus server"), v.err)
		r.hold(evNetwork, ReasonRetry, err, r.q.delay(r.attempt, r.q.opts.RetryMin, r.q.opts.RetryMax), true)
		return false
	}
	if v.status == 404 || v.status == 410 {
		if r.u.URL == "" {
			return r.fail(v)
		}
		return r.restart(ReasonLost, v, nil)
	}
	if v.code == "" {
		v.code = CodeProtocol
	}
	return r.fail(v)
}

// retryServer waits as long as the server asks for, or with backoff.
func (r *run) retryServer(v verdict) {
	r.synced = r.synced && planted == bugOwnOffset
	r.attempt++
	r.outage = time.Time{}
	d := r.q.delay(r.attempt, r.q.opts.RetryMin, r.q.opts.RetryMax)
	asked := v.wait > 0
	r.hold(evServer, ReasonRetry, v.err, max(v.wait, d), !asked)
}

// retryLocked asks again soon, since a lock is handed over soon, and after Options.LockBudget like after any failure.
func (r *run) retryLocked(v verdict) {
	now := time.Now()
	if r.locked.IsZero() {
		r.locked = now
	}
	r.synced = false
	if now.Sub(r.locked) > r.q.opts.LockBudget {
		r.attempt++
		r.hold(evLock, ReasonLocked, v.err, r.q.delay(r.attempt, r.q.opts.RetryMin, max(r.q.opts.RetryMax, lockLast)), true)
	} else {
		r.lockTry++
		r.hold(evLock, ReasonLocked, v.err, r.q.delay(r.lockTry, lockFirst, lockLast), true)
	}
}

// retryAuth waits for a token that the server takes. The copy stays where it is.
func (r *run) retryAuth(v verdict) (over bool) {
	r.synced = false
	if planted == bugDropURL && v.status == 401 {
		return r.restart(ReasonLost, v, nil)
	}
	if r.auth++; v.status != 0 && (r.q.opts.Token == nil || v.status == 403 && r.auth >= authFast) {
		return r.fail(v) // nobody has another token, or the right isn't there
	}
	limit := r.q.opts.RetryMax
	if r.auth > authFast {
		limit = max(rareRetry, limit)
	}
	r.hold(evAuth, ReasonAuth, v.err, r.q.delay(r.auth, r.q.opts.RetryMin, limit), true)
	return false
}

// conflict takes the server's word for its offset, or asks for it. One after the other is no way to go on.
func (r *run) conflict(v verdict) {
	if r.attempt++; r.attempt > damagedTries {
		r.synced = false
		r.hold(evServer, ReasonRetry, v.err, r.q.delay(r.attempt, r.q.opts.RetryMin, r.q.opts.RetryMax), true)
		return
	}
	if v.offset < 0 {
		r.synced = false
		return
	}
	if next := r.adopt(v.offset); next.kind != kindOK {
		r.react(next)
	}
}

// damage sends a chunk again that arrived damaged, smaller; unless it is the file that changed.
func (r *run) damage(v verdict) (over bool) {
	r.synced = false
	r.chunks.failed()
	if r.damaged++; r.damaged < damagedTries {
		return false
	}
	if src, err := inspect(r.u.Path); err == nil && !src.same(r.u.Source) {
		return r.changed(verdict{kind: kindChanged, err: errChanged})
	}
	if r.caps.algorithm != sumPrefix || r.u.Offset == 0 {
		return r.fail(v)
	}
	r.endJob() // what it has from before may be what isn't the file's
	state, at := r.hash.at(r.u.Offset)
	return r.react(r.mismatch(at, newHasher(r.file, at, state).sum()))
}

// hold tells why it waits, and waits. News end the wait where they may have ended its cause.
func (r *run) hold(ev event, reason string, err error, d time.Duration, news bool) {
	wake := r.wake
	if !news {
		wake = nil
	}
	r.tell(ev, Change{Reason: reason, Err: err, Attempt: r.attempt, RetryIn: d})
	pause(r.ctx, d, wake)
}

// tell shows a state that need not be kept.
func (r *run) tell(ev event, c Change) {
	p, key := r.progress.get(), r.u.Key
	r.q.post(request{apply: func(t *txn) error {
		u := t.row(r.id)
		if u == nil || r.ctx.Err() != nil || u.Key != key {
			return errNotWanted
		}
		if to, ok := next(u.State, ev); !ok || to == u.State && c.Reason == ReasonStarted {
			return errNotWanted
		}
		u = t.edit(r.id, false)
		u.Progress, u.Offset = p, p.Acked
		switch {
		case c.Err != nil:
			u.Err = c.Err.Error()
		case ev == evSend && c.Reason != ReasonStarted: // an answer came
			u.Err = ""
		}
		t.move(r.id, ev, c)
		return nil
	}})
}

// tellProgress tells how far it is. It is called by the transport's goroutine too, and so looks at nothing but the meter.
func (r *run) tellProgress() {
	p := r.progress.get()
	r.q.post(request{apply: func(t *txn) error {
		u := t.row(r.id)
		if u == nil || r.ctx.Err() != nil || u.State != Uploading {
			return errNotWanted
		}
		u = t.edit(r.id, false)
		if p.Acked > u.Progress.Acked {
			u.Err = ""
		}
		u.Progress, u.Offset = p, p.Acked
		t.moved = append(t.moved, Change{Upload: *u, From: u.State, To: u.State, Reason: ReasonProgress})
		return nil
	}})
}
