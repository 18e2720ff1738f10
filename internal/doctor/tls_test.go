package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/doctor"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// bubbleTime is when virtual time begins.
var bubbleTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: bubbleTime.AddDate(-20, 0, 0), NotAfter: bubbleTime.AddDate(20, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// serves makes the settings of a server with a certificate for a name, good for a while that begins after a time.
func (a authority) serves(t *testing.T, host string, after, life time.Duration) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: []string{host},
		NotBefore: bubbleTime.Add(after), NotAfter: bubbleTime.Add(after + life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

const week = 7 * 24 * time.Hour

// certified is a server's certificate and what has to be told of it.
type certified struct {
	tls  *tls.Config
	skew time.Duration // of the server's clock
	want judged
}

type judged struct {
	outcome              doctor.Outcome
	fault                doctor.Fault
	words                string
	trusted, named, time bool
}

func certificates(t *testing.T, ca authority) map[string]certified {
	stranger := newAuthority(t, "some hotel")
	const config, other = doctor.FaultConfig, doctor.FaultOther
	return map[string]certified{
		"good": {
			ca.serves(t, name, -week, 52*week), 0,
			judged{doctor.OK, "", "certificate of CN=our authority good until 2000-12-23", true, true, true},
		},
		"ends soon": {
			ca.serves(t, name, -51*week, 52*week+time.Hour), 0,
			judged{doctor.Warning, "", "ends in 7 days", true, true, true},
		},
		"short-lived and fresh": { // as those of six days are
			ca.serves(t, name, -24*time.Hour, 6*24*time.Hour), 0,
			judged{doctor.OK, "", "good until 2000-01-06", true, true, true},
		},
		"unknown authority": {
			stranger.serves(t, name, -week, 52*week), 0,
			judged{doctor.Failed, config, "isn't trusted here: CN=some hotel", false, true, true},
		},
		"another's name": {
			ca.serves(t, "other.example", -week, 52*week), 0,
			judged{doctor.Failed, config, "isn't for " + name + " but for other.example", true, false, true},
		},
		"expired": {
			ca.serves(t, name, -3*week, 2*week), 0,
			judged{doctor.Failed, other, "ended on 1999-12-25; the clocks of this machine and of the server agree", true, true, false},
		},
		"not valid yet": {
			ca.serves(t, name, week, week), 0,
			judged{doctor.Failed, other, "begins on 2000-01-08 only; the clocks", true, true, false},
		},
		"this clock is behind": {
			ca.serves(t, name, 50*week, 52*week), 60 * week,
			judged{doctor.Failed, config, "set this machine's date", true, true, false},
		},
		"this clock is ahead": {
			ca.serves(t, name, -52*week, 50*week), -10 * week,
			judged{doctor.Failed, config, "set this machine's date", true, true, false},
		},
		"both are wrong": {
			ca.serves(t, name, -52*week, 50*week), time.Hour,
			judged{doctor.Failed, other, "wrong by the server's clock too", true, true, false},
		},
		"expired and unknown": {
			stranger.serves(t, name, -3*week, 2*week), 0,
			judged{doctor.Failed, config, "isn't trusted here", false, true, false},
		},
	}
}

func TestCertificates(t *testing.T) {
	ca := newAuthority(t, "our authority")
	for what, row := range certificates(t, ca) {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{tls: row.tls, port: "443"}, func(t *testing.T, c *clinic) {
				if row.skew != 0 {
					if err := c.faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPDate, Skew: row.skew}); err != nil {
						t.Fatal(err)
					}
				}
				o := c.options(t, "https://"+name)
				o.RootCAs = ca.pool()
				r := doctor.Run(t.Context(), o)
				got := wants(t, r, doctor.TLS, row.want.outcome, row.want.fault, row.want.words)
				if k := got.Certificate; k == nil || k.Trusted != row.want.trusted || k.Named != row.want.named || k.InTime != row.want.time || k.Protocol != "TLS 1.3" {
					t.Errorf("certificate: %+v", k)
				}
				if row.want.outcome == doctor.Failed {
					skips(t, r, "since tls failed", overNet...)
					return
				}
				for _, n := range overNet {
					wants(t, r, n, doctor.OK, "")
				}
			})
		})
	}
}

// TestHandshakes meets what isn't a TLS server, or is kept from being one.
func TestHandshakes(t *testing.T) {
	tooOld := newAuthority(t, "ours").serves(t, name, -week, 52*week)
	tooOld.MinVersion, tooOld.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for what, row := range map[string]struct {
		serve func(net.Conn)
		fault doctor.Fault
		words string
		took  time.Duration
	}{
		"plain HTTP": {func(conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			swallow(conn)
		}, doctor.FaultConfig, "doesn't speak TLS", 200 * time.Millisecond},
		"reset": {func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.(*faultnet.Conn).SetLinger(0)
			_ = conn.Close()
		}, doctor.FaultNetwork, "reset by the other side", 200 * time.Millisecond},
		"closed":  {func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }, doctor.FaultNetwork, "", 200 * time.Millisecond},
		"silent":  {swallow, doctor.FaultNetwork, "no answer to the handshake within 4900 ms", 5 * time.Second},
		"too old": {func(conn net.Conn) { _ = tls.Server(conn, tooOld).Handshake() }, doctor.FaultConfig, "broke the handshake off", 200 * time.Millisecond},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				defer c.accept(t, v4+":443", row.serve)()
				o := c.options(t, "https://"+name)
				o.Resolver = names{addrs: []string{v4}}
				r := doctor.Run(t.Context(), o)
				got := wants(t, r, doctor.TLS, doctor.Failed, row.fault, row.words)
				if took := time.Duration(got.TookMS) * time.Millisecond; took != row.took {
					t.Errorf("took %v, wanted %v", took, row.took)
				}
				skips(t, r, "since tls failed", overNet...)
			})
		})
	}
}

// TestPortalBehindTLS has a login page of the network show a certificate of its own for an https address. Over plain HTTP
// it shows itself, and then decides. A server that sends plain HTTP on to https is no portal.
func TestPortalBehindTLS(t *testing.T) {
	ca, hotel := newAuthority(t, "ours"), newAuthority(t, "some hotel")
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	for what, row := range map[string]struct {
		plain   http.HandlerFunc // at port 80
		captive bool
	}{
		"redirect to the login": {redirect("http://login.hotel.example/"), true},
		"redirect to https":     {redirect("https://" + name + "/"), false},
		"nothing":               {nil, false},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{tls: hotel.serves(t, name, -week, 52*week), port: "443"}, func(t *testing.T, c *clinic) {
				if row.plain != nil {
					defer c.plainServer(t, v4+":80", row.plain)()
				}
				o := c.options(t, "https://"+name)
				o.RootCAs = ca.pool()
				r := doctor.Run(t.Context(), o)
				wants(t, r, doctor.TLS, doctor.Failed, doctor.FaultConfig)
				first, _ := r.Decisive()
				if row.captive {
					wants(t, r, doctor.Portal, doctor.Failed, doctor.FaultNetwork, "login.hotel.example")
					skips(t, r, "since portal failed", doctor.Server, doctor.Clock)
				} else {
					skips(t, r, "since tls failed", overNet...)
				}
				if (first.Name == doctor.Portal) != row.captive {
					t.Errorf("%s decides", first.Name)
				}
			})
		})
	}
}

// TestPageUnderTheServersCertificate: what comes under the certificate of the server's name comes from its side, so that the
// address is wrong, or what stands before the server; a login page of the network can't do that.
func TestPageUnderTheServersCertificate(t *testing.T) {
	ca := newAuthority(t, "ours")
	for what, row := range map[string]struct {
		status   int
		location string
		words    string
	}{
		"page":              {200, "", "answered with 200, not by a chatsdk server"},
		"redirect":          {302, "https://www.elsewhere.example/start", "the server itself sends callers on to www.elsewhere.example"},
		"511":               {511, "", ""},
		"no page of theirs": {404, "", "answered with 404, not by a chatsdk server"},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{tls: ca.serves(t, name, -week, 52*week), port: "443"}, func(t *testing.T, c *clinic) {
				if err := c.faults.Set(faultnet.HTTPFault{
					Kind: faultnet.HTTPStatus, Path: pingPath, Status: row.status, Body: "<h1>Hello</h1>",
					Header: http.Header{"Content-Type": {"text/html"}, "Location": {row.location}},
				}); err != nil {
					t.Fatal(err)
				}
				o := c.options(t, "https://"+name)
				o.RootCAs = ca.pool()
				want, fault := doctor.Failed, doctor.FaultConfig
				if row.status >= 500 {
					want, fault = doctor.OK, ""
				}
				if p := wants(t, doctor.Run(t.Context(), o), doctor.Portal, want, fault, row.words); p.Captive || strings.Contains(p.Seen, "captive") {
					t.Errorf("captive: %s", p.Seen)
				}
			})
		})
	}
}

// TestNothingSecretBehindABadCertificate has a session of an https server: while its certificate is bad, or of another
// authority, the token stays here.
func TestNothingSecretBehindABadCertificate(t *testing.T) {
	withClinic(t, setup{tls: newAuthority(t, "some hotel").serves(t, name, -week, 52*week), port: "443"}, func(t *testing.T, c *clinic) {
		dir := t.TempDir()
		keep(t, dir, "https://"+name, "ada", time.Hour)
		o := c.options(t, "https://"+name)
		o.RootCAs, o.Profile = newAuthority(t, "ours").pool(), dir
		r := doctor.Run(t.Context(), o)
		wants(t, r, doctor.Session, doctor.OK, "", "ada is signed in")
		for _, path := range c.asked() {
			t.Errorf("somebody was asked for %s", path)
		}
		noSecret(t, r, accessToken, refreshToken)
	})
}
