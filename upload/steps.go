package upload

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

// open opens the file and makes sure that it is the one that was added.
func (r *run) open() verdict {
	f, err := os.Open(r.u.Path)
	if err != nil {
		return verdict{kind: kindFatal, code: CodeSourceMissing, err: err}
	}
	r.file = f
	r.hash = newHasher(f, r.u.HashedTo, r.u.HashState)
	v := r.inspect()
	if v.kind != kindOK {
		_ = f.Close()
		r.file, r.hash = nil, nil
	}
	return v
}

// inspect looks at the file whole enough to know it. Where only what surrounds its content differs, what was sent is
// read again and compared.
func (r *run) inspect() verdict {
	now, err := inspect(r.u.Path)
	switch {
	case err != nil:
		return verdict{kind: kindFatal, code: CodeSourceMissing, err: err}
	case now.same(r.u.Source):
		return verdict{kind: kindOK}
	case !now.sameContent(r.u.Source):
		return verdict{kind: kindChanged, err: errChanged}
	}
	r.endJob()
	f, err := os.Open(r.u.Path) // it may be another file of the same name
	if err != nil {
		return verdict{kind: kindFatal, code: CodeSourceMissing, err: err}
	}
	state, at := r.hash.at(r.u.Offset)
	again := newHasher(f, 0, nil)
	r.tell(evVerify, Change{Reason: ReasonVerifying})
	if err := again.to(r.ctx, at, nil); err != nil {
		_ = f.Close()
		return judgeError(err)
	}
	if known := newHasher(f, at, state); known.sum() != again.sum() {
		_ = f.Close()
		return verdict{kind: kindChanged, err: errChanged}
	}
	_ = r.file.Close()
	r.file, r.hash = f, again
	return r.save(func(u *Upload) { u.Source = now })
}

// look is inspect as far as a directory tells; whole where that shows that something happened.
func (r *run) look() verdict {
	info, err := os.Stat(r.u.Path)
	switch {
	case err != nil:
		return verdict{kind: kindFatal, code: CodeSourceMissing, err: err}
	case r.u.Source.unmoved(info):
		return verdict{kind: kindOK}
	}
	return r.inspect()
}

// create makes a copy at the server. That one may exist is written down before, and where it is before the first byte.
func (r *run) create() verdict {
	if r.u.SHA256 == "" && !r.u.Posted && r.u.Source.Size <= r.q.opts.HashFirst { // a creation that is repeated says the same
		if err := r.hash.to(r.ctx, r.u.Source.Size, nil); err != nil {
			return judgeError(err)
		}
		r.u.SHA256 = r.hash.sum() // written down with what follows
	}
	if v := r.look(); v.kind != kindOK {
		return v
	}
	repeated, key := r.u.Posted, r.u.Key
	if planted == bugNewKey && repeated {
		key += "x"
	}
	sum := r.u.SHA256
	if planted != bugPostFirst {
		if v := r.save(func(u *Upload) { u.Posted, u.SHA256 = true, sum }); v.kind != kindOK {
			return v
		}
	}
	r.tell(evSend, Change{Reason: ReasonStarted})
	res, err := r.q.createCopy(r.ctx, r.u.Source.Size, r.renewing, r.u.metadata(key, sum))
	if err != nil {
		return judgeError(err)
	}
	v := judge(stepCreate, res, r.q.opts.MaxRetryAfter)
	if v.kind != kindOK {
		if v.kind == kindFatal && !repeated { // nothing was made
			_ = r.save(func(u *Upload) { u.Posted = false })
		}
		return v
	}
	location, err := r.q.locate(res.url, res.header.Get("Location"))
	if err != nil {
		return judgeError(err)
	}
	at := expires(res.header, time.Now())
	if planted == bugURLLate {
		r.u.URL, r.synced = location, !repeated
		return verdict{kind: kindOK}
	}
	if v := r.save(func(u *Upload) { u.URL, u.Posted, u.Offset, u.ExpiresAt = location, false, 0, at }); v.kind != kindOK {
		return v
	}
	r.advanced()
	r.tell(evSend, Change{Reason: ReasonCreated})
	if repeated { // it may have got further than we know
		return verdict{kind: kindOK}
	}
	r.fresh, r.high = false, 0
	r.progress.at(0, r.u.Source.Size, true)
	return r.adopt(0)
}

// createCopy asks for a new copy.
func (q *Queue) createCopy(ctx context.Context, size int64, auth func(), meta string) (reply, error) {
	return q.do(ctx, call{method: http.MethodPost, url: q.opts.Endpoint, auth: auth, header: http.Header{
		"Upload-Length": {strconv.FormatInt(size, 10)}, "Upload-Metadata": {meta},
	}})
}

// renewing shows that a token is being renewed.
func (r *run) renewing() { r.tell(evAuth, Change{Reason: ReasonAuth}) }

// head asks the server how much it has.
func (r *run) head() verdict {
	res, err := r.q.do(r.ctx, call{method: http.MethodHead, url: r.u.URL, auth: r.renewing})
	if err != nil {
		return judgeError(err)
	}
	v := judge(stepHead, res, r.q.opts.MaxRetryAfter)
	if v.kind != kindOK {
		return v
	}
	r.heard()
	if at := expires(res.header, time.Now()); !at.IsZero() {
		r.u.ExpiresAt = at
	}
	r.final = digest(res.header)
	offset := number(res.header, "Upload-Offset")
	if length := number(res.header, "Upload-Length"); length >= 0 && length != r.u.Source.Size {
		return r.contradicted(fmt.Errorf("the server's copy is for %d bytes, the file has %d", length, r.u.Source.Size))
	}
	return r.adopt(offset)
}

// contradicted is the verdict where the server's copy can't be the one of this file.
func (r *run) contradicted(err error) verdict {
	return verdict{kind: kindLost, code: CodeProtocol, err: err, offset: -1}
}

// adopt goes on from the server's offset, which may be behind what it said before.
func (r *run) adopt(offset int64) verdict {
	was := r.u.Offset
	switch {
	case offset > r.u.Source.Size:
		return r.contradicted(fmt.Errorf("the server has %d bytes of a file of %d", offset, r.u.Source.Size))
	case offset > max(r.high, was) && !r.fresh && planted != bugTrustAhead:
		return r.contradicted(fmt.Errorf("the server has %d bytes, %d were sent", offset, max(r.high, was)))
	}
	if r.synced = true; r.fresh {
		r.high = offset
	}
	resumed := r.fresh
	r.fresh = false
	if r.caps.algorithm == "" || offset < was {
		r.endJob()
	}
	r.u.Offset = offset
	r.progress.at(offset, r.u.Source.Size, resumed)
	switch {
	case offset < was:
		if r.job == nil {
			r.hash.back(offset)
		}
		r.high = offset
		r.chunks.failed()
		if v := r.checkpoint(); v.kind != kindOK {
			return v
		}
		r.tell(evSend, Change{Reason: ReasonRewound})
	case resumed || r.attempt > 0:
		r.tell(evSend, Change{Reason: ReasonResumed})
	default:
		r.tell(evSend, Change{Reason: ReasonProgress})
	}
	if offset > was {
		r.advanced()
	}
	return verdict{kind: kindOK}
}

// heard notes that the server answered sensibly.
func (r *run) heard() { r.outage = time.Time{} }

// advanced notes that the server has more than before: whatever failed is forgotten. An answer to HEAD alone is no
// progress: what refuses the next chunk would be asked for ever.
func (r *run) advanced() {
	r.heard()
	r.attempt, r.auth, r.damaged, r.stalls, r.lockTry = 0, 0, 0, 0, 0
	r.strangeLast, r.locked = time.Time{}, time.Time{}
}

// checkpoint writes the offset down, with a state of the hash that isn't beyond it.
func (r *run) checkpoint() verdict {
	r.saved = time.Now()
	offset, at := r.u.Offset, r.u.ExpiresAt
	state, hashed := r.u.HashState, r.u.HashedTo
	if r.job == nil {
		state, hashed = r.hash.at(offset)
	}
	if hashed > offset {
		state, hashed = nil, 0
	}
	return r.save(func(u *Upload) { u.Offset, u.ExpiresAt, u.HashState, u.HashedTo = offset, at, state, hashed })
}

// checksumHeader writes Upload-Checksum.
func (r *run) checksumHeader(sum []byte) string {
	return r.caps.algorithm + " " + base64.StdEncoding.EncodeToString(sum)
}
