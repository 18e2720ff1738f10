package upload

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	answerFirst = 10 * time.Second // the answer to a chunk may take so long while no rate is known
	verifyRate  = 50 << 20         // bytes a second that a server may need to check the whole before its last answer
	mostStalls  = 4                // doublings of the patience
)

// patch sends the next chunk.
func (r *run) patch() verdict {
	if v := r.look(); v.kind != kindOK {
		return v
	}
	from := r.u.Offset
	to := r.chunks.end(from, r.u.Source.Size)
	header := http.Header{
		"Content-Type": {"application/offset+octet-stream"}, "Upload-Offset": {strconv.FormatInt(from, 10)},
	}
	sum := r.u.SHA256
	if r.caps.algorithm != "" {
		ready, v := r.prepare(from, to)
		if v.kind != kindOK {
			return v
		}
		header.Set("Upload-Checksum", r.checksumHeader(ready.sum))
		if to = ready.to; ready.whole != "" {
			sum = ready.whole
		}
		if to < r.u.Source.Size && (r.job == nil || r.job.from != to) { // the next chunk's, while this one is sent
			r.startJob(to, r.chunks.end(to, r.u.Source.Size))
		}
	} else {
		if j := r.awaitJob(); j != nil && j.err != nil {
			return judgeError(j.err)
		}
		r.startJob(from, to)
	}
	if to == r.u.Source.Size && sum != "" {
		header.Set("Repr-Digest", reprDigest(sum)) // the server may compare before it answers
	}
	r.tell(evSend, Change{Reason: ReasonStarted})
	v := r.send(from, to, header)
	if told := cmp.Or(r.u.SHA256, sum); v.status == http.StatusUnprocessableEntity && to == r.u.Source.Size && told != "" {
		return r.unlike(v, told)
	}
	return v
}

// unlike is the verdict where the server refuses the whole after its last byte: as ours does where that isn't what was
// announced. One that refuses it for another reason does so again, and then it is over.
func (r *run) unlike(v verdict, sum string) verdict {
	found := r.mismatch(r.u.Source.Size, sum)
	if found.err != nil && found.kind != kindChanged {
		found.err = errors.Join(found.err, v.err)
	}
	if found.kind == kindFatal {
		found.status = v.status
	}
	return found
}

// prepare returns the checksum of the chunk at from, which may be shorter than up to to.
func (r *run) prepare(from, to int64) (*hashJob, verdict) {
	if r.job != nil && r.job.from == from {
		r.ready = r.awaitJob()
	}
	if r.ready == nil || r.ready.err != nil || r.ready.from != from || r.ready.to > to {
		r.endJob()
		r.startJob(from, to)
		r.ready = r.awaitJob()
	}
	if err := r.ready.err; err != nil {
		r.ready = nil
		return nil, judgeError(err)
	}
	return r.ready, verdict{kind: kindOK}
}

// send makes the request for a chunk and takes its answer.
func (r *run) send(from, to int64, header http.Header) verdict {
	var b *body
	sending := r.q.pace.begin()
	start := time.Now()
	r.chunk(true, 0, 0)
	res, err := r.q.do(r.ctx, call{
		method: http.MethodPatch, url: r.u.URL, header: header, auth: r.renewing,
		body: func(ctx context.Context, a *alarm) *body {
			a.after <<= min(r.stalls, mostStalls)
			b = &body{
				ctx: ctx, r: r.file, pos: from, end: to, pace: r.q.pace, alarm: a,
				answer: r.answerTime(to-from, to, a.after), moved: r.moved,
			}
			return b
		},
	})
	took := time.Since(start)
	if b != nil {
		r.high = max(r.high, b.sent.Load())
	}
	r.lastSize = to - from
	offset := int64(-1)
	v := verdict{kind: kindOK}
	if err != nil {
		v = judgeError(err)
		if b != nil && b.failed() != nil {
			v = judgeError(b.failed())
		}
	} else if v = judge(stepPatch, res, r.q.opts.MaxRetryAfter); v.kind == kindOK {
		offset = number(res.header, "Upload-Offset")
	}
	acked := int64(0)
	if offset == to {
		acked = to - from
	}
	free := r.q.pace.end(sending, acked)
	if free {
		r.chunk(false, acked, took)
	} else {
		r.chunk(false, 0, took)
	}
	switch {
	case v.kind == kindNetwork:
		r.chunks.failed()
		return v
	case v.kind != kindOK:
		return v
	case offset != to: // it took another part than was sent, or none
		if v = r.adopt(offset); v.kind == kindOK && offset <= from {
			return verdict{kind: kindConflict, offset: -1, err: errors.New("the server took nothing of a chunk")}
		}
		return v
	}
	if free {
		r.chunks.took(to-from, took)
	}
	return r.acked(to, res)
}

// chunk tells Options.OnChunk.
func (r *run) chunk(began bool, acked int64, took time.Duration) {
	if told := r.q.opts.OnChunk; told != nil {
		told(began, acked, took)
	}
}

// answerTime is how long the answer may take once the last byte is handed to the network, which may hold much of the
// chunk at that time.
func (r *run) answerTime(n, to int64, patience time.Duration) time.Duration {
	d := max(answerFirst, patience)
	if r.chunks.rate > 0 {
		d = patience + time.Duration(2*float64(n)/r.chunks.rate*float64(time.Second))
	}
	if to == r.u.Source.Size {
		d += time.Duration(float64(to) / verifyRate * float64(time.Second))
	}
	return d
}

// moved is told by the transport what it took.
func (r *run) moved(pos int64) {
	r.progress.sent(pos)
	if r.progress.due(r.q.opts.ProgressEvery) {
		r.tellProgress()
	}
}

// acked takes a whole chunk as acknowledged.
func (r *run) acked(offset int64, res reply) verdict {
	r.u.Offset = offset
	r.progress.acked(offset)
	r.advanced()
	if at := expires(res.header, time.Now()); !at.IsZero() {
		r.u.ExpiresAt = at
	}
	if offset == r.u.Source.Size {
		r.confirmed, r.final = true, digest(res.header)
	} else if time.Since(r.saved) >= r.q.opts.CheckpointEvery {
		if r.caps.algorithm == "" {
			if j := r.awaitJob(); j != nil && j.err != nil {
				return judgeError(j.err)
			}
		}
		if v := r.checkpoint(); v.kind != kindOK {
			return v
		}
	}
	if r.progress.due(r.q.opts.ProgressEvery) || offset == r.u.Source.Size {
		r.tellProgress()
	}
	return verdict{kind: kindOK}
}
