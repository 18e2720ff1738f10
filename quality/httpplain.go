package quality

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"time"
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
func (p *httpProber) askFresh(ctx context.Context, t *http.Transport) Outcome {
	if p.url.Scheme != "https" || p.proxied() {
		return p.ask(ctx, t)
	}
	secure, endSecure := context.WithCancel(ctx)
	defer endSecure()
	plain, endPlain := context.WithCancel(context.WithValue(ctx, connectedKey{}, nil)) // whose handshake says nothing of the server
	defer endPlain()
	failed := make(chan struct{})
	portal := false
	var beside sync.WaitGroup
	beside.Go(func() {
		if portal = p.meetsPortal(plain, failed); portal {
			endSecure()
		}
	})
	outcome := p.ask(secure, t)
	if outcome.Cause == CauseTimeout || outcome.Cause == CauseRefused {
		close(failed)
		defer time.AfterFunc(plainLast, endPlain).Stop()
	} else { // somebody answered, or there is no network
		endPlain()
	}
	beside.Wait()
	if portal && outcome.Cause != 0 {
		return Outcome{Cause: CausePortal}
	}
	return outcome
}

// meetsPortal asks without TLS, after a while or once it is told to, and says whether a portal answers.
func (p *httpProber) meetsPortal(ctx context.Context, now <-chan struct{}) bool {
	wait := time.NewTimer(plainAfter)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-now:
	case <-wait.C:
	}
	u := *p.url
	u.Scheme, u.Host = "http", hostOf(p.url)
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
