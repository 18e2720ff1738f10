package quality

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"syscall"
)

// judge says what an answer means: 0 if it is the server's. Whoever shows the server's certificate is the server's side: a
// load balancer, or the ping's address is wrong. Whoever answers without TLS may be anybody.
func judge(res *http.Response, challenge string) Cause {
	ours := res.Header.Get(challengeHeader) == challenge || planted == bugAnyPage
	switch {
	case res.StatusCode == http.StatusNoContent && ours:
		return 0
	case res.TLS != nil && len(res.TLS.VerifiedChains) > 0:
		return CauseServerError
	case res.StatusCode == http.StatusNetworkAuthenticationRequired: // RFC 6585, section 6: only portals say it
		return CausePortal
	case res.StatusCode >= 500, res.StatusCode == http.StatusTooManyRequests, ours:
		return CauseServerError
	}
	return CausePortal
}

// CauseOf says what a failed attempt to reach the server tells of the network, for Sample.Cause: no route is
// CauseUnreachable, the certificate of somebody else CausePortal, no answer in time and a name that can't be resolved
// CauseTimeout, and anything else CauseRefused, since somebody was there to refuse, cut, or talk nonsense. An attempt that
// its caller gave up tells nothing: don't ask. A nil error is no cause: 0.
func CauseOf(err error) Cause {
	switch {
	case err == nil:
		return 0
	case isAny(err, syscall.ENETUNREACH, syscall.ENETDOWN):
		return CauseUnreachable
	case isSomebodyElse(err):
		return CausePortal
	// A router may say that one machine can't be reached, and an address of our own may be one that was lost a moment ago:
	// that is an attempt without an answer, which others have to confirm.
	case isTimeout(err), isAny(err, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL):
		return CauseTimeout
	}
	return CauseRefused // or cut, or nonsense: somebody is there
}

func isAny(err error, targets ...syscall.Errno) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isSomebodyElse finds a proxy that wants a login, a certificate of another name or authority, and an answer without TLS: portals that put themselves
// in the server's place can do no better. A certificate that is over is the server's, by a wrong clock perhaps.
func isSomebodyElse(err error) bool {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	return errors.Is(err, errProxyLogin) || errors.As(err, &name) || errors.As(err, &authority) || errors.As(err, &record)
}

// isTimeout: a name that can't be resolved is no answer either.
func isTimeout(err error) bool {
	var resolve *net.DNSError
	var timeout net.Error
	return errors.As(err, &resolve) || errors.Is(err, context.Canceled) || errors.As(err, &timeout) && timeout.Timeout()
}
