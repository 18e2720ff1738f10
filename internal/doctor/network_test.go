package doctor_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/doctor"
)

func TestNames(t *testing.T) {
	for what, row := range map[string]struct {
		names names
		want  doctor.Outcome
		fault doctor.Fault
		words string
		took  time.Duration
	}{
		"unknown":        {names{addrs: nil, err: &net.DNSError{Err: "no such host", IsNotFound: true}}, doctor.Failed, doctor.FaultNetwork, "doesn't know it", 0},
		"no answer":      {names{delay: time.Hour}, doctor.Failed, doctor.FaultNetwork, "didn't answer within 5000 ms", 5 * time.Second},
		"server failing": {names{err: &net.DNSError{Err: "server misbehaving"}}, doctor.Failed, doctor.FaultNetwork, "server misbehaving", 0},
		"no addresses":   {names{}, doctor.Failed, doctor.FaultNetwork, "has no addresses", 0},
		"a filter":       {names{addrs: []string{"0.0.0.0"}}, doctor.Failed, doctor.FaultNetwork, "nobody's", 0},
		"slow":           {names{addrs: []string{v4}, delay: 2 * time.Second}, doctor.Warning, "", "only after 2000 ms", 2 * time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				o := c.options(t, "http://"+name)
				o.Resolver = row.names
				begun := time.Now()
				r := doctor.Run(t.Context(), o)
				d := wants(t, r, doctor.DNS, row.want, row.fault, row.words, name)
				if took := time.Duration(d.TookMS) * time.Millisecond; took != row.took {
					t.Errorf("took %v, wanted %v", took, row.took)
				}
				if row.want != doctor.Failed {
					wants(t, r, doctor.Server, doctor.OK, "")
					return
				}
				if took := time.Since(begun); took != row.took {
					t.Errorf("all took %v", took)
				}
				skips(t, r, "since dns failed", append([]doctor.Name{doctor.TCP, doctor.TLS}, overNet...)...)
				skips(t, r, "no profile", doctor.Session, doctor.Disk)
			})
		})
	}
}

// TestFamilies breaks one of the two families: the other carries the connection, and the report says which one fails.
func TestFamilies(t *testing.T) {
	noRoute := func(c *clinic, o *doctor.Options) {
		dial := o.DialContext
		o.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "[") {
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ENETUNREACH}
			}
			return dial(ctx, network, addr)
		}
	}
	for what, row := range map[string]struct {
		breaks func(*clinic, *doctor.Options)
		want   doctor.Outcome
		words  string
		took   time.Duration
	}{
		"IPv6 hangs": {func(c *clinic, _ *doctor.Options) { c.links[v6].Cut() }, doctor.Warning, "IPv6 doesn't get through", 5 * time.Second},
		"IPv4 hangs": {func(c *clinic, _ *doctor.Options) { c.links[v4].Cut() }, doctor.Warning, "IPv4 doesn't get through", 5 * time.Second},
		"IPv6 is refused": {func(c *clinic, _ *doctor.Options) {
			c.links[v6].Update(func(s *faultnet.Conditions) { s.Refused = true })
		}, doctor.Warning, "[2001:db8::1]:80: refused", rtt},
		"no IPv6 here": {noRoute, doctor.OK, "IPv6 [2001:db8::1]:80: no route from here", rtt},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				o := c.options(t, "http://"+name)
				row.breaks(c, &o)
				r := doctor.Run(t.Context(), o)
				d := wants(t, r, doctor.TCP, row.want, "", row.words)
				if took := time.Duration(d.TookMS) * time.Millisecond; took != row.took {
					t.Errorf("took %v, wanted %v", took, row.took)
				}
				for _, n := range overNet {
					wants(t, r, n, doctor.OK, "")
				}
			})
		})
	}
}

func TestNobodyThere(t *testing.T) {
	for what, row := range map[string]struct {
		cond  func(*faultnet.Conditions)
		words []string
		took  time.Duration
	}{
		"refused":     {func(c *faultnet.Conditions) { c.Refused = true }, []string{"refused", "is the server running"}, 0},
		"unreachable": {func(c *faultnet.Conditions) { c.Unreachable = true }, []string{"unreachable"}, 0},
		"cut off":     {func(c *faultnet.Conditions) { c.Up.Down = true }, []string{"no answer within 5000 ms", "firewall"}, 5 * time.Second},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				for _, l := range c.links {
					l.Update(row.cond)
				}
				r := doctor.Run(t.Context(), c.options(t, "http://"+name))
				d := wants(t, r, doctor.TCP, doctor.Failed, doctor.FaultNetwork, row.words...)
				if took := time.Duration(d.TookMS) * time.Millisecond; took != row.took {
					t.Errorf("took %v, wanted %v", took, row.took)
				}
				skips(t, r, "since tcp failed", append([]doctor.Name{doctor.TLS}, overNet...)...)
			})
		})
	}
}

// TestTimeIsBounded has every check take all that it may: the whole ends on time, and says what it had no time for.
func TestTimeIsBounded(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		o := c.options(t, "http://"+name)
		o.Resolver = names{addrs: []string{v4}, delay: 4 * time.Second}
		o.Total = 7 * time.Second
		c.links[v4].Cut()
		begun := time.Now()
		r := doctor.Run(t.Context(), o)
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("took %v", took)
		}
		wants(t, r, doctor.TCP, doctor.Failed, doctor.FaultNetwork, "no answer within 3000 ms")
	})
}

// TestStopped ends the examination's context while a dial hangs.
func TestStopped(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		c.links[v4].Cut()
		c.links[v6].Cut()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		r := doctor.Run(ctx, c.options(t, "http://"+name))
		if took := time.Since(begun); took != time.Second {
			t.Errorf("took %v", took)
		}
		wants(t, r, doctor.DNS, doctor.OK, "")
		skips(t, r, "stopped", append([]doctor.Name{doctor.TCP, doctor.TLS}, overNet...)...)
		if _, failed := r.Decisive(); failed {
			t.Errorf("what was stopped counts as failed: %+v", r)
		}
	})
}

// TestNoTimeLeft skips what the whole has no time for.
func TestNoTimeLeft(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		o := c.options(t, "http://"+name)
		o.Total = rtt + time.Millisecond // connected, and nothing else
		r := doctor.Run(t.Context(), o)
		wants(t, r, doctor.TCP, doctor.OK, "")
		wants(t, r, doctor.Portal, doctor.Failed, doctor.FaultNetwork, "no answer to a ping within 1 ms")
		skips(t, r, "since portal failed", doctor.Server, doctor.WebSocket, doctor.Clock)
		if c := check(t, r, doctor.Portal); c.Captive {
			t.Error("a ping without an answer is a portal")
		}
	})
}

// TestProxy has HTTP go through a proxy, whose password nobody hears of, where there is no way but through it.
func TestProxy(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		dial := c.net.Dialer("proxy")
		var passwords []string
		through := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				passwords = append(passwords, r.In.Header.Get("Proxy-Authorization"))
			},
			Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dial(ctx, network, v4+":80")
			}},
		}
		defer c.plainServer(t, "proxy:3128", through.ServeHTTP)()
		o := c.options(t, "http://"+name)
		o.Resolver = names{err: &net.DNSError{Err: "no such host", IsNotFound: true}}
		o.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://ada:hunter2@proxy:3128") }
		r := doctor.Run(t.Context(), o)
		wants(t, r, doctor.DNS, doctor.Failed, doctor.FaultNetwork)
		wants(t, r, doctor.Proxy, doctor.OK, "", "http://proxy:3128", "live connection doesn't")
		for _, n := range []doctor.Name{doctor.Portal, doctor.Server, doctor.Clock} {
			wants(t, r, n, doctor.OK, "")
		}
		skips(t, r, "since dns failed", doctor.WebSocket)
		noSecret(t, r, "hunter2", "ada:")
		if len(passwords) != 2 || passwords[0] == "" {
			t.Errorf("the proxy got %d requests, the first with %q", len(passwords), passwords)
		}

		o.Proxy = func(*http.Request) (*url.URL, error) {
			return nil, errors.New("invalid proxy address http://ada:hunter2@")
		}
		r = doctor.Run(t.Context(), o)
		wants(t, r, doctor.Proxy, doctor.Failed, doctor.FaultConfig, "HTTPS_PROXY")
		noSecret(t, r, "hunter2", "ada:")
	})
}

// TestAddressesAreAddresses looks nothing up where there is no name.
func TestAddressesAreAddresses(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		for _, host := range []string{v4, "[" + v6 + "]"} {
			o := c.options(t, "http://"+host)
			o.Resolver = names{err: errors.New("asked")}
			r := doctor.Run(t.Context(), o)
			d := wants(t, r, doctor.DNS, doctor.OK, "", "nothing to look up")
			if _, err := netip.ParseAddr(d.Addresses[0]); err != nil {
				t.Error(err)
			}
			wants(t, r, doctor.WebSocket, doctor.OK, "")
		}
	})
}
