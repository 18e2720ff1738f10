package quality_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/quality"
)

// certificate is good for a host in virtual time, which begins in 2000.
func certificate(host string) (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, nil
}

// What a port does to new connections.
const (
	serves int32 = iota
	drops
	refuses
	hangs // takes them and says nothing
	loses // the first SYN
)

// secured is a monitor that pings a server by https, beside the plain server of its rig.
type secured struct {
	*rig
	p443, p80  atomic.Int32
	dialed80   atomic.Int64
	lost       atomic.Bool
	page       atomic.Pointer[http.HandlerFunc] // at port 443, instead of the server's own
	serverSide http.Server
}

// secure runs a check with such a monitor in a bubble; it isn't started.
func secure(rtt time.Duration, o quality.Options, check func(*secured) error) func(*testing.T) error {
	return run(rtt, quality.Options{Prober: never{}}, func(r *rig) error {
		cert, pool, err := certificate("server")
		if err != nil {
			return err
		}
		ln, err := r.net.Listen("server:443")
		if err != nil {
			return err
		}
		r.bare = true // nothing else is sent without TLS
		s := &secured{rig: r}
		s.serverSide.ErrorLog = log.New(io.Discard, "", 0)
		s.serverSide.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if f := s.page.Load(); f != nil {
				(*f)(w, req)
				return
			}
			w.Header().Set("Chatsdk-Challenge", req.URL.Query().Get("c"))
			w.WriteHeader(http.StatusNoContent)
		})
		done := make(chan error, 1)
		go func() {
			done <- s.serverSide.Serve(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}))
		}()
		o.PingURL, o.TLSConfig, o.DialContext = "https://server/ping?v=1", &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, s.dial
		if m, made := quality.New(o); made == nil {
			first := r.m
			r.m = m
			err = errors.Join(check(s), m.Close())
			r.m = first
		} else {
			err = made
		}
		_ = s.serverSide.Close()
		<-done
		return err
	})
}

func (s *secured) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	does := s.p443.Load()
	if strings.HasSuffix(addr, ":80") {
		s.dialed80.Add(1)
		does = s.p80.Load()
	}
	switch does {
	case drops:
		<-ctx.Done()
		return nil, ctx.Err()
	case refuses:
		time.Sleep(60 * ms)
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	case hangs:
		time.Sleep(60 * ms)
		conn, _ := net.Pipe() // and nobody reads
		return conn, nil
	case loses:
		if !s.lost.Swap(true) {
			time.Sleep(second)
		}
	}
	return s.net.Dialer("phone")(ctx, network, addr)
}

// checkPlain asks once by a new connection, near the server and far from it.
func checkPlain(t *testing.T) error {
	const portal, timeout, refused = quality.CausePortal, quality.CauseTimeout, quality.CauseRefused
	for name, row := range map[string]struct {
		p443, p80 int32
		page      http.HandlerFunc // at port 80
		want      quality.Cause
		took      time.Duration // at most, and
		trips     time.Duration
	}{
		"dropped, login page":             {drops, serves, says(200), portal, 250 * ms, 2},
		"dropped, redirect to a login":    {drops, serves, says(302, "Location", "http://portal/login"), portal, 250 * ms, 2},
		"dropped, redirect by TLS":        {drops, serves, says(302, "Location", "https://portal/login"), portal, 250 * ms, 2},
		"dropped, redirect to itself":     {drops, serves, says(302, "Location", "http://server/login"), portal, 250 * ms, 2},
		"dropped, 511":                    {drops, serves, says(511), portal, 250 * ms, 2},
		"dropped, empty page":             {drops, serves, says(204), portal, 250 * ms, 2},
		"dropped, redirect to the server": {drops, serves, says(301, "Location", "https://server/ping"), timeout, 3 * second, 0},
		"dropped, the server":             {drops, serves, nil, timeout, 3 * second, 0},
		"dropped, no such page":           {drops, serves, says(404), timeout, 3 * second, 0},
		"dropped, trouble":                {drops, serves, says(503), timeout, 3 * second, 0},
		"dropped both":                    {drops, drops, nil, timeout, 3 * second, 0},
		"dropped and refused":             {drops, refuses, nil, timeout, 3 * second, 0},
		"refused, login page":             {refuses, serves, says(200), portal, 60 * ms, 2},
		"refused, redirect to the server": {refuses, serves, says(301, "Location", "https://server/"), refused, 60 * ms, 2},
		"refused both":                    {refuses, refuses, nil, refused, 120 * ms, 0},
		"refused and dropped":             {refuses, drops, nil, refused, 560 * ms, 0},
		"hangs, login page":               {hangs, serves, says(200), portal, 3060 * ms, 0},
		"hangs, the server":               {hangs, serves, nil, timeout, 3060 * ms, 0},
		"answers":                         {serves, serves, says(200), 0, 0, 3},
		"answers, redirect elsewhere":     {serves, serves, says(302, "Location", "https://www.server/"), 0, 0, 3},
		"answers, a SYN was lost":         {loses, serves, says(200), 0, second, 3},
	} {
		for _, rtt := range []time.Duration{20 * ms, 100 * ms, 300 * ms, 900 * ms} {
			want, limit := row.want, row.took+row.trips*rtt
			if row.p443 == refuses && 2*rtt > 500*ms { // isn't waited for
				want, limit = refused, 560*ms
			}
			if err := secure(rtt, quality.Options{}, func(s *secured) error {
				s.p443.Store(row.p443)
				s.p80.Store(row.p80)
				s.answers(row.page)
				began := time.Now()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				timer := time.AfterFunc(3*second, cancel)
				shakes := 0
				o := s.m.Probe(ctx, quality.Probe{Fresh: true}, func(time.Duration) {
					shakes++
					timer.Reset(3 * second) // as the monitor does
				})
				took := time.Since(began)
				if o.Cause != want || took > limit || want == timeout && took < limit {
					return fmt.Errorf("%s, %v: cause %d after %v, want %d after %v", name, rtt, o.Cause, took, want, limit)
				}
				if (row.p443 == drops || row.p443 == refuses) && shakes > 0 {
					return fmt.Errorf("%s: the handshake of port 80 counts", name)
				}
				return nil
			})(t); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestPortalThatAnswersPlainHTTPAlone(t *testing.T) { goes(t, checkPlain) }

// TestFarServerWithAPageAtPort80IsOnline runs the monitor, and nothing but the server's word counts.
func TestFarServerWithAPageAtPort80IsOnline(t *testing.T) {
	for _, rtt := range []time.Duration{20 * ms, 100 * ms, 300 * ms, 900 * ms} {
		goes(t, secure(rtt, quality.Options{}, func(s *secured) error {
			s.answers(says(200))
			if err := s.m.Start(); err != nil {
				return err
			}
			if _, err := s.until(quality.ReachOnline, 4*rtt); err != nil {
				return err
			}
			return s.never(quality.ReachCaptive, time.Minute)
		}))
	}
}

// TestPlainHTTPIsAskedOnlyWithoutAnAnswer: nobody is asked without TLS where an answer comes soon, or by the connection that is
// kept.
func TestPlainHTTPIsAskedOnlyWithoutAnAnswer(t *testing.T) {
	goes(t, secure(60*ms, quality.Options{}, func(s *secured) error {
		if err := s.m.Start(); err != nil {
			return err
		}
		time.Sleep(time.Minute)
		s.page.Store(new(says(500)))
		time.Sleep(time.Minute)
		if n := s.dialed80.Load(); n > 0 {
			return fmt.Errorf("%d times", n)
		}
		return nil
	}))
}

// TestPortalThatDropsTLSIsNeverOffline: a portal takes the network over; whatever goes to the server's port is lost.
func TestPortalThatDropsTLSIsNeverOffline(t *testing.T) {
	for _, p := range []quality.Profile{quality.Foreground, quality.Background} {
		for _, does := range []int32{drops, refuses} {
			goes(t, secure(60*ms, quality.Options{Effort: p.Effort()}, func(s *secured) error {
				if err := s.m.Start(); err != nil {
					return err
				}
				for i := range 10 {
					time.Sleep(20*second + time.Duration(i)*137*ms)
					if err := s.is(quality.Good, quality.ReachOnline); err != nil {
						return err
					}
					s.p443.Store(does)
					s.answers(says(302, "Location", "http://portal/login"))
					s.Strand(true, true)
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
					began, seen := time.Now(), time.Duration(0)
					for c := range s.m.Watch(ctx) {
						switch {
						case c.Reach == quality.ReachOffline:
							cancel()
							return fmt.Errorf("%s, %d: offline after %v (%s)", p, does, time.Since(began), c.Reason)
						case c.Reach == quality.ReachCaptive && seen == 0:
							seen = time.Since(began)
						}
					}
					cancel()
					if limit := p.Effort().ProbeInterval + 1500*ms; seen == 0 || seen > limit {
						return fmt.Errorf("%s, %d: captive after %v, want %v", p, does, seen, limit)
					}
					s.p443.Store(serves)
					if _, err := s.until(quality.ReachOnline, back(p)); err != nil {
						return err
					}
				}
				return nil
			}))
		}
	}
}

// TestPageUnderTheServersCertificateIsItsOwn: nobody between can say it, so that it is no portal's.
func TestPageUnderTheServersCertificateIsItsOwn(t *testing.T) {
	for name, page := range map[string]http.HandlerFunc{
		"page": says(200), "no such page": says(404), "redirect": says(302, "Location", "https://elsewhere/"), "511": says(511),
		"another challenge": says(204, "Chatsdk-Challenge", "x"), "500": says(500),
	} {
		goes(t, secure(60*ms, quality.Options{}, func(s *secured) error {
			if err := s.m.Start(); err != nil {
				return err
			}
			time.Sleep(5 * second)
			s.page.Store(&page)
			if _, err := s.until(quality.ReachServerDown, 2*second); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := s.never(quality.ReachCaptive, time.Minute); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if st := s.m.State(); st.Reason != quality.ReasonServerError {
				return fmt.Errorf("%s: %q", name, st.Reason)
			}
			s.page.Store(nil)
			_, err := s.until(quality.ReachOnline, back(quality.Foreground))
			return err
		}))
	}
}

// byProxy asks once through a proxy that is near. Its handshake isn't told, and nothing goes to the server but through it.
func byProxy(t *testing.T, proxy func(*secured) http.Handler, want quality.Cause) {
	via := func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy:3128") }
	goes(t, secure(60*ms, quality.Options{Proxy: via}, func(s *secured) error {
		ln, err := s.net.Listen("proxy:3128")
		if err != nil {
			return err
		}
		s.net.Link("phone", "proxy").Set(faultnet.Symmetric(20 * ms))
		s.net.Link("proxy", "server").Set(faultnet.Symmetric(40 * ms))
		srv := &http.Server{Handler: proxy(s)}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ln) }()
		conns, shakes := s.Stats().Conns, 0
		o := s.m.Probe(context.Background(), quality.Probe{Fresh: true}, func(time.Duration) { shakes++ })
		if err := s.m.Close(); err != nil {
			return err
		}
		time.Sleep(second) // until the proxy knows
		_ = srv.Close()
		<-done
		if n := s.Stats().Conns - conns; o.Cause != want || shakes > 0 || n > 0 {
			return fmt.Errorf("cause %d, want %d; %d handshakes were told, %d connections went by", o.Cause, want, shakes, n)
		}
		return nil
	}))
}

// TestProxyThatWantsALogin stands between, as a portal does, whether TLS goes through it or not.
func TestProxyThatWantsALogin(t *testing.T) {
	byProxy(t, func(*secured) http.Handler { return says(http.StatusProxyAuthRequired) }, quality.CausePortal)
}

// TestProxyBesideADialer: a caller's dialer reaches the proxy, and the proxy the server.
func TestProxyBesideADialer(t *testing.T) {
	byProxy(t, func(s *secured) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			there, err := s.net.Dialer("proxy")(req.Context(), "tcp", req.Host)
			if err != nil || req.Method != http.MethodConnect {
				http.Error(w, "no way", http.StatusBadGateway)
				return
			}
			w.WriteHeader(http.StatusOK)
			here, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(there, buffered)
				_ = there.Close()
			}()
			_, _ = io.Copy(here, there)
			_ = here.Close()
		})
	}, 0)
}

// TestProxyOfTheEnvironment is used by whoever chose no route.
func TestProxyOfTheEnvironment(t *testing.T) {
	dial := new(net.Dialer).DialContext
	ours := func(*http.Request) (*url.URL, error) { return nil, http.ErrNotSupported }
	for name, row := range map[string]struct {
		o         quality.Options
		any, ours bool
	}{
		"neither": {quality.Options{}, true, false},
		"dialer":  {quality.Options{DialContext: dial}, false, false},
		"proxy":   {quality.Options{Proxy: ours}, true, true},
		"both":    {quality.Options{DialContext: dial, Proxy: ours}, true, true},
	} {
		row.o.PingURL = "https://server/ping"
		m, err := quality.New(row.o)
		if err != nil {
			t.Fatal(err)
		}
		proxy := m.Proxy()
		if (proxy != nil) != row.any {
			t.Errorf("%s: a proxy is asked for: %v", name, proxy != nil)
			continue
		}
		if !row.any {
			continue
		}
		_, err = proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "localhost"}}) // which no environment has a proxy for
		if errors.Is(err, http.ErrNotSupported) != row.ours {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFarServerIsReached: TCP, TLS and an answer take longer together than a probe may wait for any of them.
func TestFarServerIsReached(t *testing.T) {
	goes(t, secure(1400*ms, quality.Options{}, func(s *secured) error {
		if err := s.m.Start(); err != nil {
			return err
		}
		if _, err := s.until(quality.ReachOnline, 5*second); err != nil {
			return err
		}
		if err := s.never(quality.ReachOffline, time.Minute); err != nil {
			return err
		}
		return s.is(quality.Poor, quality.ReachOnline)
	}))
}
