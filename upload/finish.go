package upload

import (
	"errors"
	"time"
)

// finish makes sure that what the server has is the file, as it was added and as it still is.
func (r *run) finish() verdict {
	r.tell(evVerify, Change{Reason: ReasonVerifying})
	if j := r.awaitJob(); j != nil && j.err != nil {
		return judgeError(j.err)
	}
	if err := r.hash.to(r.ctx, r.u.Source.Size, nil); err != nil {
		return judgeError(err)
	}
	sum := r.hash.sum()
	if planted != bugNoLastLook {
		if v := r.inspect(); v.kind != kindOK {
			return v
		}
		if r.hash.pos != r.u.Source.Size { // it had to be opened anew
			return verdict{kind: kindOK}
		}
	}
	if r.u.SHA256 != "" && r.u.SHA256 != sum {
		return verdict{kind: kindChanged, err: errChanged}
	}
	if r.final == "" && !r.looked {
		confirmed := r.confirmed
		v := r.head()
		switch {
		case v.kind == kindOK:
			r.looked = true
			return v // its offset may be another
		case v.kind == kindLost && confirmed && v.status != 0: // it has been taken further
			r.looked = true
		default:
			return v
		}
	}
	if r.final != "" && r.final != sum {
		return r.mismatch(r.u.Source.Size, sum)
	}
	verified, now := r.final != "", time.Now().Round(0)
	state, hashed := r.hash.at(r.u.Source.Size)
	return r.settle(evDone, ReasonDone, nil, func(u *Upload) {
		u.SHA256, u.Offset, u.Verified, u.DoneAt, u.Code, u.Err = sum, u.Source.Size, verified, now, "", ""
		u.HashState, u.HashedTo = state, hashed
	})
}

// mismatch is the verdict where the server's SHA-256 of the first bytes is another than ours: the file changed unseen, or
// the copy is damaged.
func (r *run) mismatch(to int64, sum string) verdict {
	again := newHasher(r.file, 0, nil)
	if err := again.to(r.ctx, to, nil); err != nil {
		return judgeError(err)
	}
	err := errors.New("the server's copy has another SHA-256 than the file")
	switch {
	case again.sum() != sum:
		return verdict{kind: kindChanged, err: errChanged}
	case r.corrupt > 0:
		return verdict{kind: kindFatal, code: CodeCorrupt, err: err}
	}
	r.corrupt++
	return r.contradicted(err)
}

// changed ends or renews an upload whose file isn't the one that was added.
func (r *run) changed(v verdict) (over bool) {
	v.code = CodeSourceChanged
	if r.u.OnChange != Restart {
		return r.fail(v)
	}
	src, err := inspect(r.u.Path)
	if err != nil {
		return r.fail(verdict{kind: kindFatal, code: CodeSourceMissing, err: err})
	}
	return r.restart(ReasonChanged, v, &src)
}

// restart begins anew with another copy at the server, of the file as it is now if src isn't nil.
func (r *run) restart(reason string, v verdict, src *Source) (over bool) {
	if r.u.Restarts >= r.q.opts.MaxRestarts {
		v.code = CodeRestarts
		return r.fail(v)
	}
	r.endJob()
	gone := v.kind == kindLost && (v.status == 404 || v.status == 410) // else it may be there all the same
	if saved := r.save(func(u *Upload) {
		if gone {
			u.URL, u.Posted = "", false
		}
		u.again()
		if src != nil {
			u.Source, u.SHA256 = *src, ""
		}
	}); saved.kind != kindOK {
		return r.react(saved)
	}
	r.close()
	r.synced, r.fresh, r.high, r.ready = false, false, 0, nil
	r.final, r.confirmed, r.looked = "", false, false
	r.progress.at(0, r.u.Source.Size, true)
	r.tell(evSend, Change{Reason: reason, Err: v.err})
	if r.u.Restarts > 1 { // a file that changes all the time, or a server that keeps nothing
		r.attempt++
		r.hold(evServer, ReasonRetry, v.err, r.q.delay(r.u.Restarts, r.q.opts.RetryMin, rareRetry), false)
	}
	return false
}

// fail settles an upload that can't go on. A copy that can be of no use any more is dropped.
func (r *run) fail(v verdict) (over bool) {
	failed := v.failure()
	useless := v.code == CodeSourceChanged || v.code == CodeCorrupt || v.code == CodeRestarts
	return r.react(r.settle(evFail, ReasonFailed, failed, func(u *Upload) {
		u.Code, u.Err = failed.Code, failed.Error()
		if useless {
			u.leave()
		}
	}))
}

// settle writes the end down, and tells of it.
func (r *run) settle(ev event, reason string, err error, f func(u *Upload)) verdict {
	if v := r.write(f, func(t *txn) { t.move(r.id, ev, Change{Reason: reason, Err: err}) }); v.kind != kindOK {
		return v
	}
	return verdict{kind: kindStop}
}

// save writes down what f changes.
func (r *run) save(f func(u *Upload)) verdict { return r.write(f, func(*txn) {}) }

// write has the owner write down what f changes and what then happens, and waits for it, as long as the store can't. What
// was found out for an upload that is over or began anew meanwhile is of use only to drop the copy.
func (r *run) write(f func(u *Upload), then func(t *txn)) verdict {
	key, p := r.u.Key, r.progress.get()
	for tries := 1; ; tries++ {
		err := r.q.report(func(t *txn) error {
			u := t.row(r.id)
			if u == nil {
				return errNotWanted
			}
			if u.Key != key || u.State.Settled() {
				return t.found(r.id, key, f)
			}
			u = t.edit(r.id, true)
			u.Progress = p
			f(u)
			then(t)
			return nil
		})
		switch {
		case err == nil:
			f(&r.u)
			return verdict{kind: kindOK}
		case errors.Is(err, errNotWanted) || r.ctx.Err() != nil:
			return verdict{kind: kindStop}
		}
		r.hold(evServer, ReasonRetry, err, r.q.delay(tries, r.q.opts.RetryMin, r.q.opts.RetryMax), false)
	}
}

// found notes where a copy is that nobody wants any more. It returns nil only if that was news.
func (t *txn) found(id, key string, f func(u *Upload)) error {
	var news Upload
	f(&news)
	for i, l := range t.row(id).Leftovers {
		if l.Key == key && l.URL == "" && news.URL != "" {
			t.edit(id, true).Leftovers[i].URL = news.URL
			return nil
		}
	}
	return errNotWanted
}
