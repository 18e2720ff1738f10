package demo_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/internal/demo"
	"github.com/chatsdk/chatsdk/scenario"
)

func TestStateTellsTheDemo(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	s := r.state()
	if s.Schema != 1 || s.Run == "" || s.Seq == 0 || s.Talk || !s.Server.Running || s.Server.Stored != 0 || s.Play != nil || len(s.Clients) != 2 {
		t.Fatalf("state %+v", s)
	}
	for i, name := range []string{"ada", "bob"} {
		c := s.Clients[i]
		if c.Name != name || c.Path != "/"+name || c.Shown != 0 || c.Link.LatencyMs != 60 || c.Link.Cut || c.Link.Portal || c.BusyUntil != nil {
			t.Errorf("client %+v", c)
		}
	}
	for i, sc := range s.Scenarios {
		if _, known := scenario.Find(sc.ID); !known || sc.Name == "" || sc.Why == "" {
			t.Errorf("scenario %+v", sc)
		}
		if i < 8 && (sc.ID != fmt.Sprint(i+1) || sc.Of != "") || i >= 8 && (sc.Of == "" || !strings.HasPrefix(sc.ID, sc.Of+"-")) {
			t.Errorf("scenario %d is %+v", i, sc)
		}
	}
	if len(s.Scenarios) != len(scenario.All()) {
		t.Errorf("%d scenarios", len(s.Scenarios))
	}
	if res, page := r.ask(http.MethodGet, "/", ""); res.StatusCode != http.StatusOK || !strings.Contains(page, "<html") {
		t.Errorf("the page: %s", res.Status)
	}
	if want := r.base + "/#token=" + r.demo.Token() + "&panes=/ada,/bob&demo=/demo"; r.demo.Address(r.base) != want {
		t.Errorf("address %s", r.demo.Address(r.base))
	}
}

// tags says what is wrong with the state's tags: the same state has the same, another one another.
func (r *rig) tags() error {
	r.t.Helper()
	res, _ := r.ask(http.MethodGet, "/demo/v1/state", "")
	tag := res.Header.Get("ETag")
	known := func(q *http.Request) { q.Header.Set("If-None-Match", tag) }
	if s := r.state(); tag != fmt.Sprintf(`"%s-%d"`, s.Run, s.Seq) {
		return fmt.Errorf("tag %s of run %s, %d", tag, s.Run, s.Seq)
	}
	if res, body := r.ask(http.MethodGet, "/demo/v1/state", "", known); res.StatusCode != http.StatusNotModified || body != "" {
		return fmt.Errorf("the same state again: %s", res.Status)
	}
	r.post("clients/bob/link", `{"latencyMs":61}`)
	if res, _ := r.ask(http.MethodGet, "/demo/v1/state", "", known); res.StatusCode != http.StatusOK {
		return fmt.Errorf("another state under the old tag: %s", res.Status)
	}
	return nil
}

func TestStateHasATag(t *testing.T) {
	r := newRig(t, demo.Options{})
	if err := r.tags(); err != nil {
		t.Error(err)
	}
	r.post("clients/bob/heal", `{}`)
	r.state()
	defer demo.Plant(demo.BugTagStays)()
	if err := r.tags(); err == nil {
		t.Error("a tag that stays isn't found")
	}
}

func TestTalkIsHeardByBoth(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	if s := r.post("talk", `{"on":true}`); !s.Talk {
		t.Errorf("after its begin: %+v", s)
	}
	r.post("talk", `{"on":true}`) // no second one
	r.until("they talk", func(s state) bool { return s.Clients[0].Shown >= 4 && s.Clients[1].Shown >= 4 })
	if s := r.post("talk", `{"on":false}`); s.Talk {
		t.Errorf("after its end: %+v", s)
	}
	r.quiet()
	stored := int(r.state().Server.Stored)
	r.inOrder(r.told(stored))
}

// inOrder wants all that each said, once and in order.
func (r *rig) inOrder(texts []string) {
	r.t.Helper()
	for _, name := range []string{"ada", "bob"} {
		own := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !strings.HasSuffix(s, " of "+name) })
		for i, text := range own {
			if text != fmt.Sprintf("message %d of %s", i+1, name) {
				r.t.Errorf("message %d of %s is %q", i+1, name, text)
			}
		}
		if len(own) < 2 {
			r.t.Errorf("%s said %q", name, own)
		}
	}
}

// quiet waits until neither client has anything to send.
func (r *rig) quiet() {
	r.t.Helper()
	for _, name := range []string{"ada", "bob"} {
		r.await(name, "sent everything", func(s agent.Snapshot) bool { return s.Outbox.Queued+s.Outbox.Sending == 0 })
	}
}

// TestCloseEndsEverything: streams, a talk and a scenario are under way.
func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{Scenarios: plays()})
	stream := r.begin(t.Context(), http.MethodGet, "/ada/v1/events", "")
	defer stream.Body.Close()
	r.post("talk", `{"on":true}`)
	r.call(http.MethodPost, "play", `{"scenario":"long"}`, http.StatusAccepted)
	r.until("it plays", func(s state) bool { return s.Play.Counts.Shown > 0 })
	began := time.Now()
	r.close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for lines := bufio.NewScanner(stream.Body); lines.Scan(); { // to its end
		continue
	}
	if _, err := os.Stat(r.demo.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
	if err := r.demo.Close(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// TestCloseWaitsForNobody: somebody has announced a body and sends none.
func TestCloseWaitsForNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	for _, path := range []string{"/demo/v1/talk", "/ada/v1/messages"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
			"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", path, r.demo.Token())
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // it is being read
			t.Fatalf("%q, %v", line, err)
		}
	}
	began := time.Now()
	r.close()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}
