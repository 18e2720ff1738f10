package realtime_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
)

// certificate is good for the host "server" in virtual time, which begins in 2000.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"server"},
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLSResetRecoversInFourRoundTrips(t *testing.T) {
	for _, rtt := range []time.Duration{20 * ms, 100 * ms, 300 * ms} {
		bubble.Run(t, func(t *testing.T) {
			cert, pool := certificate(t)
			n := newSimNet(1, rtt)
			ln, err := n.listen()
			if err != nil {
				t.Fatal(err)
			}
			w := newWorldOn(t, n, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}}))
			defer w.close()
			f := newFollower(t, n, realtime.Options{URL: "wss://server:80/connection/websocket", TLSConfig: &tls.Config{RootCAs: pool}})
			defer f.close()
			if d := f.caughtUp(time.Now(), time.Minute); d < 4*rtt || d > 4*rtt+rtt/10 {
				t.Errorf("RTT %v: first caught up after %v, want 4 RTT", rtt, d)
			}
			time.Sleep(10 * time.Second)
			fault := time.Now()
			n.Reset()
			w.publish("room")
			if d := f.caughtUp(fault, time.Minute); d < 4*rtt || d > 4*rtt+rtt/10 {
				t.Errorf("RTT %v: caught up after %v, want 4 RTT", rtt, d)
			}
			f.expect(1)
		})
	}
}

func TestUntrustedCertificateIsAClearError(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		cert, _ := certificate(t)
		n := newSimNet(1, 100*ms)
		ln, err := n.listen()
		if err != nil {
			t.Fatal(err)
		}
		w := newWorldOn(t, n, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}}))
		defer w.close()
		f := newFollower(t, n, realtime.Options{URL: "wss://server:80/connection/websocket", TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}})
		defer f.close()
		time.Sleep(time.Minute)
		s := f.State()
		var unknown x509.UnknownAuthorityError
		if s.State != realtime.Connecting || !errors.Is(s.Err, realtime.ErrProtocol) || !errors.As(s.Err, &unknown) {
			t.Errorf("state %+v", s)
		}
	})
}
