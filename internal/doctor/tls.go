package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// endsSoon and endsShare say when a certificate that ends soon is told: two weeks ahead, or a tenth of a life that is
	// shorter than 20 weeks.
	endsSoon  = 14 * 24 * time.Hour
	endsShare = 10
	// maxNames bounds the names of a certificate that are told.
	maxNames = 10
)

// tls makes a handshake and judges the certificate itself, so that all that is wrong with it is told.
func (r *run) tls(ctx context.Context) Check {
	if r.Server.Scheme != "https" {
		return r.unencrypted()
	}
	conn, err := r.DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return fail(FaultNetwork, Figures{}, "try again: connections that come and go are a bad link", "connecting a second time: %s", plainly(err))
	}
	defer conn.Close()
	client := tls.Client(conn, &tls.Config{
		ServerName: r.host, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: true, // it is verified below, and nothing secret is sent
	})
	begun := time.Now()
	if err := client.HandshakeContext(ctx); err != nil {
		return handshakeFailed(err, time.Since(begun))
	}
	took := time.Since(begun)
	state := client.ConnectionState()
	seen := verify(state.PeerCertificates, r.host, r.RootCAs, time.Now())
	f := Figures{Certificate: seen.figures(tls.VersionName(state.Version))}
	r.doubtful = !seen.sound()
	switch {
	case seen.trust != nil || seen.name != nil:
		return seen.notTheServer(f, r.host)
	case seen.time != nil:
		there, known := askDate(ctx, client, r.Server.Host)
		return seen.notNow(f, there, known)
	}
	left := time.Until(seen.leaf.NotAfter)
	if left < min(endsSoon, seen.leaf.NotAfter.Sub(seen.leaf.NotBefore)/endsShare) {
		return warn(f, "whoever runs the server should renew it; renewing by itself may have stopped", "the certificate ends in %s", inDays(left))
	}
	return ok(f, "%s, certificate of %s good until %s (%s)", f.Certificate.Protocol, f.Certificate.Issuer, day(seen.leaf.NotAfter), inMS(took))
}

// unencrypted is for a server without TLS: fine on this machine and at home.
func (r *run) unencrypted() Check {
	addr, err := netip.ParseAddrPort(r.addr)
	if err == nil && (addr.Addr().IsLoopback() || addr.Addr().IsPrivate()) {
		return ok(Figures{}, "not used: the address begins with http://")
	}
	return warn(Figures{}, "use https:// if the server offers it", "not used: passwords and messages can be read on the way")
}

// handshakeFailed says why no certificate was seen.
func handshakeFailed(err error, took time.Duration) Check {
	var record tls.RecordHeaderError
	var said *net.OpError
	switch {
	case errors.As(err, &record):
		return fail(FaultConfig, Figures{}, "is it http:// instead of https://, or another port?", "what answers doesn't speak TLS")
	case errors.As(err, &said) && said.Op == "remote error": // crypto/tls's name for an alert
		return fail(FaultConfig, Figures{}, "the server expects other settings than TLS 1.2 or 1.3 for this name: whoever runs it should look at its log",
			"the server broke the handshake off: %s", short(said.Err.Error()))
	case timedOut(err):
		return fail(FaultNetwork, Figures{}, "the connection opens and nothing comes: a firewall that stops TLS, or a server that hangs",
			"no answer to the handshake within %s", inMS(took))
	}
	return fail(FaultNetwork, Figures{}, "a firewall that stops TLS to this name, or a port that doesn't speak it", "the handshake ended: %s", plainly(err))
}

// verdict is what was found about a certificate; each error is nil where nothing is wrong.
type verdict struct {
	leaf              *x509.Certificate
	now               time.Time
	trust, name, time error
	chain             *x509.Certificate // the one that isn't valid now, where time says so
	again             func(at time.Time) error
}

// verify judges a chain. Trust, name and time are judged apart, which Certificate.Verify doesn't do.
func verify(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) verdict {
	v := verdict{leaf: chain[0], now: now}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	v.again = func(at time.Time) error {
		_, err := v.leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
		return err
	}
	v.name = v.leaf.VerifyHostname(host)
	v.trust = v.again(now)
	var invalid x509.CertificateInvalidError
	if !errors.As(v.trust, &invalid) || invalid.Reason != x509.Expired { // its name for "not valid yet" too
		return v
	}
	v.time, v.chain = v.trust, invalid.Cert
	if v.chain == nil {
		v.chain = v.leaf
	}
	at := v.chain.NotAfter // at the nearest time when it is valid, is all else right?
	if now.Before(v.chain.NotBefore) {
		at = v.chain.NotBefore
	}
	v.trust = v.again(at)
	if errors.As(v.trust, &invalid) && invalid.Reason == x509.Expired { // another one of the chain isn't valid then
		v.trust = nil
	}
	return v
}

func (v verdict) sound() bool { return v.trust == nil && v.name == nil && v.time == nil }

func (v verdict) figures(protocol string) *Certificate {
	names := slices.Clone(v.leaf.DNSNames)
	for _, ip := range v.leaf.IPAddresses {
		names = append(names, ip.String())
	}
	for i, n := range names {
		names[i] = short(n)
	}
	return &Certificate{
		Protocol: protocol, Subject: short(v.leaf.Subject.String()), Issuer: short(v.leaf.Issuer.String()),
		Names: names[:min(len(names), maxNames)], NotBefore: v.leaf.NotBefore.UTC(), NotAfter: v.leaf.NotAfter.UTC(),
		Trusted: v.trust == nil, Named: v.name == nil, InTime: v.time == nil,
	}
}

// notTheServer is for a certificate that anybody could have made, or that is somebody else's.
func (v verdict) notTheServer(f Figures, host string) Check {
	var seen, advice []string
	if v.trust != nil {
		seen = append(seen, fmt.Sprintf("the certificate's issuer isn't trusted here: %s", f.Certificate.Issuer))
		advice = append(advice, "if that is the authority of your company or your own, have it installed on this machine; else something "+
			"between, such as a login page of the network, passes for the server")
	}
	if v.name != nil {
		seen = append(seen, fmt.Sprintf("the certificate isn't for %s but for %s", host, strings.Join(f.Certificate.Names, ", ")))
		advice = append(advice, "check the name in --server; whoever runs the server has to have that name in the certificate")
	}
	if v.time != nil {
		seen = append(seen, "and it isn't valid at this machine's time")
	}
	return fail(FaultConfig, f, strings.Join(advice, "; "), "%s", strings.Join(seen, "; "))
}

// notNow tells a certificate that has run out from a clock that is wrong, by what the other side has for the time. That
// is nobody's proof: it only chooses the advice.
func (v verdict) notNow(f Figures, there time.Time, known bool) Check {
	seen := fmt.Sprintf("the certificate ended on %s", day(v.chain.NotAfter))
	if v.now.Before(v.chain.NotBefore) {
		seen = fmt.Sprintf("the certificate begins on %s only", day(v.chain.NotBefore))
	}
	here := v.now.UTC().Format(time.RFC3339)
	switch {
	case !known:
		return fail(FaultOther, f, "check the date of this machine; if it is right, whoever runs the server has to renew the certificate",
			"%s, and this machine has %s", seen, here)
	case v.again(there) == nil && there.Sub(v.now).Abs() > maxOffset:
		return fail(FaultConfig, f, "set this machine's date and time, best by NTP",
			"%s, by this machine's clock, which has %s; the server has %s, when it is valid", seen, here, there.UTC().Format(time.RFC3339))
	case there.Sub(v.now).Abs() > maxOffset:
		return fail(FaultOther, f, "check the date of this machine first; the certificate is wrong by the server's clock too",
			"%s; this machine has %s, the server %s", seen, here, there.UTC().Format(time.RFC3339))
	}
	return fail(FaultOther, f, "whoever runs the server has to renew the certificate", "%s; the clocks of this machine and of the server agree", seen)
}

// askDate asks over a connection what time the other side has.
func askDate(ctx context.Context, conn net.Conn, host string) (time.Time, bool) {
	one := &http.Transport{
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeader,
	}
	defer one.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+host+pingPath, nil)
	if err != nil {
		return time.Time{}, false
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := one.RoundTrip(req)
	if err != nil {
		return time.Time{}, false
	}
	_ = res.Body.Close() // HEAD has none
	at, err := http.ParseTime(res.Header.Get("Date"))
	return at, err == nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// inDays is a time ahead for people.
func inDays(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
