package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/agent"
)

// alone is an agent on real sockets, whose client has no server.
func alone(t *testing.T, addr string) (*agent.Agent, net.Listener) {
	t.Helper()
	client, err := chatsdk.Open(t.Context(), chatsdk.Options{Server: "http://127.0.0.1:1", Store: chatsdk.InMemory()})
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Options{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := agent.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), <-done, client.Close()); err != nil {
			t.Error(err)
		}
	})
	return a, ln
}

// TestAnnouncedAgentIsFound on both kinds of address.
func TestAnnouncedAgentIsFound(t *testing.T) {
	addrs := []string{"127.0.0.1:0"}
	if runtime.GOOS != "windows" {
		addrs = append(addrs, "unix:"+filepath.Join(t.TempDir(), "s"))
	}
	for _, addr := range addrs {
		dir := t.TempDir()
		if _, err := agent.Find(dir); !errors.Is(err, agent.ErrNone) {
			t.Errorf("in an empty folder: %v", err)
		}
		a, ln := alone(t, addr)
		withdraw, err := a.Announce(dir, ln)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, "agent.json")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("agent.json: %v, %v", info.Mode(), err)
		}
		i, err := agent.Find(dir)
		if err != nil || i.PID != os.Getpid() || i.Token != a.Token() || i.Address != agent.Address(ln) {
			t.Fatalf("found %+v, %v", i, err)
		}
		if s, err := i.Snapshot(t.Context()); err != nil || s.Session.State != "none" || s.Run == "" {
			t.Errorf("snapshot %+v, %v", s, err)
		}
		var p *agent.Problem
		if _, err := i.Cancel(t.Context(), "0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182"); !errors.As(err, &p) || p.Code != "not_found" {
			t.Errorf("cancel of nothing: %v", err)
		}
		wrong := i
		wrong.Token = "wrong"
		if _, err := wrong.Snapshot(t.Context()); !errors.As(err, &p) || p.Code != "unauthorized" {
			t.Errorf("with a wrong token: %v", err)
		}
		if err := errors.Join(withdraw(), withdraw()); err != nil {
			t.Error(err)
		}
		if _, err := agent.Find(dir); !errors.Is(err, agent.ErrNone) {
			t.Errorf("after it was withdrawn: %v", err)
		}
	}
}

// TestUnixSocketIsAskedByAnyName: no page reaches it.
func TestUnixSocketIsAskedByAnyName(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("asked by path elsewhere")
	}
	path := filepath.Join(t.TempDir(), "s")
	a, _ := alone(t, "unix:"+path)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://agent/v1/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.Token())
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Error(res.Status)
	}
}

func TestFindTrustsNoOtherMachine(t *testing.T) {
	for _, address := range []string{"http://192.0.2.1:80", "https://127.0.0.1:80", "http://evil.example", "", "file:///etc"} {
		dir := t.TempDir()
		b, err := json.Marshal(agent.Info{Schema: 1, Address: address, Token: "t"})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "agent.json"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := agent.Find(dir); !errors.Is(err, agent.ErrNotLocal) {
			t.Errorf("%q: %v", address, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "agent.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Find(dir); err == nil || errors.Is(err, agent.ErrNone) {
		t.Errorf("damaged: %v", err)
	}
}

func TestNobodyAnswersIsNone(t *testing.T) {
	ln, err := agent.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := agent.Info{Schema: 1, Address: agent.Address(ln), Token: "t"}
	_ = ln.Close()
	if _, err := i.Snapshot(t.Context()); !errors.Is(err, agent.ErrNone) {
		t.Error(err)
	}
}
