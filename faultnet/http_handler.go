package faultnet

import (
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// Handler puts the faults before next, on the server's side. A cut is http.ErrAbortHandler, which closes the connection
// (HTTP/2: the stream).
func (h *HTTPFaults) Handler(next http.Handler) http.Handler {
	stream := h.stream()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := stream.next(r)
		switch {
		case v.loses(HTTPReplyLost):
			next.ServeHTTP(&discardWriter{header: make(http.Header)}, r)
			v.cutOff(r)
		case v.loses(HTTPRequestLost):
			v.cutOff(r)
		case v.decisive == nil && v.slow == nil && v.cut == nil && v.date == nil:
			next.ServeHTTP(w, r)
		default:
			v.serve(w, r, next)
		}
	})
}

// cutOff ends the connection without an answer, at once or after a silence.
func (v *verdict) cutOff(r *http.Request) {
	if v.decisive.Hang {
		// The server watches for the client's going only once the body was read.
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
		_ = sleepUntil(r.Context(), time.Now().Add(hangLimit), nil)
	}
	panic(http.ErrAbortHandler)
}

// serve answers, itself or through next, and changes the reply.
func (v *verdict) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	fw := &faultWriter{ResponseWriter: w, r: r, v: v}
	if v.decisive == nil {
		next.ServeHTTP(fw, r)
	} else if m, ok := v.decisive.answer(time.Now()); ok {
		maps.Copy(fw.Header(), m.header)
		fw.WriteHeader(m.status)
		_, _ = io.WriteString(fw, m.body)
	}
	fw.finish()
}

// discardWriter takes a reply that is lost. It flushes and hijacks nothing.
type discardWriter struct{ header http.Header }

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *discardWriter) WriteHeader(int)             {}

// Flush does nothing: handlers that stream ask for it.
func (w *discardWriter) Flush() {}

// maxHeld bounds what of a reply is held back to learn its length.
const maxHeld = 64 << 10

// faultWriter changes a reply on its way. The head of one that is to be cut is held back until the length is known,
// so that it can announce more than comes.
type faultWriter struct {
	http.ResponseWriter
	r    *http.Request
	v    *verdict
	head bool // was written to us

	status int
	passed bool   // the head was written to the client
	held   []byte // body not written yet, while a cut waits for the length
	sent   int64  // bytes of the body so far
}

// Unwrap is for http.ResponseController.
func (w *faultWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader takes the status.
func (w *faultWriter) WriteHeader(status int) {
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.head {
		return
	}
	w.head, w.status = true, status
	if w.v.cut == nil || w.Header().Get("Content-Length") != "" || !w.hasBody() {
		w.passHead()
	}
}

func (w *faultWriter) hasBody() bool { return w.r.Method != http.MethodHead && bodyAllowed(w.status) }

// passHead writes the head to the client.
func (w *faultWriter) passHead() {
	w.passed = true
	if f := w.v.date; f != nil {
		w.Header().Set("Date", f.skewed(w.Header().Get("Date"), time.Now()))
	}
	w.ResponseWriter.WriteHeader(w.status)
}

// Write takes a piece of the body.
func (w *faultWriter) Write(b []byte) (int, error) {
	if !w.head {
		w.WriteHeader(http.StatusOK)
	}
	if !w.hasBody() {
		return w.ResponseWriter.Write(b)
	}
	if w.passed {
		return len(b), w.send(b)
	}
	w.held = append(w.held, b...)
	if len(w.held) > maxHeld { // it goes out in chunks, as the server itself does with what it can't hold
		return len(b), w.release()
	}
	return len(b), nil
}

// release passes head and body on that were held back.
func (w *faultWriter) release() error {
	w.passHead()
	held := w.held
	w.held = nil
	return w.send(held)
}

// FlushError passes on what there is.
func (w *faultWriter) FlushError() error {
	if !w.head {
		w.WriteHeader(http.StatusOK)
	}
	if !w.passed {
		if err := w.release(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for those who ask for an http.Flusher.
func (w *faultWriter) Flush() { _ = w.FlushError() }

// send writes body to the client, slowly or up to the cut.
func (w *faultWriter) send(b []byte) error {
	limit := int64(len(b))
	cut := w.v.cut != nil && w.sent+limit > w.v.cut.Bytes
	if cut {
		limit = w.v.cut.Bytes - w.sent
	}
	if err := w.trickle(b[:limit]); err != nil {
		return err
	}
	if cut {
		_ = http.NewResponseController(w.ResponseWriter).Flush() // else the server would throw it away
		panic(http.ErrAbortHandler)
	}
	return nil
}

// trickle writes at the rate.
func (w *faultWriter) trickle(b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if w.v.slow != nil {
			n = int(min(int64(n), portion(w.v.slow.Rate)))
			if err := sleepUntil(w.r.Context(), time.Now().Add(perByte(n, w.v.slow.Rate)), nil); err != nil {
				return err
			}
		}
		if _, err := w.ResponseWriter.Write(b[:n]); err != nil {
			return err
		}
		w.sent += int64(n)
		b = b[n:]
		if w.v.slow != nil {
			_ = http.NewResponseController(w.ResponseWriter).Flush()
		}
	}
	return nil
}

// finish passes on what was held back, now that the length is known, and takes back what had nothing to do.
func (w *faultWriter) finish() {
	if !w.head {
		w.WriteHeader(http.StatusOK)
	}
	if !w.passed {
		w.Header().Set("Content-Length", strconv.Itoa(len(w.held)))
		_ = w.release()
	}
	if w.v.cut != nil { // a cut panics
		w.v.spare(w.v.cut)
	}
	if w.v.slow != nil && w.sent == 0 {
		w.v.spare(w.v.slow)
	}
}
