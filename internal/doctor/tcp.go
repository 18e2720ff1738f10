package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tcp connects to each address, all at once, so that a family that fails isn't hidden by the other.
func (r *run) tcp(ctx context.Context) Check {
	dials := make([]Dial, len(r.addrs))
	var all sync.WaitGroup
	for i, a := range r.addrs {
		all.Go(func() { dials[i] = r.dial(ctx, a) })
	}
	all.Wait()
	for _, d := range dials {
		if d.OK {
			r.addr = d.Address
			break
		}
	}
	return judgeDials(dials)
}

func (r *run) dial(ctx context.Context, a netip.Addr) Dial {
	d := Dial{Address: net.JoinHostPort(a.String(), r.port), Family: "IPv4"}
	if a.Is6() {
		d.Family = "IPv6"
	}
	begun := time.Now()
	conn, err := r.DialContext(ctx, "tcp", d.Address)
	took := time.Since(begun)
	d.MS, d.OK, d.err = ms(took), err == nil, err
	if err != nil {
		d.Error = plainly(err)
		if timedOut(err) {
			d.Error = "no answer within " + inMS(took)
		}
		return d
	}
	_ = conn.Close() // nothing was said
	return d
}

// judgeDials says what the dials come to. It is pure.
func judgeDials(dials []Dial) Check {
	var texts []string
	good, absent, works := 0, 0, map[string]bool{}
	for _, d := range dials {
		text := fmt.Sprintf("%s %s: %s", d.Family, d.Address, d.Error)
		if d.OK {
			good++
			works[d.Family] = true
			text = fmt.Sprintf("%s %s (%s)", d.Family, d.Address, inMS(time.Duration(d.MS*float64(time.Millisecond))))
		} else if noRoute(d.err) {
			absent++
		}
		texts = append(texts, text)
	}
	f, seen := Figures{Dials: dials}, strings.Join(texts, "; ")
	switch {
	case good == len(dials):
		return ok(f, "%s", seen)
	case good == 0:
		return fail(FaultNetwork, f, unreachedAdvice(dials), "%s", seen)
	case good+absent == len(dials): // it fails at once and costs nobody time, as with IPv6 on most home networks
		return ok(f, "%s", seen)
	}
	for _, d := range dials {
		if !works[d.Family] {
			return warn(f, d.Family+" doesn't get through: connecting takes longer each time; have the network, the firewall or the server's "+
				"DNS entry for "+d.Family+" mended", "%s", seen)
		}
	}
	return warn(f, "one of the server's addresses doesn't answer: whoever runs it should look at that machine", "%s", seen)
}

// unreachedAdvice is for when no address answers.
func unreachedAdvice(dials []Dial) string {
	refused, none := 0, 0
	for _, d := range dials {
		switch {
		case errors.Is(d.err, syscall.ECONNREFUSED):
			refused++
		case noRoute(d.err):
			none++
		}
	}
	switch {
	case refused > 0:
		return "the machine is there and nothing listens on this port: is the server running, and the port in --server right?"
	case none == len(dials):
		return "this machine has no way there: is it connected to a network, or is a VPN needed?"
	}
	return "is there a network at all? If other addresses work, a firewall stands between, or the server is down"
}

// noRoute says whether this machine itself knows no way.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}
