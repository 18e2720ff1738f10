package demo_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/internal/demo"
)

// patience bounds each wait of a test: far beyond what is waited for, so that a miss is seen as one.
const patience = 30 * time.Second

// rig is a demo on sockets, and a page that asks it.
type rig struct {
	t    *testing.T
	demo *demo.Demo
	base string
	done chan error // of Serve
}

// newRig serves a demo, which ends with the test.
func newRig(t *testing.T, o demo.Options) *rig {
	t.Helper()
	ln, err := agent.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d, err := demo.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, demo: d, base: agent.Address(ln), done: make(chan error, 1)}
	go func() { r.done <- d.Serve(ln) }()
	t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.demo.Close(); err != nil {
		r.t.Error(err)
	}
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
	r.done <- nil
}

// begin makes a request with the token; change may change it.
func (r *rig) begin(ctx context.Context, method, path, body string, change ...func(*http.Request)) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.demo.Token())
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res
}

// ask reads the answer whole.
func (r *rig) ask(method, path, body string, change ...func(*http.Request)) (*http.Response, string) {
	r.t.Helper()
	res := r.begin(r.t.Context(), method, path, body, change...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, string(b)
}

// state is what the demo tells, as a page reads it.
type state struct {
	Schema int
	Run    string
	Seq    int
	Talk   bool
	Server struct {
		Running bool
		Stored  uint64
	}
	Clients []struct {
		Name, Path string
		Shown      uint64
		Link       struct {
			LatencyMs, RateKbps int
			LossPct             float64
			Cut, Portal         bool
		}
		BusyUntil *time.Time
	}
	Scenarios []struct{ ID, Name, Why, Of string }
	Play      *struct {
		ID, Name, State string
		Began           time.Time
		TookMs          int
		Lines, Problems []string
		Clients         []struct {
			Name, State, Level string
			RTTMs              *float64
			Sent, Shown        int
		}
		Counts struct{ Sent, Stored, Shown, Violations int }
	}
}

// call asks, wants a status, and reads the state.
func (r *rig) call(method, path, body string, want int) (s state) {
	r.t.Helper()
	res, text := r.ask(method, "/demo/v1/"+path, body)
	if res.StatusCode != want {
		r.t.Fatalf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		r.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return s
}

func (r *rig) state() state { r.t.Helper(); return r.call(http.MethodGet, "state", "", http.StatusOK) }

func (r *rig) post(path, body string) state {
	r.t.Helper()
	return r.call(http.MethodPost, path, body, http.StatusOK)
}

// until polls the demo, as a page does.
func (r *rig) until(what string, ok func(state) bool) state {
	r.t.Helper()
	late := time.After(patience)
	for tick := time.Tick(20 * time.Millisecond); ; {
		s := r.state()
		if ok(s) {
			return s
		}
		select {
		case <-tick:
		case <-late:
			r.t.Fatalf("%s: not after %v; the state is %+v", what, patience, s)
		}
	}
}

// agentState is what a client's agent tells.
func (r *rig) agentState(name string) (s agent.Snapshot) {
	r.t.Helper()
	res, text := r.ask(http.MethodGet, "/"+name+"/v1/state", "")
	if err := json.Unmarshal([]byte(text), &s); err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("state of %s: %s %s: %v", name, res.Status, text, err)
	}
	return s
}

// await follows a client's agent by its stream until something is so.
func (r *rig) await(name, what string, ok func(agent.Snapshot) bool) agent.Snapshot {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	events := r.begin(ctx, http.MethodGet, "/"+name+"/v1/events", "")
	defer events.Body.Close()
	for lines := bufio.NewScanner(events.Body); lines.Scan(); {
		if lines.Text() != "" { // an event isn't over
			continue
		}
		if s := r.agentState(name); ok(s) {
			return s
		}
	}
	s := r.agentState(name)
	r.t.Fatalf("%s: %s: not after %v; session %+v, quality %+v, connection %+v, outbox %+v", name, what, patience, s.Session, s.Quality, s.Connection, s.Outbox)
	return s
}

// connected says that a client is back.
func connected(s agent.Snapshot) bool {
	return s.Connection.State == "connected" && s.Connection.Synced && s.Quality.Reach == "online"
}

func lost(s agent.Snapshot) bool { return s.Connection.State == "reconnecting" }

// say posts a message by a client's agent.
func (r *rig) say(name, text string) {
	r.t.Helper()
	if res, answer := r.ask(http.MethodPost, "/"+name+"/v1/messages", fmt.Sprintf(`{"channel":"general","text":%q}`, text)); res.StatusCode != http.StatusAccepted {
		r.t.Fatalf("%s says %q: %s %s", name, text, res.Status, answer)
	}
}

// heard are the texts that a client was told, in order.
func (r *rig) heard(name string) (texts []string) {
	r.t.Helper()
	var page struct{ Messages []agent.Message }
	res, text := r.ask(http.MethodGet, "/"+name+"/v1/messages?channel=general&limit=500", "")
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("messages of %s: %s %s", name, res.Status, text)
	}
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		r.t.Fatal(err)
	}
	for _, m := range page.Messages {
		texts = append(texts, m.Text)
	}
	return texts
}

// told waits until both clients were told everything, and gives what that is.
func (r *rig) told(n int) []string {
	r.t.Helper()
	r.until(fmt.Sprintf("%d messages are told", n), func(s state) bool {
		return s.Server.Stored == uint64(n) && s.Clients[0].Shown == uint64(n) && s.Clients[1].Shown == uint64(n)
	})
	ada, bob := r.heard("ada"), r.heard("bob")
	if fmt.Sprint(ada) != fmt.Sprint(bob) || len(ada) != n {
		r.t.Errorf("ada was told %q, bob %q", ada, bob)
	}
	return ada
}
