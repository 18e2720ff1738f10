package doctor

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	pingPath = "/api/health/ping"
	// headerChallenge and headerAPI are the server's own (internal/wire).
	headerChallenge = "Chatsdk-Challenge"
	headerAPI       = "Chatsdk-Api"
	// maxPage is what is read of a page to see that it is one.
	maxPage = 1024
)

// ping is the answer to the ping, as far as later checks want to know.
type ping struct {
	proven bool // the challenge came back: it is the server
	status int
	api    string    // version, or ""
	date   time.Time // zero if there was none
	sent   time.Time
	rtt    time.Duration
}

// answer is what came back to a request.
type answer struct {
	status   int
	header   http.Header
	page     bool // HTML
	verified bool // it came under a certificate that is the server's: nobody between speaks so
	location *url.URL
	sent     time.Time
	rtt      time.Duration
}

// ask makes one request and reads the beginning of the answer.
func ask(ctx context.Context, c *http.Client, to string, header http.Header) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return answer{}, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", userAgent)
	a := answer{sent: time.Now()}
	res, err := c.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	a.rtt, a.status, a.header = time.Since(a.sent), res.StatusCode, res.Header
	a.verified = res.TLS != nil && len(res.TLS.VerifiedChains) > 0
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxPage)) // a cut page is a page
	kind := res.Header.Get("Content-Type")
	if kind == "" {
		kind = http.DetectContentType(body)
	}
	a.page = len(body) > 0 && (strings.HasPrefix(kind, "text/html") || strings.HasPrefix(kind, "application/xhtml"))
	if to, err := res.Location(); err == nil {
		a.location = to
	}
	return a, nil
}

// portal pings the server with a challenge that only it gives back.
func (r *run) portal(ctx context.Context) Check {
	challenge := rand.Text()
	a, err := ask(ctx, r.web, r.url(pingPath+"?c="+challenge), nil)
	if err != nil {
		return r.unanswered(ctx, err, time.Since(a.sent))
	}
	r.ping = ping{
		proven: a.status == http.StatusNoContent && a.header.Get(headerChallenge) == challenge,
		status: a.status, api: a.header.Get(headerAPI), sent: a.sent, rtt: a.rtt,
	}
	if at, err := http.ParseTime(a.header.Get("Date")); err == nil {
		r.ping.date = at
	}
	return judgePing(a, r.ping.proven, r.Server)
}

func (r *run) url(path string) string { return r.Server.String() + path }

// unanswered is for a request that nobody answered: that is no portal, which wants to be seen.
func (r *run) unanswered(ctx context.Context, err error, waited time.Duration) Check {
	advice := "the connection opens and nothing comes: the server hangs, or a firewall stops what it doesn't know"
	if r.via != nil {
		advice = "see whether the proxy is the right one, and whether it lets this server through"
	}
	if timedOut(err) || ctx.Err() != nil {
		return fail(FaultNetwork, Figures{}, advice, "no answer to a ping within %s", inMS(waited))
	}
	text := plainly(err)
	if strings.Contains(err.Error(), "malformed HTTP") {
		return fail(FaultConfig, Figures{}, "check the port in --server", "what answers doesn't speak HTTP")
	}
	return fail(FaultNetwork, Figures{}, advice, "no answer to a ping: %s", text)
}

// judgePing says who answered. It is pure.
func judgePing(a answer, proven bool, server *url.URL) Check {
	f := Figures{Status: a.status, RTTMS: ms(a.rtt)}
	ours := a.header.Get(headerAPI) != ""
	switch {
	case proven:
		return ok(f, "none: the server itself answered (%s)", inMS(a.rtt))
	case ours && a.status >= 500:
		return ok(f, "none: the server itself answered, with %d (%s)", a.status, inMS(a.rtt))
	case a.location != nil && a.status/100 == 3 && a.location.Hostname() == server.Hostname() && a.location.Scheme != server.Scheme:
		return fail(FaultConfig, f, "give "+a.location.Scheme+"://"+a.location.Host+server.Path+" as --server", "the server sends callers on to %s://", a.location.Scheme)
	}
	if c, captive := judgeCaptive(a, f, server); captive {
		return c
	}
	switch {
	case a.verified && a.status/100 == 3 && a.location != nil:
		return fail(FaultConfig, f, "check the address in --server: it has to be that of the chatsdk server itself", "the server itself sends callers on to %s", short(a.location.Host))
	case a.status >= 500:
		return ok(f, "none to be seen: something answered with %d (%s)", a.status, inMS(a.rtt))
	case a.status == http.StatusProxyAuthRequired:
		return fail(FaultConfig, f, "put the user and password into the proxy's address", "the proxy wants a sign-in (407)")
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return fail(FaultConfig, f, "a gateway before the server, or a firewall, lets only some through: ask whoever runs it", "refused with %d before it came to the server", a.status)
	case a.status == http.StatusTooManyRequests:
		return fail(FaultOther, f, "wait a minute and try again", "something before the server has had too many requests (429)")
	case a.status == http.StatusNoContent:
		return fail(FaultConfig, f, "is it a chatsdk server? If it is, something between takes the header "+headerChallenge+" away", "answered, but without the challenge")
	case a.status == http.StatusBadRequest && server.Scheme == "http":
		return fail(FaultConfig, f, "check the address in --server; is it https:// instead of http://?", "answered with 400, not by a chatsdk server")
	}
	return fail(FaultConfig, f, "check the address in --server, its path too: a chatsdk server answers 204 to "+pingPath, "answered with %d, not by a chatsdk server", a.status)
}

// judgeCaptive knows a login page of the network by what it has to do: show itself, or lead to itself. Under the server's
// certificate it can do neither.
func judgeCaptive(a answer, f Figures, server *url.URL) (Check, bool) {
	const advice = "open a web page in a browser and sign in to the network, then try again"
	if a.verified {
		return Check{}, false
	}
	f.Captive = true
	switch {
	case a.status == http.StatusNetworkAuthenticationRequired: // RFC 6585 6
		return fail(FaultNetwork, f, advice, "the network wants a sign-in first (511)"), true
	case a.status/100 == 3 && a.location != nil && a.location.Hostname() != server.Hostname():
		return fail(FaultNetwork, f, advice, "a captive portal: the network sends callers on to %s", short(a.location.Host)), true
	case a.status/100 == 2 && a.page:
		return fail(FaultNetwork, f, advice+"; without a sign-in page, check that --server is a chatsdk server", "a captive portal: a page came instead of the server's answer (%d)", a.status), true
	}
	return Check{}, false
}

// plainPortal is for an https address behind which somebody else shows a certificate, as portals do: over plain HTTP they
// show themselves.
func (r *run) plainPortal(ctx context.Context, tls Check) Check {
	if r.port != "443" {
		return tls.skips()
	}
	host, _, err := net.SplitHostPort(r.addr)
	if err != nil {
		return tls.skips()
	}
	wire := r.transport(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return r.DialContext(ctx, network, net.JoinHostPort(host, "80"))
	})
	defer wire.CloseIdleConnections()
	plain := &url.URL{Scheme: "http", Host: r.Server.Hostname()}
	if strings.Contains(plain.Host, ":") {
		plain.Host = "[" + plain.Host + "]"
	}
	a, err := ask(ctx, client(wire), fmt.Sprintf("%s%s?c=%s", plain, pingPath, rand.Text()), nil)
	if err != nil {
		return tls.skips()
	}
	if c, captive := judgeCaptive(a, Figures{Status: a.status, RTTMS: ms(a.rtt)}, plain); captive {
		return c
	}
	return tls.skips()
}
