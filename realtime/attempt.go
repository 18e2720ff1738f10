package realtime

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/chatsdk/chatsdk/internal/backoff"
)

// stage is how far an attempt has come.
type stage int

const (
	stageDial stage = iota
	stageTLS
	stageUpgrade
)

// attempt is one dial, TLS handshake and upgrade, on its own goroutine.
type attempt struct {
	id      uint64
	started time.Time
	moved   time.Time // when it last got further
	stage   stage
	standby bool // begun on suspicion, while a connection was there
	cancel  context.CancelFunc
}

// startAttempt starts one. What it becomes is told by evOpened, with a running transport or an error.
func (c *Client) startAttempt(id uint64, timeout time.Duration, profile dialer) *attempt {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	now := time.Now()
	c.wg.Go(func() {
		defer cancel()
		t, phases, err := profile.open(ctx, c, id)
		if !c.post(event{kind: evOpened, gen: id, tr: t, phases: phases, err: err, at: time.Now()}) && t != nil {
			t.kill()
		}
	})
	return &attempt{id: id, started: now, moved: now, cancel: cancel}
}

// dialer opens transports.
type dialer struct {
	ep    endpoint
	o     Options
	tls   *tls.Config
	codec codec
}

func newDialer(o Options, ep endpoint) dialer {
	d := dialer{ep: ep, o: o, codec: codec(o.Protocol)}
	if !ep.secure {
		return d
	}
	d.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLSConfig != nil {
		d.tls = o.TLSConfig.Clone()
	}
	if d.tls.ServerName == "" {
		d.tls.ServerName = ep.host
	}
	if d.tls.ClientSessionCache == nil {
		d.tls.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	d.tls.NextProtos = []string{"http/1.1"} // a WebSocket can't be had over HTTP/2 here
	return d
}

// open makes one transport with running goroutines. ctx bounds everything.
func (d dialer) open(ctx context.Context, c *Client, id uint64) (*transport, Phases, error) {
	var p Phases
	begin := time.Now()
	conn, err := d.o.DialContext(ctx, "tcp", d.ep.addr)
	if err != nil {
		return nil, p, fmt.Errorf("realtime: dial: %w", err)
	}
	raw := &countedConn{Conn: conn, start: time.Now()}
	p.Dial = raw.start.Sub(begin)
	var stream net.Conn = raw
	if d.tls != nil {
		c.post(event{kind: evStage, gen: id, stage: stageTLS, at: time.Now()})
		t := tls.Client(raw, d.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, p, tlsError(err)
		}
		stream = t
		p.TLS = time.Since(raw.start)
	}
	c.post(event{kind: evStage, gen: id, stage: stageUpgrade, at: time.Now()})
	begin = time.Now()
	ws, err := d.upgrade(ctx, stream)
	if err != nil {
		_ = raw.Close()
		return nil, p, err
	}
	ws.SetReadLimit(d.o.ReadLimit)
	t := &transport{gen: id, c: c, codec: d.codec, ws: ws, raw: raw, ready: time.Now(), wake: make(chan struct{}, 1)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	p.Upgrade = t.ready.Sub(begin)
	t.run()
	return t, p, nil
}

// tlsError tells a server that speaks no TLS, or can't be trusted, from a broken path.
func tlsError(err error) error {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	if errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &cert) || errors.As(err, &host) {
		return fmt.Errorf("%w: TLS: %w", ErrProtocol, err)
	}
	return fmt.Errorf("realtime: TLS: %w", err)
}

// upgrade asks for the WebSocket on a stream that is ready. The HTTP transport is made for this one request: it has no
// pool, and what it holds ends with the stream.
func (d dialer) upgrade(ctx context.Context, stream net.Conn) (*websocket.Conn, error) {
	var used atomic.Bool
	once := func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errors.New("realtime: one request only")
		}
		return stream, nil
	}
	ht := &http.Transport{
		DialContext: once, DialTLSContext: once, DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	defer ht.CloseIdleConnections()
	hc := &http.Client{
		Transport:     ht,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ws, resp, err := websocket.Dial(ctx, d.ep.url, &websocket.DialOptions{
		HTTPClient: hc, HTTPHeader: d.o.Header, Subprotocols: []string{d.codec.subprotocol()},
	})
	switch {
	case err == nil:
		return ws, nil
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		wait, _ := backoff.RetryAfter(resp.Header, time.Now())
		return nil, &HTTPError{Status: resp.StatusCode, RetryAfter: wait}
	case resp != nil:
		return nil, fmt.Errorf("%w: bad upgrade", ErrProtocol)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("realtime: upgrade: %w", ctx.Err())
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "response headers exceeded"):
		return nil, fmt.Errorf("%w: the answer is not HTTP", ErrProtocol)
	}
	return nil, fmt.Errorf("realtime: upgrade: %w", rootError(err))
}

// rootError drops the wrapping that repeats the URL.
func rootError(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
