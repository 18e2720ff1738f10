package quality_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/tcpinfo"
	"github.com/chatsdk/chatsdk/quality"
)

// TestFailedDials says whose fault each is.
func TestFailedDials(t *testing.T) {
	noName := &net.DNSError{Err: "no such host", Name: "server", IsNotFound: true}
	otherName := x509.HostnameError{Host: "server", Certificate: new(x509.Certificate)}
	for name, row := range map[string]struct {
		err    error
		reach  quality.Reach
		reason quality.Reason
		limit  time.Duration
	}{
		"no route":          {syscall.ENETUNREACH, quality.ReachOffline, quality.ReasonUnreachable, ms},
		"network is down":   {syscall.ENETDOWN, quality.ReachOffline, quality.ReasonUnreachable, ms},
		"no way to it":      {syscall.EHOSTUNREACH, quality.ReachOffline, quality.ReasonSilence, 3501 * ms},
		"no address":        {syscall.EADDRNOTAVAIL, quality.ReachOffline, quality.ReasonSilence, 3501 * ms},
		"no name":           {noName, quality.ReachOffline, quality.ReasonSilence, 3501 * ms},
		"too late":          {context.DeadlineExceeded, quality.ReachOffline, quality.ReasonSilence, 3501 * ms},
		"refused":           {syscall.ECONNREFUSED, quality.ReachServerDown, quality.ReasonRefused, 2 * second},
		"reset":             {syscall.ECONNRESET, quality.ReachServerDown, quality.ReasonRefused, 2 * second},
		"anything":          {errors.New("odd"), quality.ReachServerDown, quality.ReasonRefused, 2 * second},
		"another name":      {otherName, quality.ReachCaptive, quality.ReasonPortal, ms},
		"another authority": {x509.UnknownAuthorityError{}, quality.ReachCaptive, quality.ReasonPortal, ms},
		"no TLS":            {tls.RecordHeaderError{}, quality.ReachCaptive, quality.ReasonPortal, ms},
		"over":              {x509.CertificateInvalidError{Reason: x509.Expired}, quality.ReachServerDown, quality.ReasonRefused, 2 * second},
	} {
		dial := func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: row.err}
		}
		if err := run(60*ms, quality.Options{}, func(r *rig) error {
			if _, err := r.until(row.reach, row.limit); err != nil {
				return err
			}
			if s := r.m.State(); s.Reason != row.reason {
				return fmt.Errorf("reason %q, want %q", s.Reason, row.reason)
			}
			return nil
		}, func(r *rig) { r.remake(quality.Options{PingURL: "http://server/ping", DialContext: dial}) })(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// remake replaces a monitor that wasn't started.
func (r *rig) remake(o quality.Options) {
	m, err := quality.New(o)
	if err == nil {
		err = r.m.Close()
	}
	if err != nil {
		panic(err)
	}
	r.m = m
}

// TestCertificateOfSomebodyElse: a portal in a server's place has no certificate that we believe.
func TestCertificateOfSomebodyElse(t *testing.T) {
	srv := httptest.NewUnstartedServer(says(http.StatusOK))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of each handshake
	srv.StartTLS()
	defer srv.Close()
	m, err := quality.New(quality.Options{PingURL: srv.URL})
	if err == nil {
		err = m.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for c := range m.Watch(ctx) {
		if c.Reach == quality.ReachCaptive {
			return
		}
	}
	t.Errorf("%+v", m.State())
}

// TestCountersOfItsOwnConnections reads them as package tcpinfo does, with loss on the way up.
func TestCountersOfItsOwnConnections(t *testing.T) {
	var mu sync.Mutex // guards conns
	conns := map[uint64]*tcpinfo.Reader{}
	sockets := func(tell func(uint64, quality.Counters)) {
		mu.Lock()
		defer mu.Unlock()
		for id, conn := range conns {
			s, err := conn.Read()
			if err != nil {
				delete(conns, id)
				continue
			}
			tell(id, quality.Counters{
				Sent: uint64(s.Sent), Retransmitted: uint64(s.Retransmitted), Spurious: uint64(s.Duplicates),
				Delivered: uint64(max(s.Sent-s.Retransmitted-s.Unacked, 0)), SRTT: s.SRTT,
			})
		}
	}
	goes(t, run(60*ms, quality.Options{Sockets: sockets}, func(r *rig) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		r.m.Watch(ctx)
		for _, loss := range []float64{0, 0.12} {
			cond := r.Conditions()
			cond.Up.Loss = loss
			r.Set(cond)
			time.Sleep(4 * time.Minute)
			s := r.m.State()
			if s.Loss.Segments < 100 || s.Loss.Inferred || s.Loss.Low > loss || s.Loss.High < loss {
				return fmt.Errorf("loss %v: %+v", loss, s.Loss)
			}
		}
		if n := r.m.Stats().Refused; n > 0 {
			return fmt.Errorf("%d samples refused", n)
		}
		return nil
	}, func(r *rig) {
		dial := r.net.Dialer("phone")
		r.remake(quality.Options{
			PingURL: "http://server/ping?v=1", Sockets: sockets,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				if reader, err := tcpinfo.Open(conn); err == nil {
					mu.Lock()
					conns[r.m.NextID()] = reader
					mu.Unlock()
				}
				return conn, nil
			},
		})
	}))
}
