package faultnet_test

import (
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/faultnet"
)

// FuzzControl sends requests to the control API: never a panic, each answer that isn't a success of the routes is an
// error with its own status in it, and the API goes on to answer.
func FuzzControl(f *testing.F) {
	for _, seed := range [][3]string{
		{"POST", "/proxies", `{"name":"q","upstream":"127.0.0.1:9","enabled":false}`},
		{"POST", "/proxies/p", `{"enabled":false,"listen":"127.0.0.1:0"}`},
		{"POST", "/populate", `[{"name":"q","upstream":"127.0.0.1:9","enabled":false}]`},
		{"POST", "/proxies/p/toxics", `{"type":"latency","attributes":{"latency":1e3}}`},
		{"POST", "/proxies/p/toxics", `{"type":"slicer","stream":"upstream","toxicity":1,"attributes":{"average_size":-1}}`},
		{"PATCH", "/proxies/p/toxics/t", `{"attributes":{"loss":0.5},"toxicity":null}`},
		{"DELETE", "/proxies/p/toxics/t", ``},
		{"GET", "/proxies/%2e%2e/toxics", ``},
		{"POST", "/reset", `[[[[`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if !strings.HasPrefix(path, "/") || !validToken(method) {
			t.Skip("not a request")
		}
		if _, err := url.ParseRequestURI(path); err != nil || strings.ContainsAny(path, " \r\n") {
			t.Skip("not a request")
		}
		if strings.Contains(strings.ToLower(body), "listen") || opens(body) {
			t.Skip("would open ports of this machine")
		}
		c := faultnet.NewControl(faultnet.ControlOptions{MaxBody: 4096, MaxProxies: 4})
		defer c.Close()
		p, err := faultnet.NewProxy(faultnet.ProxyOptions{Name: "p", Upstream: "127.0.0.1:9"})
		must(t, err)
		must(t, c.Add(p))
		r := httptest.NewRequest("POST", "/proxies/p/toxics", strings.NewReader(`{"name":"t","type":"loss"}`))
		c.ServeHTTP(httptest.NewRecorder(), r)

		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		if w.Code >= 400 && w.Header().Get("Content-Type") == "application/json" {
			var answer struct {
				Error  string
				Status int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Status != w.Code || answer.Error == "" {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
		if w.Code >= 500 {
			t.Errorf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest("GET", "/proxies", nil))
		if w.Code != 200 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("afterwards: %d %s", w.Code, w.Body)
		}
	})
}

// opens says whether a body may start a proxy: those with a true or missing "enabled" and an upstream.
func opens(body string) bool {
	body = strings.ToLower(body)
	return strings.Contains(body, "upstream") && !strings.Contains(body, `"enabled":false`) ||
		strings.Contains(body, "true") || strings.Count(body, "enabled") > 1
}

func validToken(method string) bool {
	for _, r := range method {
		if r < 'A' || r > 'Z' {
			return false
		}
	}
	return method != ""
}

// FuzzAddress gives addresses to all that take one: an error or an address that says what it was told, never a panic.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"", ":", "server:80", "server:0", "[::1]:80", "[::1", "a:b:c", "server:+1", "server:65536", "\x00:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		n := faultnet.NewNetwork(1)
		if ln, err := n.Listen(addr); err == nil {
			host, _, err := net.SplitHostPort(addr)
			must(t, err)
			gotHost, gotPort, err := net.SplitHostPort(ln.Addr().String())
			if err != nil || gotHost != host || gotPort == "0" {
				t.Errorf("listens on %q for %q, %v", ln.Addr(), addr, err)
			}
			conn, err := n.Dialer("client")(t.Context(), "tcp", ln.Addr().String())
			must(t, err)
			must(t, conn.Close())
			must(t, ln.Close())
		} else if conn, err := n.Dialer("client")(t.Context(), "tcp", addr); err == nil {
			t.Errorf("dials %q, where nobody can listen: %v", addr, conn)
		}
		for _, opts := range []faultnet.ProxyOptions{{Upstream: addr}, {Listen: addr, Upstream: "127.0.0.1:1"}} {
			if p, err := faultnet.NewProxy(opts); err == nil {
				must(t, p.Close())
			} else if p != nil {
				t.Errorf("%+v: both a proxy and %v", opts, err)
			}
		}
	})
}
