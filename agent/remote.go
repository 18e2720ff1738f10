package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/internal/dialing"
)

// ErrNone says that no agent runs for a folder.
var ErrNone = errors.New("agent: none is running")

// infoFile is where an agent says in its client's folder how it is reached.
const infoFile = "agent.json"

const (
	// infoBytes bounds the file, and answerBytes an answer, so that a wrong one isn't read into memory whole.
	infoBytes   = 64 << 10
	answerBytes = 8 << 20
	// answerTimeout is long for an agent on the same machine.
	answerTimeout = 5 * time.Second
)

// Info says how an agent is reached. Who has it may do everything that its user may.
type Info struct {
	Schema  int    `json:"schema"`
	Address string `json:"address"` // as Address gives it
	Token   string `json:"token"`
	PID     int    `json:"pid"`
}

// Announce writes into a folder how the agent is reached on a listener, for Find, readable by this user only. Call withdraw
// in the end.
func (a *Agent) Announce(dir string, ln net.Listener) (withdraw func() error, err error) {
	path := filepath.Join(dir, infoFile)
	b, err := json.Marshal(Info{schema, Address(ln), a.opts.Token, os.Getpid()})
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, infoFile+".*") // 0600
	if err != nil {
		return nil, err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return func() error {
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(bytes.TrimSpace(now), b) {
			return nil // another one's by now, or gone
		}
		return os.Remove(path)
	}, nil
}

// Find reads how the agent of a folder is reached. ErrNone says that there is none; that there is one doesn't say that it
// still lives.
func Find(dir string) (Info, error) {
	f, err := os.Open(filepath.Join(dir, infoFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, ErrNone
	}
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	var i Info
	if err := json.NewDecoder(io.LimitReader(f, infoBytes)).Decode(&i); err != nil {
		return Info{}, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	switch u, err := url.Parse(i.Address); {
	case i.Schema != schema:
		return Info{}, fmt.Errorf("read %s: schema %d isn't known here", f.Name(), i.Schema)
	case strings.HasPrefix(i.Address, unixPrefix):
	case err != nil || u.Scheme != "http" || !dialing.IsLoopback(u.Hostname()): // nobody else gets the token
		return Info{}, fmt.Errorf("read %s: %w", f.Name(), ErrNotLocal)
	}
	return i, nil
}

// Snapshot asks the agent for its state. Where nobody answers it is ErrNone, and a *Problem where it refuses.
func (i Info) Snapshot(ctx context.Context) (s Snapshot, err error) {
	return s, i.call(ctx, http.MethodGet, "/v1/state", &s)
}

// Cancel takes a message back, or gives a parked one up, and returns its state. Errors are as for Snapshot.
func (i Info) Cancel(ctx context.Context, id string) (state string, err error) {
	return i.act(ctx, id, "cancel")
}

// Retry sends a parked message after all, and returns its state. Errors are as for Snapshot.
func (i Info) Retry(ctx context.Context, id string) (state string, err error) {
	return i.act(ctx, id, "retry")
}

func (i Info) act(ctx context.Context, id, verb string) (string, error) {
	var out struct {
		State string `json:"state"`
	}
	err := i.call(ctx, http.MethodPost, "/v1/outbox/"+url.PathEscape(id)+"/"+verb, &out)
	return out.State, err
}

// call makes one request on a connection of its own.
func (i Info) call(ctx context.Context, method, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	base, network, addr := i.Address, "", ""
	if socket, ok := strings.CutPrefix(i.Address, unixPrefix); ok {
		base, network, addr = "http://localhost", "unix", socket
	}
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+i.Token)
	req.Header.Set("Content-Type", typeJSON)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, n, a string) (net.Conn, error) {
		if network != "" {
			n, a = network, addr
		}
		conn, err := new(net.Dialer).DialContext(ctx, n, a)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrNone, err)
		}
		return conn, err
	}}
	// Redirects aren't followed: the token is for the agent alone.
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var p Problem
		if json.Unmarshal(b, &p) != nil || p.Code == "" {
			p = Problem{Status: res.StatusCode, Code: "unexpected", Detail: "answered " + res.Status}
		}
		return &p
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	return nil
}
