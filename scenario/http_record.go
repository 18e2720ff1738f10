package scenario

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// HTTPCall is one message that a client wanted stored, however many requests it took.
type HTTPCall struct {
	Client, ID string
	Began      time.Time
	Ended      time.Time // zero while it isn't done
	Seq        uint64
	Err        string // why it was given up, or ""
}

// Done says whether the server has confirmed the message.
func (c *HTTPCall) Done() bool { return !c.Ended.IsZero() && c.Err == "" }

// HTTPArrival is one request as the server saw it.
type HTTPArrival struct {
	At         time.Time
	Answered   time.Time // when the answer, or none, was complete
	Method     string
	Path       string
	Status     int       // 0 if it wasn't answered
	RetryAfter string    // the header
	Marked     time.Time // when the first byte of its body was read since HTTPView.Mark; zero if none was
	Bytes      int64     // of its body that were read
	Offset     int64     // the header Upload-Offset, or 0
}

// HTTPCircuit is one change of a client's circuit.
type HTTPCircuit struct {
	At       time.Time
	Client   string
	From, To string
	Reason   string
}

// HTTPSession is one change of a client's session.
type HTTPSession struct {
	At     time.Time
	Client string
	State  string
	Over   bool // the client has to sign in again
}

// HTTPRefresh is one request for new tokens, as the client sent it.
type HTTPRefresh struct {
	At     time.Time
	Client string
	OK     bool
}

// HTTPWindow is one fault of a run.
type HTTPWindow struct {
	Name     string
	From, To time.Time
	Bounds   HTTPBounds
	Requests int64 // meanwhile
	Met      int64 // of them, those that a fault met
}

// HTTPView is what a record holds at a moment.
type HTTPView struct {
	Calls     []HTTPCall
	Arrivals  []HTTPArrival // in the order in which they came
	Circuits  []HTTPCircuit
	Sessions  []HTTPSession
	Refreshes []HTTPRefresh
	Faults    []HTTPWindow
	RTT       time.Duration // of the clients' links
	Mark      time.Time     // see HTTPArrival.Marked
}

// HTTPRecord is what happened to a world's HTTP requests, seen by the clients and by the server. The zero value is
// empty and ready. All methods may be called concurrently.
type HTTPRecord struct {
	mu   sync.Mutex // guards view
	view HTTPView
}

// View returns a copy.
func (r *HTTPRecord) View() HTTPView {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.view
	v.Calls, v.Arrivals = slices.Clone(v.Calls), slices.Clone(v.Arrivals)
	v.Circuits, v.Sessions = slices.Clone(v.Circuits), slices.Clone(v.Sessions)
	v.Refreshes, v.Faults = slices.Clone(v.Refreshes), slices.Clone(v.Faults)
	return v
}

func (r *HTTPRecord) note(f func(*HTTPView)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.view)
}

// began records a call and returns what records its end.
func (r *HTTPRecord) began(client, id string) (ended func(seq uint64, err error)) {
	i := 0
	r.note(func(v *HTTPView) {
		i = len(v.Calls)
		v.Calls = append(v.Calls, HTTPCall{Client: client, ID: id, Began: time.Now()})
	})
	return func(seq uint64, err error) {
		r.note(func(v *HTTPView) {
			c := &v.Calls[i]
			c.Ended, c.Seq = time.Now(), seq
			if err != nil {
				c.Err = err.Error()
			}
		})
	}
}

// mark begins another count of HTTPArrival.Marked.
func (r *HTTPRecord) mark() {
	r.note(func(v *HTTPView) {
		v.Mark = time.Now()
		for i := range v.Arrivals {
			v.Arrivals[i].Marked = time.Time{}
		}
	})
}

// Wrap records what arrives at a server.
func (r *HTTPRecord) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		i := 0
		r.note(func(v *HTTPView) {
			i = len(v.Arrivals)
			offset, _ := strconv.ParseInt(req.Header.Get("Upload-Offset"), 10, 64)
			v.Arrivals = append(v.Arrivals, HTTPArrival{At: time.Now(), Method: req.Method, Path: req.URL.Path, Offset: offset})
		})
		req.Body = &watchedBody{req.Body, func(n int) {
			r.note(func(v *HTTPView) {
				a := &v.Arrivals[i]
				if a.Bytes += int64(n); a.Marked.IsZero() {
					a.Marked = time.Now()
				}
			})
		}}
		sw := &statusWriter{ResponseWriter: w}
		defer func() { // also where a fault cuts the connection
			r.note(func(v *HTTPView) {
				a := &v.Arrivals[i]
				a.Answered, a.Status, a.RetryAfter = time.Now(), sw.status, w.Header().Get("Retry-After")
			})
		}()
		next.ServeHTTP(sw, req)
	})
}

// watchedBody tells how much is read of a body.
type watchedBody struct {
	io.ReadCloser
	read func(n int)
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.read(n)
	}
	return n, err
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader takes the status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer, if nothing else has.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}
