package api

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// evidence says how much a transport's silence in httptrace proves.
type evidence int

const (
	// evidenceNone: another RoundTripper. It may pass the hooks on, or send requests without telling.
	evidenceNone evidence = iota
	// evidenceConn: an *http.Transport that may speak HTTP/2 without TLS. Without a connection nothing was sent.
	evidenceConn
	// evidenceHeaders: an *http.Transport whose HTTP/2 connections are recognized by TLS. On an HTTP/1 connection nothing
	// was sent before WroteHeaders, which is called between filling the buffer and flushing its last part. HTTP/2 calls
	// it after writing, so that there its absence proves nothing.
	evidenceHeaders
)

func evidenceOf(rt http.RoundTripper) evidence {
	t, ok := rt.(*http.Transport)
	switch {
	case !ok:
		return evidenceNone
	case t.Protocols != nil && t.Protocols.UnencryptedHTTP2():
		return evidenceConn
	}
	return evidenceHeaders
}

// trace is what an attempt learns from httptrace. The hooks run on the transport's goroutines, also after the attempt.
// Times are nanoseconds since the attempt's start, 0 being never.
type trace struct {
	start  time.Time
	asked  atomic.Bool  // for a connection; only watched where silence proves nothing
	conns  atomic.Int32 // got so far: more than one means that the transport sent it again
	reused atomic.Bool  // the last one
	h2     atomic.Bool  // any of them
	wrote  atomic.Int64 // header, then the whole request
	first  atomic.Int64 // byte of the answer

	dial *dialTrace // nil if nobody asked
}

// dialTrace are the times of a connection that had to be made.
type dialTrace struct{ dnsFrom, dns, connectFrom, connect, tlsFrom, tls atomic.Int64 }

// since is never 0.
func (t *trace) since() int64 { return max(int64(time.Since(t.start)), 1) }

// hooks makes the hooks: as few as the attempt needs, since each costs an allocation.
func (t *trace) hooks(h *httptrace.ClientTrace, proof evidence, body, timed, all bool) {
	h.GotConn = t.gotConn
	h.WroteHeaders = t.wroteSome
	if body { // else the header is the whole request
		h.WroteRequest = t.wroteAll
	}
	if timed { // else the header counts, which is there a moment later
		h.GotFirstResponseByte = t.firstByte
	}
	if proof == evidenceNone {
		h.GetConn = func(string) { t.asked.Store(true) }
	}
	if !all {
		return
	}
	d := &dialTrace{}
	t.dial = d
	h.DNSStart = func(httptrace.DNSStartInfo) { d.dnsFrom.Store(t.since()) }
	h.DNSDone = func(httptrace.DNSDoneInfo) { d.dns.Store(t.since() - d.dnsFrom.Load()) }
	h.ConnectStart = func(string, string) { d.connectFrom.CompareAndSwap(0, t.since()) }
	h.ConnectDone = func(_, _ string, err error) {
		if err == nil {
			d.connect.CompareAndSwap(0, t.since()-d.connectFrom.Load())
		}
	}
	h.TLSHandshakeStart = func() { d.tlsFrom.Store(t.since()) }
	h.TLSHandshakeDone = func(tls.ConnectionState, error) { d.tls.Store(t.since() - d.tlsFrom.Load()) }
}

func (t *trace) gotConn(info httptrace.GotConnInfo) {
	if c, ok := info.Conn.(interface{ ConnectionState() tls.ConnectionState }); ok &&
		c.ConnectionState().NegotiatedProtocol == "h2" {
		t.h2.Store(true)
	}
	t.reused.Store(info.Reused)
	t.conns.Add(1)
}

func (t *trace) wroteSome() { t.wrote.Store(t.since()) }

func (t *trace) wroteAll(info httptrace.WroteRequestInfo) {
	if info.Err == nil {
		t.wrote.Store(t.since())
	}
}

func (t *trace) firstByte() { t.first.Store(t.since()) }

// unsent says that nothing of the request can have been processed. It holds once the attempt has failed: the transport
// has closed the connection by then, so that what is still in a buffer stays there.
func (t *trace) unsent(proof evidence) bool {
	switch {
	case t.wrote.Load() != 0 || t.first.Load() != 0:
		return false
	case t.conns.Load() == 0:
		return proof >= evidenceConn || t.asked.Load()
	}
	return proof == evidenceHeaders && !t.h2.Load()
}

// timings are what was measured. took is the time until the answer's header.
func (t *trace) timings(took time.Duration) Timings {
	first := time.Duration(t.first.Load())
	if first == 0 {
		first = took // a transport without hooks
	}
	out := Timings{FirstByte: max(first-time.Duration(t.wrote.Load()), 0)}
	if d := t.dial; d != nil {
		out.DNS, out.Connect, out.TLS = time.Duration(d.dns.Load()), time.Duration(d.connect.Load()), time.Duration(d.tls.Load())
	}
	return out
}
