package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"mime"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// outcome is how an attempt ended.
type outcome struct {
	res    *http.Response // nil if err isn't
	err    error
	unsent bool // httptrace proves that nothing was processed
	reused bool // on a connection that had been used before
	ended  bool // the caller's context, or the Client, ended
	body   bool // the caller's body failed
	lost   bool // there is no network, says Options.Network
	known  bool // the host has answered before
	json   bool // the request accepts JSON and no HTML
	keyed  bool // it carries a key that the server honours
}

// verdict is what an outcome means.
type verdict struct {
	fault  Fault
	sent   Sent
	result result        // for the circuit
	again  bool          // trying again may help
	fresh  bool          // at once, on another connection
	wait   time.Duration // this call waits at least so long before it does
	told   bool          // the server said how long
	all    bool          // and means every call to the host
	slow   bool          // wait a while even the first time
	cost   float64       // of trying again, from the budget
	kind   error         // where it ends here
}

// judge decides what an outcome means. It is pure, but for a look at the wall clock where a pause may be asked for by it.
func judge(o outcome) verdict {
	if o.err != nil {
		return judgeError(o)
	}
	v := judgeStatus(o, o.res.StatusCode)
	if v.again {
		v.wait, v.told = retryAfter(o.res.Header, time.Now()) // a date is on the wall's clock
	}
	return v
}

// unavailable are the statuses, of RFC 9110 and of CDNs, by which a server or what stands before it says that it can't.
func unavailable(status int) bool {
	switch status {
	case 500, 502, 504, 520, 521, 522, 523, 524:
		return true
	}
	return false
}

func judgeStatus(o outcome, status int) verdict {
	fine := verdict{sent: SentAnswered, result: resultOK}
	refused := verdict{fault: FaultCaller, sent: SentAnswered, result: resultOK, kind: ErrStatus}
	switch {
	case status == http.StatusNetworkAuthenticationRequired:
		return verdict{fault: FaultPath, sent: SentNothing, again: true, slow: true, kind: ErrCaptive}
	case o.json && foreign(o.res):
		return verdict{fault: FaultPath, again: true, slow: true, kind: ErrCaptive}
	case status < 300:
		return fine
	case status < 400:
		if downgrade(o.res) {
			refused.kind = ErrRedirect
			return refused
		}
		return fine
	case status == http.StatusUnauthorized:
		return verdict{fault: FaultAuth, sent: SentAnswered, result: resultOK, kind: ErrStatus}
	case status == http.StatusRequestTimeout:
		return verdict{fault: FaultPath, result: resultOK, again: true, kind: ErrStatus}
	case status == http.StatusMisdirectedRequest: // RFC 9110, 15.5.20: another connection
		return verdict{fault: FaultPath, sent: SentNothing, result: resultOK, again: true, fresh: true, kind: ErrStatus}
	case status == http.StatusTooEarly: // RFC 8470: not processed
		return verdict{fault: FaultPath, sent: SentNothing, result: resultOK, again: true, kind: ErrStatus}
	case status == http.StatusTooManyRequests:
		return verdict{
			fault: FaultOverload, sent: SentNothing, result: resultOK, again: true, all: true,
			cost: costRetry, kind: ErrStatus,
		}
	case status == http.StatusConflict && o.keyed: // the first one is still being processed
		return verdict{fault: FaultCaller, sent: SentAnswered, result: resultOK, again: true, slow: true, kind: ErrStatus}
	case status < 500, status == http.StatusNotImplemented, status == http.StatusHTTPVersionNotSupported:
		return refused
	case status == http.StatusServiceUnavailable:
		return verdict{fault: FaultOverload, result: resultFailed, again: true, all: true, cost: costRetry, kind: ErrStatus}
	}
	return verdict{
		fault: FaultServer, result: resultFailed, again: unavailable(status), all: true, cost: costRetry, kind: ErrStatus,
	}
}

// foreign says that an answer to a request for JSON comes from somebody else, as a captive portal: a page, or a redirect
// from plain http to another host.
func foreign(res *http.Response) bool {
	if res.StatusCode/100 == 2 {
		media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
		return media == "text/html" || media == "application/xhtml+xml"
	}
	to := location(res)
	return res.StatusCode/100 == 3 && to != nil && res.Request.URL.Scheme == "http" &&
		!strings.EqualFold(to.Hostname(), res.Request.URL.Hostname())
}

// downgrade says that a redirect leads from https to http.
func downgrade(res *http.Response) bool {
	to := location(res)
	return to != nil && res.Request.URL.Scheme == "https" && to.Scheme == "http"
}

func location(res *http.Response) *url.URL {
	if res.Header.Get("Location") == "" || res.Request == nil || res.Request.URL == nil {
		return nil
	}
	to, err := res.Location()
	if err != nil {
		return nil
	}
	return to
}

func judgeError(o outcome) verdict {
	v := verdict{fault: FaultPath, again: true, kind: ErrFailed}
	if o.unsent || notProcessed(o.err) {
		v.sent = SentNothing
	}
	switch {
	case o.ended:
		v.fault, v.again = FaultCaller, false
		if planted == bugCancelCounts {
			v.result = resultFailed
		}
	case errors.Is(o.err, errDeadline):
		v.again, v.kind = false, ErrDeadline
	case o.body:
		v.fault, v.again = FaultCaller, false
	case errors.Is(o.err, ErrTimeout):
	case refusedConnection(o.err):
		v.fault, v.sent, v.result = FaultServer, SentNothing, resultFailed
	case outOfDate(o.err):
		v.again, v.kind = false, ErrClock
	case permanent(o):
		v.again = false
	case notProcessed(o.err):
		v.fresh = true
	default:
		v.fresh = o.reused // most likely a connection that died while idle
	}
	if v.sent != SentNothing && v.fault == FaultServer {
		v.cost = costRetry
	}
	if planted == bugBudgetPath && v.fault == FaultPath {
		v.cost = costRetry
	}
	return v
}

// streamError has the shape of HTTP/2's, which net/http keeps to itself: its own As fills in what looks like it.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "HTTP/2 stream error" }

// refusedStream is REFUSED_STREAM, RFC 9113, 7.
const refusedStream = 7

// What net/http says in words alone: that the server closed the connection before it looked at the request, whose stream
// is beyond GOAWAY's last (RFC 9113, 6.8 and 8.7), and a refused stream of a request with a body.
const (
	goAway      = "Transport received Server's graceful shutdown GOAWAY"
	refusedText = "cannot retry err [stream error"
	refusedCode = "REFUSED_STREAM"
)

// notProcessed says that the error itself proves that nothing was processed.
func notProcessed(err error) bool {
	var se streamError
	if errors.As(err, &se) {
		return se.Code == refusedStream
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	text := err.Error()
	return strings.Contains(text, goAway) || strings.Contains(text, refusedText) && strings.Contains(text, refusedCode)
}

// refusedConnection says that the server's host is there and its program isn't.
func refusedConnection(err error) bool {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return false
	}
	const wsaRefused = 10061 // Windows has a number of its own
	return no == syscall.ECONNREFUSED || runtime.GOOS == "windows" && no == wsaRefused
}

// outOfDate says that the server's certificate isn't valid at this machine's time: that is more often wrong than the
// certificate is, and is set before long.
func outOfDate(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired // or not valid yet
}

// permanent says that trying again can't help until somebody changes something.
func permanent(o outcome) bool {
	var (
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		dns     *net.DNSError
	)
	switch {
	case errors.As(o.err, &cert), errors.As(o.err, &unknown), errors.As(o.err, &name), errors.As(o.err, &invalid),
		errors.As(o.err, &record):
		return true
	case errors.As(o.err, &dns):
		// A name that never was there, on a network that works, is a typing mistake. Without a network every name is gone.
		return dns.IsNotFound && !o.lost && !o.known
	}
	text := o.err.Error()
	return strings.HasPrefix(text, "net/http: invalid") || strings.HasPrefix(text, "http: no Host") ||
		strings.Contains(text, "server gave HTTP response to HTTPS client") || errors.Is(o.err, http.ErrSkipAltProtocol)
}
