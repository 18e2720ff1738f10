package upload

import "context"

// hashJob hashes beside the sending: the hasher is its own until it is done.
type hashJob struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
	to     int64 // where the hash is to stand
	from   int64 // where the chunk begins
	sum    []byte
	whole  string // SHA-256 of the whole file in hex, where it ends there
	err    error
}

// startJob hashes up to a position, and makes the checksum of the chunk that lies from from on. One that is under way is
// given up: a chunk that is sent again finds that of the next one, begun beside the first try.
func (r *run) startJob(from, to int64) {
	r.endJob()
	ctx, cancel := context.WithCancelCause(r.ctx)
	j := &hashJob{cancel: cancel, done: make(chan struct{}), from: from, to: to}
	r.job = j
	h, size, sum := r.hash, r.u.Source.Size, r.caps.sum()
	r.q.wg.Go(func() {
		defer close(j.done)
		if sum != nil {
			begin := from
			if planted == bugWrongRange {
				begin = max(from-1, 0)
			}
			if j.err = h.to(ctx, begin, nil); j.err != nil {
				return
			}
		}
		if j.err = h.to(ctx, to, sum); j.err != nil {
			return
		}
		if j.sum = h.h.Sum(nil); to == size {
			j.whole = h.sum()
		}
		if sum != nil {
			j.sum = sum.Sum(nil)
		}
	})
}

// awaitJob waits for the job under way, if there is one, and returns it.
func (r *run) awaitJob() *hashJob {
	j := r.job
	if j == nil {
		return nil
	}
	<-j.done
	j.cancel(nil)
	r.job = nil
	return j
}

// endJob gives up the job under way.
func (r *run) endJob() {
	if r.job != nil {
		r.job.cancel(errNotWanted)
		r.awaitJob()
	}
}
