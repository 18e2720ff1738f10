package quality

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk/internal/dialing"
)

const (
	// plainAfter is how long an answer over TLS is waited for before somebody is asked without it: long enough for most
	// servers, and short enough that a portal that takes nothing but plain HTTP is known before silence is told.
	plainAfter = 250 * time.Millisecond
	// plainLast is how long the plain question may hold up a probe that failed meanwhile.
	plainLast = 500 * time.Millisecond
)

// errProxyLogin: a proxy wants to know who we are. That is somebody in between, as a portal is.
var errProxyLogin = errors.New("quality: the HTTP proxy wants a login")

// askFresh asks by a new connection. A portal can't answer over TLS in the server's place: some show a certificate of their
// own, others refuse or say nothing. So where no answer comes soon, or none at all, the same is asked without TLS beside it.
// What that says decides only if TLS fails: on a long path it takes fewer round trips, and a server may have anything at
// port 80. That it failed is known before its time is over where nobody takes a connection at the server's port, though asked
// twice.
func (p *httpProber) askFresh(ctx context.Context, t *http.Transport) Outcome {
	if p.url.Scheme != "https" || p.proxied() {
		return p.ask(ctx, t)
	}
	plain, endPlain := context.WithCancel(context.WithValue(ctx, connectedKey{}, nil)) // whose handshake says nothing of the server
	defer endPlain()
	var taken, verified atomic.Bool // a connection; the certificate
	secure, endSecure := context.WithCancel(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { taken.Store(true) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			if err == nil && len(state.VerifiedChains) > 0 && planted != bugPlainWins {
				verified.Store(true)
				endPlain() // the server's side is there
			}
		},
	}))
	defer endSecure()
	failed := make(chan struct{})
	portal := false
	var beside sync.WaitGroup
	beside.Go(func() {
		defer endPlain()
		if late := waitPlain(plain, failed); late && !taken.Load() {
			beside.Go(func() {
				if p.knock(plain) { // one SYN was lost, or is under way
					taken.Store(true)
				}
			})
		}
		if portal = p.meetsPortal(plain); portal && (!taken.Load() || planted == bugPlainWins) {
			endSecure()
		}
	})
	outcome := p.ask(secure, t)
	silent := outcome.Cause == CauseTimeout || outcome.Cause == CauseRefused
	if silent {
		close(failed)
		defer time.AfterFunc(plainLast, endPlain).Stop()
	} else { // somebody answered, or there is no network
		endPlain()
	}
	beside.Wait()
	if portal && silent && !verified.Load() {
		return Outcome{Cause: CausePortal}
	}
	return outcome
}

// waitPlain waits for the time to ask without TLS, and says whether it came before TLS failed.
func waitPlain(ctx context.Context, failed <-chan struct{}) (late bool) {
	wait := time.NewTimer(plainAfter)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-failed:
		return false
	case <-wait.C:
		return true
	}
}

// knock says whether somebody takes a connection at the server's port.
func (p *httpProber) knock(ctx context.Context) bool {
	conn, err := p.connect(ctx, "tcp", dialing.Addr(p.url))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// meetsPortal asks without TLS, and says whether a portal answers. The address's own query isn't sent: it may hold a key.
func (p *httpProber) meetsPortal(ctx context.Context) bool {
	u := *p.url
	u.Scheme, u.Host, u.RawQuery = "http", hostOf(p.url), ""
	challenge := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, with(&u, challenge), nil)
	if err != nil {
		return false // can't be: the address was read before
	}
	req.Header.Set("Cache-Control", "no-cache, no-store")
	t := &http.Transport{
		DialContext: p.connect, DisableKeepAlives: true, MaxResponseHeaderBytes: mostHeader, DisableCompression: true,
	}
	defer t.CloseIdleConnections()
	res, err := t.RoundTrip(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return isPortal(res, u.Hostname(), challenge)
}

// isPortal says whether an answer at a server's port for plain HTTP is a portal's. A server that leads to itself over TLS is
// none, and neither is one that fails, or knows no such page: it is there for something else.
func isPortal(res *http.Response, host, challenge string) bool {
	switch {
	case res.StatusCode == http.StatusNetworkAuthenticationRequired:
		return true
	case res.StatusCode/100 == 3:
		to, err := res.Location()
		return err == nil && (to.Scheme != "https" || to.Hostname() != host)
	}
	return res.StatusCode/100 == 2 && res.Header.Get(challengeHeader) != challenge
}
