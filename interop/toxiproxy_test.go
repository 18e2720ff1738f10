package interop_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"github.com/chatsdk/chatsdk/faultnet"
)

// echo answers each line with itself until the test ends.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { // ends with its connection, which the proxy closes
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// controlled is Toxiproxy's own client on our control API.
func controlled(t *testing.T) *toxiproxy.Client {
	t.Helper()
	control := faultnet.NewControl(faultnet.ControlOptions{Seed: 1})
	srv := httptest.NewServer(control)
	t.Cleanup(func() {
		srv.Close()
		if err := control.Close(); err != nil {
			t.Error(err)
		}
	})
	return toxiproxy.NewClient(srv.URL)
}

// roundTrip sends a line through the proxy and says how long the echo took.
func roundTrip(addr string, limit time.Duration) (time.Duration, error) {
	c, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return 0, err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line != "hello\n" {
		return 0, errors.New("the echo is " + line)
	}
	return time.Since(began), nil
}

// long is more than any round trip on this machine takes, and far less than what the tests' faults last.
const long = 10 * time.Second

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestToxiproxysClientDrivesProxies(t *testing.T) {
	client := controlled(t)
	p, err := client.CreateProxy("echo", "127.0.0.1:0", echo(t))
	must(t, err)
	if p.Listen == "127.0.0.1:0" || !p.Enabled {
		t.Fatalf("the new proxy listens on %s, enabled %v", p.Listen, p.Enabled)
	}
	_, err = roundTrip(p.Listen, long)
	must(t, err)
	must(t, p.Disable())
	if _, err := roundTrip(p.Listen, long); err == nil {
		t.Error("a disabled proxy answers")
	}
	must(t, p.Enable())
	_, err = roundTrip(p.Listen, long)
	must(t, err)
	all, err := client.Proxies()
	must(t, err)
	if len(all) != 1 || all["echo"].Upstream != p.Upstream {
		t.Errorf("the proxies are %v", all)
	}
	again, err := client.Proxy("echo")
	must(t, err)
	must(t, again.Delete())
	if _, err := client.Proxy("echo"); err == nil || !strings.Contains(err.Error(), "404: proxy not found") {
		t.Errorf("a deleted proxy is answered with %v", err)
	}
}

func TestToxiproxysClientDrivesToxics(t *testing.T) {
	client := controlled(t)
	p, err := client.CreateProxy("echo", "127.0.0.1:0", echo(t))
	must(t, err)
	const slow = 200 * time.Millisecond
	_, err = p.AddToxic("slow", "latency", "downstream", 1, toxiproxy.Attributes{"latency": slow.Milliseconds()})
	must(t, err)
	took, err := roundTrip(p.Listen, long)
	must(t, err)
	if took < slow {
		t.Errorf("with a latency of %v the echo took %v", slow, took)
	}
	changed, err := p.UpdateToxic("slow", 1, toxiproxy.Attributes{"latency": 2 * slow.Milliseconds()})
	must(t, err)
	if got := changed.Attributes["latency"]; got != float64(2*slow.Milliseconds()) {
		t.Errorf("the changed latency reads %v", got)
	}
	if took, err = roundTrip(p.Listen, long); err != nil || took < 2*slow {
		t.Errorf("with a latency of %v the echo took %v, %v", 2*slow, took, err)
	}
	toxics, err := p.Toxics()
	must(t, err)
	if len(toxics) != 1 || toxics[0].Name != "slow" || toxics[0].Type != "latency" || toxics[0].Stream != "downstream" {
		t.Errorf("the toxics are %+v", toxics)
	}
	must(t, p.RemoveToxic("slow"))
	_, err = p.AddToxic("", "reset_peer", "upstream", 1, toxiproxy.Attributes{"timeout": 0})
	must(t, err)
	if _, err := roundTrip(p.Listen, long); err == nil {
		t.Error("reset_peer lets an echo through")
	}
	must(t, client.ResetState())
	if toxics, err = p.Toxics(); err != nil || len(toxics) != 0 {
		t.Errorf("after a reset the toxics are %+v, %v", toxics, err)
	}
	_, err = roundTrip(p.Listen, long)
	must(t, err)
}

func TestToxiproxysClientPopulates(t *testing.T) {
	client := controlled(t)
	upstream := echo(t)
	made, err := client.Populate([]toxiproxy.Proxy{
		{Name: "a", Listen: "127.0.0.1:0", Upstream: upstream, Enabled: true},
		{Name: "b", Listen: "127.0.0.1:0", Upstream: upstream, Enabled: true},
	})
	must(t, err)
	if len(made) != 2 {
		t.Fatalf("populated %d proxies", len(made))
	}
	for _, p := range made {
		if _, err := roundTrip(p.Listen, long); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	_, err = client.CreateProxy("a", "127.0.0.1:0", upstream)
	if err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second proxy of the name is answered with %v", err)
	}
}

// TestToxiproxysClientKnowsOurConditions: what Toxiproxy doesn't have is a further kind of toxic to its client.
func TestToxiproxysClientKnowsOurConditions(t *testing.T) {
	client := controlled(t)
	p, err := client.CreateProxy("echo", "127.0.0.1:0", echo(t))
	must(t, err)
	_, err = p.AddToxic("cut", "down", "upstream", 1, nil)
	must(t, err)
	var late net.Error
	if _, err := roundTrip(p.Listen, 300*time.Millisecond); !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("through a link that is down: %v, want a timeout", err)
	}
	must(t, p.RemoveToxic("cut"))
	_, err = roundTrip(p.Listen, long)
	must(t, err)
}
