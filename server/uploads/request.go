package uploads

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// request is a request on its way through tusd, which hands on its context and nothing else.
type request struct {
	user     string
	id       string   // of the upload that the path names, or empty
	metadata metadata // of a creation
	sum      *checksum
	digest   string // SHA-256 that the whole has to have if this request brings its end, hexadecimal, or empty
	length   int64  // of the body, or -1
	row      *Upload

	control *http.ResponseController

	mu      sync.Mutex
	stopped error // guarded by mu; why the body ends here, or nil
	done    bool  // guarded by mu; the connection belongs to another request now
}

type requestKey struct{}

// requestOf finds the request that a context of tusd belongs to.
func requestOf(ctx context.Context) *request {
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok {
		panic("uploads: a context without its request")
	}
	return r
}

// interrupt ends the reading of the body at once, with why; what has arrived is kept.
func (r *request) interrupt(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped != nil || r.done {
		return
	}
	r.stopped = why
	_ = r.control.SetReadDeadline(time.Now()) // not every ResponseWriter can; body looks at stopped too
}

// finish keeps interrupt off a connection that goes on to the next request.
func (r *request) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
}

func (r *request) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// body is a request's body that interrupt ends.
type body struct {
	io.ReadCloser

	request *request
}

func (b body) Read(p []byte) (int, error) {
	if why := b.request.why(); why != nil {
		return 0, ended(why)
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		if why := b.request.why(); why != nil {
			err = ended(why)
		}
	}
	return n, err
}

// ended keeps tusd from giving the connection more time: net/http would use it to wait for the rest of the body before it
// answers.
func ended(why error) error { return errors.Join(why, os.ErrDeadlineExceeded) }
