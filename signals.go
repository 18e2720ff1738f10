package chatsdk

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// What the client sends and hears anyway tells the monitor of the network, so that it seldom has to ask by itself.

// exchangeIDs is added to realtime's numbers of exchanges, which then are none that the monitor gives.
const exchangeIDs = 1 << 62

// observe tells the monitor. It doesn't block, and allocates nothing.
func (c *Client) observe(s quality.Sample) { c.quality.Observe(s) }

// onExchange takes what the connection asks and hears. It runs on realtime's inner goroutine.
func (c *Client) onExchange(x realtime.Exchange) {
	s := quality.Sample{At: x.At, ID: x.ID + exchangeIDs, Source: quality.SourceCall}
	if x.Ping {
		s.Source = quality.SourcePing
	}
	switch x.Kind {
	case realtime.ExchangeBegan:
		s.Kind = quality.KindBegin
	case realtime.ExchangeAnswered:
		s.Kind, s.RTT = quality.KindRoundTrip, max(x.RTT, 1)
		s.Loaded = x.Loaded || c.transfers.beside(x.RTT)
		c.peer.heard(x, c.profile())
	case realtime.ExchangeLost:
		s.Kind, s.Cause = quality.KindFailure, quality.CauseTimeout
	case realtime.ExchangeDropped:
		s.Kind = quality.KindEnd
	case realtime.ExchangeHeard:
		s.Kind = quality.KindInbound
		c.peer.heard(x, c.profile())
	case realtime.ExchangeDown:
		s.Kind, s.Socket = quality.KindDrop, socketID(x.Conn)
	}
	c.observe(s)
}

// onAttempt takes what became of one sending of an HTTP call.
func (c *Client) onAttempt(a api.Attempt) {
	s := quality.Sample{At: a.Start.Add(a.Duration), Source: quality.SourceCall, Kind: quality.KindFailure}
	switch {
	case a.Err != nil:
		if s.Cause = callCause(a); s.Cause == 0 {
			return
		}
	case a.Foreign:
		s.Cause = quality.CausePortal
	case a.Status >= 500:
		s.Cause = quality.CauseServerError
	case a.Timings.FirstByte <= 0:
		s.Kind = quality.KindInbound
	default:
		s.Kind, s.RTT, s.Fresh = quality.KindRoundTrip, a.Timings.FirstByte, !a.Reused
		if planted == bugFreshCalls {
			s.RTT, s.Fresh = a.Duration, false
		}
		if a.Timings.Server < s.RTT {
			s.Server = a.Timings.Server
		}
		s.Loaded = c.transfers.beside(s.RTT)
	}
	c.observe(s)
}

// callCause is why an attempt got no answer, 0 if that says nothing of the network, or was told when it was dialled.
func callCause(a api.Attempt) quality.Cause {
	dial, isDial := errors.AsType[*net.OpError](a.Err)
	switch {
	case a.Fault == api.FaultCaller, isDial && dial.Op == "dial":
		return 0
	case errors.Is(a.Err, api.ErrTimeout):
		return quality.CauseTimeout
	}
	return quality.CauseOf(a.Err)
}

// pingByConnection asks the server over the connection, if there is one; see quality.Options.Ping.
func (c *Client) pingByConnection() bool { return c.rt.Probe() }

// transfers knows what else is on the link: a round trip beside it has to wait in its queue. It may be used concurrently.
type transfers struct {
	zero    time.Time // when the client was opened
	running atomic.Int32
	ended   atomic.Int64 // when the last one did, since zero; 0 if there was none
}

func (t *transfers) begin() { t.running.Add(1) }

func (t *transfers) end() {
	t.ended.Store(int64(time.Since(t.zero)))
	t.running.Add(-1)
}

// beside says whether a transfer was going on during a round trip that has just ended.
func (t *transfers) beside(rtt time.Duration) bool {
	ended := t.ended.Load()
	return t.running.Load() > 0 || ended > 0 && time.Since(t.zero)-rtt <= time.Duration(ended)
}

// onChunk takes a chunk of an upload, at its beginning and its end.
func (c *Client) onChunk(began bool, acked int64, took time.Duration) {
	if began {
		c.transfers.begin()
		return
	}
	c.transfers.end()
	if acked > 0 && took > 0 {
		c.observe(quality.Sample{Kind: quality.KindTransfer, Bytes: acked, Took: took})
	}
}

// received counts what a download receives, and tells it in parts.
type received struct {
	c     *Client
	since time.Time
	bytes int64
}

// partTime is how long a part of a download takes that is told: enough of it to tell a rate, and to be a sign of life in time.
const partTime = 500 * time.Millisecond

func (c *Client) receiving() *received {
	c.transfers.begin()
	return &received{c: c, since: time.Now()}
}

func (r *received) add(n int) {
	r.bytes += int64(n)
	if time.Since(r.since) >= partTime {
		r.tell()
	}
}

func (r *received) tell() {
	now := time.Now()
	if took := now.Sub(r.since); r.bytes > 0 && took > 0 {
		r.c.observe(quality.Sample{Kind: quality.KindTransfer, At: now, Bytes: r.bytes, Took: took, Down: true})
	}
	r.since, r.bytes = now, 0
}

func (r *received) end() {
	r.tell()
	r.c.transfers.end()
}
