package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// slowLookup is when a lookup is told as slow: each start of a client waits for it.
	slowLookup = time.Second
	// maxAddresses bounds what is tried of a name's addresses.
	maxAddresses = 8
)

// dns looks the server's name up.
func (r *run) dns(ctx context.Context) Check {
	if addr, err := netip.ParseAddr(r.host); err == nil {
		r.addrs = []netip.Addr{addr}
		return ok(Figures{Addresses: []string{addr.String()}}, "%s is an address: nothing to look up", r.host)
	}
	begun := time.Now()
	addrs, err := r.Resolver.LookupNetIP(ctx, "ip", r.host)
	took := time.Since(begun)
	if err != nil {
		return lookupFailed(r.host, err, took)
	}
	var texts []string
	for _, a := range addrs {
		a = a.Unmap()
		if a.IsUnspecified() {
			return fail(FaultNetwork, Figures{Addresses: []string{a.String()}}, "a filter on the name server or on this machine blocks the name",
				"%s is given the address %s, which is nobody's", r.host, a)
		}
		if len(r.addrs) < maxAddresses {
			r.addrs = append(r.addrs, a)
			texts = append(texts, a.String())
		}
	}
	f := Figures{Addresses: texts}
	switch {
	case len(texts) == 0:
		return fail(FaultNetwork, f, "check the name in --server", "%s has no addresses", r.host)
	case took > slowLookup:
		return warn(f, "the name server is slow or loses questions: try another one", "%s is %s, found only after %s", r.host,
			strings.Join(texts, ", "), inMS(took))
	}
	return ok(f, "%s is %s (%s)", r.host, strings.Join(texts, ", "), inMS(took))
}

// lookupFailed tells a name that doesn't exist from a name server that doesn't answer.
func lookupFailed(host string, err error, took time.Duration) Check {
	var d *net.DNSError
	switch known := errors.As(err, &d); {
	case known && d.IsNotFound:
		return fail(FaultNetwork, Figures{}, "check the name in --server; is a VPN needed for it?",
			"%s has no address: the name server doesn't know it (%s)", host, inMS(took))
	case known && d.IsTimeout, timedOut(err):
		return fail(FaultNetwork, Figures{}, "check that there is a network, and which name server this machine asks",
			"%s: the name server didn't answer within %s", host, inMS(took))
	}
	return fail(FaultNetwork, Figures{}, "check that there is a network, and which name server this machine asks",
		"%s can't be looked up: %s", host, plainly(err))
}
