package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestStoreOfTheWebPackage runs @chatsdk/core's AgentStore, as it is built, on an agent of a real client of a real server.
func TestStoreOfTheWebPackage(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node: the web package's store wasn't tried on the agent (apt install nodejs)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ada, a, address := onSockets(ctx, t)
	cmd := exec.CommandContext(ctx, node, "testdata/store.mjs", address, a.Token())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for lines := bufio.NewScanner(out); lines.Scan(); asked++ {
		switch lines.Text() {
		case "cut":
			ada.Link.Cut()
		case "heal":
			ada.Link.Heal()
		case "burst":
			for n := range 10_000 {
				a.Tell(fmt.Sprint(n))
			}
			for n := range 500 {
				a.TellMessage(1000 + n)
			}
		case "close":
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := io.WriteString(in, lines.Text()+"\n"); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil || asked != 4 {
		t.Errorf("node: %v after %d of 4 steps\n%s", err, asked, stderr.String())
	}
}

// onSockets is an agent of a client of a server, all on loopback.
func onSockets(ctx context.Context, t *testing.T) (*scenario.Client, *agent.Agent, string) {
	t.Helper()
	w, err := scenario.NewRealWorld(ctx, t.TempDir(), scenario.WorldOptions{Seed: 1, Files: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	ada, err := w.AddClient(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(agent.Options{Client: ada.Chat, Channels: []string{scenario.Channel}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := agent.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- a.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	return ada, a, agent.Address(ln)
}
