package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// jsDir is where the script and its package-lock.json are, from the module's root.
const jsDir = "js"

// node is one Node.js process that runs all centrifuge-js clients.
type node struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	gate chan struct{} // 1-slot lock over writing to in, which keeps lines whole
	done chan struct{} // closed when its output has ended

	mu      sync.Mutex // guards below
	clients map[string]*progress
}

// command is a line to the script, event a line from it.
type command struct {
	Op      string `json:"op"`
	ID      string `json:"id"`
	URL     string `json:"url,omitempty"`
	Token   string `json:"token,omitempty"`
	Channel string `json:"channel,omitempty"`
}

type event struct {
	ID        string `json:"id"`
	Event     string `json:"event"`
	Recovered bool   `json:"recovered"`
	Detail    string `json:"detail"`
}

// installJS installs the locked packages if the named one is missing.
func installJS(ctx context.Context, name string) error {
	if _, err := os.Stat(filepath.Join(jsDir, "node_modules", name)); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = jsDir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w: %s", jsDir, err, bytes.TrimSpace(out))
	}
	return nil
}

// startNode installs the locked packages if they are missing and starts the script.
func startNode(ctx context.Context) (*node, error) {
	if err := installJS(ctx, "centrifuge"); err != nil {
		return nil, err
	}
	n := &node{
		cmd:  exec.CommandContext(ctx, "node", "client.mjs"),
		gate: make(chan struct{}, 1), done: make(chan struct{}), clients: map[string]*progress{},
	}
	n.cmd.Dir, n.cmd.Stderr = jsDir, os.Stderr
	in, err := n.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	n.in = in
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	go n.listen(out) // close waits for it
	return n, nil
}

// close ends the process.
func (n *node) close() error {
	n.gate <- struct{}{}
	err := n.in.Close()
	<-n.gate
	<-n.done
	return errors.Join(err, n.cmd.Wait())
}

func (n *node) listen(out io.Reader) {
	defer close(n.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err == nil {
			n.take(e)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.clients {
		p.noteTrouble("the node process ended")
	}
}

func (n *node) take(e event) {
	n.mu.Lock()
	p := n.clients[e.ID]
	n.mu.Unlock()
	if p == nil {
		return
	}
	switch e.Event {
	case "connected":
		p.noteUp()
	case "lost":
		p.noteLost()
	case "synced":
		p.noteSynced()
	case "error":
		p.noteTrouble(e.Detail)
	}
}

func (n *node) send(c command) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	n.gate <- struct{}{}
	defer func() { <-n.gate }()
	_, err = n.in.Write(append(b, '\n'))
	return err
}

// js is one centrifuge-js client.
type js struct {
	id   string
	node *node
	way  *faultnet.Link
	seen *progress
}

func (j *js) link() *faultnet.Link { return j.way }
func (j *js) progress() *progress  { return j.seen }

func (j *js) close() error {
	j.node.mu.Lock()
	delete(j.node.clients, j.id)
	j.node.mu.Unlock()
	return j.node.send(command{Op: "close", ID: j.id})
}

// openJS makes a user and connects a centrifuge-js client of it through a proxy.
func openJS(ctx context.Context, n *node, w *world, name string, rtt time.Duration) (*js, error) {
	link, addr, err := w.way(name, rtt)
	if err != nil {
		return nil, err
	}
	if err := w.srv.AddUser(ctx, name, password); err != nil {
		return nil, err
	}
	token, err := login(ctx, w.addr, name)
	if err != nil {
		return nil, err
	}
	j := &js{id: name, node: n, way: link, seen: newProgress()}
	n.mu.Lock()
	n.clients[name] = j.seen
	n.mu.Unlock()
	c := command{Op: "open", ID: name, URL: "ws://" + addr + "/connection/websocket", Token: token, Channel: channel}
	if err := n.send(c); err != nil {
		return nil, err
	}
	if err := j.seen.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: connect: %w", name, err), j.close())
	}
	return j, nil
}

// login gets an access token, which lives longer than the measurement.
func login(ctx context.Context, addr, name string) (string, error) {
	body, err := json.Marshal(map[string]string{"user": name, "password": password, "device": "device-" + name})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/auth/login", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var out struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&out); err != nil || out.Token == "" {
		return "", fmt.Errorf("login of %s: status %d, no token", name, res.StatusCode)
	}
	return out.Token, nil
}
