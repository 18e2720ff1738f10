package agent

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// beatEvery is how often a stream says that it lives, where it has nothing to tell.
	beatEvery = 5 * time.Second
	// writeTimeout bounds one write: who takes nothing for so long is gone, or comes back and begins again.
	writeTimeout = 10 * time.Second
	// writeBytes is about how much is written at once. Meanwhile what waits is merged.
	writeBytes = 32 << 10
)

func appendNumber(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

// place is where a stream is to begin.
type place struct {
	after uint64
	gap   bool // that isn't known here
}

// placeOf reads it from a request: from now on, or after an event that the client has. Last-Event-ID is that of a browser's
// EventSource, which asks by the same address again and again.
func (a *Agent) placeOf(r *http.Request, seq uint64) (place, error) {
	after, run := r.URL.Query().Get("after"), r.URL.Query().Get("run")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		after = id
	}
	if after == "" && run == "" {
		return place{after: seq}, nil
	}
	n, err := strconv.ParseUint(after, 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("after=%.20q is no number", after)
	}
	return place{after: n, gap: run != a.run}, nil
}

// events serves a stream.
func (a *Agent) events(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	seq, full := a.ring.seq, a.streams >= a.opts.MaxStreams
	if !full {
		a.streams++
	}
	a.mu.Unlock()
	if full {
		refuse(w, http.StatusServiceUnavailable, codeBusy, fmt.Sprintf("%d streams are open already", a.opts.MaxStreams))
		return
	}
	defer func() {
		a.mu.Lock()
		a.streams--
		a.mu.Unlock()
	}()
	from, err := a.placeOf(r, seq)
	if err != nil {
		refuse(w, http.StatusBadRequest, codeBadRequest, err.Error())
		return
	}
	s := &stream{a: a, ctx: r.Context(), w: w, control: http.NewResponseController(w), last: from.after}
	stop := context.AfterFunc(s.ctx, func() { _ = s.control.SetWriteDeadline(time.Now()) }) // it may be in the middle of a write
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	hello := fmt.Appendf(nil, "event: hello\ndata: %s,\"seq\":%d}\n\n", a.head[:len(a.head)-1], seq)
	switch {
	case s.write(hello) != nil:
	case from.gap:
		_ = s.write(gapEvent) // the stream ends in any case
	default:
		s.follow()
	}
	if s.ctx.Err() == nil {
		_ = s.control.SetWriteDeadline(time.Time{}) // the connection may serve on
	}
}

var (
	gapEvent  = []byte("event: gap\ndata: {}\n\n")
	beatEvent = []byte(": beat\n\n")
)

// stream is one reader of the events. It keeps nothing but where it is.
type stream struct {
	a       *Agent
	ctx     context.Context // of the request, for its length
	w       http.ResponseWriter
	control *http.ResponseController
	last    uint64 // id of the event written last
}

// follow writes events until the reader is gone, the agent is closed, or something is missing.
func (s *stream) follow() {
	beat := time.NewTimer(beatEvery)
	defer beat.Stop()
	for {
		s.a.mu.Lock()
		events, ok := s.a.ring.after(s.last)
		news := s.a.ring.news
		s.a.mu.Unlock()
		if !ok {
			_ = s.write(gapEvent) // the stream ends in any case
			return
		}
		if len(events) > 0 {
			var text []byte
			last := s.last
			for i := 0; i < len(events) && len(text) < writeBytes; i++ {
				text, last = events[i].text(text, last), events[i].id
			}
			if s.write(text) != nil {
				return
			}
			s.last = last
			beat.Reset(beatEvery)
			continue
		}
		select {
		case <-news:
		case <-beat.C:
			if s.write(beatEvent) != nil {
				return
			}
			beat.Reset(beatEvery)
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *stream) write(b []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if err := s.ctx.Err(); err != nil { // asked after the deadline was set, which its end may have made the past
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.control.Flush()
}
