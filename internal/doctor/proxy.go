package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

const (
	userAgent = "chatsdk-doctor"
	// maxHeader bounds what is read of an answer's head.
	maxHeader = 64 << 10
)

// proxy finds out which way HTTP calls go, and makes the client for them.
func (r *run) proxy(context.Context) Check {
	c := ok(Figures{}, "none: HTTP calls go directly")
	if r.Proxy != nil {
		via, err := r.Proxy(&http.Request{URL: r.Server})
		switch {
		case err != nil: // its text repeats the address, which may hold a password
			c = fail(FaultConfig, Figures{}, "mend HTTPS_PROXY or HTTP_PROXY, or unset it", "the proxy's address in the environment can't be read")
		case via != nil:
			r.via = via
			name := via.Scheme + "://" + via.Host // never User
			c = ok(Figures{Proxy: name}, "HTTP calls go through %s; the live connection doesn't", name)
		}
	}
	r.wire = r.transport(r.dialHTTP)
	if r.via != nil {
		r.wire.Proxy = http.ProxyURL(r.via)
	}
	r.web = client(r.wire)
	return c
}

// transport makes connections of its own, with HTTP/1.1, as a WebSocket needs it.
func (r *run) transport(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
	}
}

// client follows no redirects: where one leads to is told.
func client(t *http.Transport) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialHTTP goes to the address that answered, or to the proxy.
func (r *run) dialHTTP(ctx context.Context, network, addr string) (net.Conn, error) {
	if r.via == nil {
		addr = r.addr
	}
	return r.DialContext(ctx, network, addr)
}

// hangUp closes the connections.
func (r *run) hangUp() {
	if r.wire != nil {
		r.wire.CloseIdleConnections()
	}
}
