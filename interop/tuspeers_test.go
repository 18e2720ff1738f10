package interop_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/upload"
)

// sending is an upload on its way to a peer.
type sending struct {
	peer    *peer
	data    []byte
	store   upload.Store
	queue   *upload.Queue
	proxy   *faultnet.Proxy
	changes <-chan upload.Change
	ctx     context.Context
	cancel  context.CancelFunc
	id      string
}

// slow sets the link's rate in bytes a second.
func (s *sending) slow(rate int64) {
	s.proxy.Link().Update(func(c *faultnet.Conditions) { c.Up.Rate = rate })
}

// under waits until one part of the file is acknowledged and the next one is arriving, which takes a second at least.
func (s *sending) under(t *testing.T) {
	t.Helper()
	select {
	case <-s.peer.arriving:
	case <-s.ctx.Done():
		t.Fatalf("no second part arrived; replies %v", s.peer.seen)
	}
}

func film() []byte {
	data := make([]byte, 6<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}

// TestUploadToPeers brings files to tus servers that aren't ours, and does to them what happens on the way.
func TestUploadToPeers(t *testing.T) {
	for name, newPeer := range peers(t) {
		for _, c := range []struct {
			name string
			run  func(t *testing.T, p *peer)
		}{
			{"create", create},
			{"empty", empty},
			{"reset", reset},
			{"client restart", clientRestart},
			{"server restart", serverRestart},
			{"cancel", cancelled},
			{"wrong offset", wrongOffset},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) { c.run(t, newPeer(t)) })
		}
	}
}

func create(t *testing.T, p *peer) { begin(t, p, film()).done(t) }

func empty(t *testing.T, p *peer) { begin(t, p, nil).done(t) }

func reset(t *testing.T, p *peer) {
	s := begin(t, p, film())
	s.under(t)
	s.proxy.Link().Reset()
	c := s.until(t, "resumed", func(c upload.Change) bool { return c.Reason == upload.ReasonResumed })
	if c.Upload.Progress.Acked <= 0 {
		t.Errorf("it went on from %d", c.Upload.Progress.Acked)
	}
	s.done(t)
}

func clientRestart(t *testing.T, p *peer) {
	s := begin(t, p, film())
	s.under(t)
	if err := s.queue.Close(); err != nil {
		t.Fatal(err)
	}
	s.queue = queueTo(t, s.proxy, s.store)
	if u := s.done(t); u.Progress.ResumedFrom <= 0 || u.Restarts != 0 {
		t.Errorf("resumed from %d, %d restarts", u.Progress.ResumedFrom, u.Restarts)
	}
}

func serverRestart(t *testing.T, p *peer) {
	s := begin(t, p, film())
	s.under(t)
	p.restart(t)
	s.proxy.Link().Reset() // tusd runs in this process: its requests end with their connections
	c := s.until(t, "resumed", func(c upload.Change) bool { return c.Reason == upload.ReasonResumed })
	if u := s.done(t); c.Upload.Progress.Acked <= 0 || u.Restarts != 0 {
		t.Errorf("it went on from %d, %d restarts", c.Upload.Progress.Acked, u.Restarts)
	}
}

func cancelled(t *testing.T, p *peer) {
	s := begin(t, p, film())
	s.under(t)
	if err := s.queue.Cancel(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	s.until(t, "dropped", func(c upload.Change) bool { return c.Reason == upload.ReasonDropped })
	if left, err := filepath.Glob(filepath.Join(p.dir, "*")); err != nil || len(left) != 0 || !p.saw("DELETE 204") {
		t.Errorf("the server still has %v, %v; replies %v", left, err, p.seen)
	}
}

// wrongOffset loses a part of what the server had, between two requests.
func wrongOffset(t *testing.T, p *peer) {
	p.meddle = func(_ *http.Request, n int) {
		name, err := p.file()
		if err == nil && n == 2 {
			err = os.Truncate(name, 1000)
		}
		if err != nil {
			t.Error(err)
		}
	}
	s := begin(t, p, film())
	s.until(t, "rewound", func(c upload.Change) bool { return c.Reason == upload.ReasonRewound })
	if s.done(t); !p.saw("PATCH 409") {
		t.Errorf("no 409 among %v", p.seen)
	}
}

// TestExpiredAtPeer: what @tus/server has forgotten (410) begins anew, and that is told. tusd has no expiration.
func TestExpiredAtPeer(t *testing.T) {
	p := peers(t)["@tus/server"](t)
	s := begin(t, p, film())
	s.under(t)
	if err := s.queue.Pause(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	old, err := p.file()
	if err != nil {
		t.Fatal(err)
	}
	backdate(t, old+".json")
	if err := s.queue.Resume(t.Context(), s.id); err != nil {
		t.Fatal(err)
	}
	s.until(t, "lost", func(c upload.Change) bool { return c.Reason == upload.ReasonLost })
	u, err := s.queue.Wait(s.ctx, s.id)
	if err != nil || u.Restarts != 1 || !p.saw("HEAD 410") {
		t.Fatalf("%s: %v, %d restarts; replies %v", u.State, err, u.Restarts, p.seen)
	}
	_, _ = os.Remove(old), os.Remove(old+".json") // it is kept until somebody asks for clean-up
	s.done(t)
}

// backdate makes an upload older than the server keeps them.
func backdate(t *testing.T, description string) {
	t.Helper()
	data, err := os.ReadFile(description)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	fields["creation_date"] = time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339)
	if data, err = json.Marshal(fields); err == nil {
		err = os.WriteFile(description, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
