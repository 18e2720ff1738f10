package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/scenario"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	if _, err := agent.New(agent.Options{}); err == nil {
		t.Error("it works without a client")
	}
}

func TestStateTellsTheClient(t *testing.T) {
	within(t, agent.Options{Version: "v9"}, func(t *testing.T, r *rig) {
		r.ada.Link.Set(faultnet.Symmetric(40 * time.Millisecond))
		time.Sleep(20 * time.Second) // virtual: until the network was measured
		s := r.state()
		switch {
		case s.Schema != 1 || s.Run == "" || s.Seq == 0 || s.Version != "v9" || s.Server == "" || s.Time.IsZero():
			t.Errorf("head %+v", s)
		case s.Session.State != "fresh" || s.Session.User != "ada" || s.Session.Device == "":
			t.Errorf("session %+v", s.Session)
		case s.Quality.Reach != "online" || s.Quality.RTTMS == nil || *s.Quality.RTTMS < 40 || *s.Quality.RTTMS > 44 || s.Quality.Confidence <= 0:
			t.Errorf("quality %+v", s.Quality)
		case s.Connection.State != "connected" || !s.Connection.Synced || s.Connection.Circuit != "closed" || !s.Connection.RetryAt.IsZero():
			t.Errorf("connection %+v", s.Connection)
		case s.Outbox.Durable || s.Outbox.Blocked == nil || s.Outbox.Entries == nil || s.Uploads == nil:
			t.Errorf("outbox %+v, uploads %+v", s.Outbox, s.Uploads)
		case !s.Channels[scenario.Channel].Synced:
			t.Errorf("channels %+v", s.Channels)
		}
	})
}

func TestStateHasATag(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		res, body := r.ask(http.MethodGet, "/v1/state", "")
		tag := res.Header.Get("ETag")
		var s agent.Snapshot
		if err := json.Unmarshal([]byte(body), &s); err != nil || tag != fmt.Sprintf(`"%s-%d"`, s.Run, s.Seq) {
			t.Fatalf("tag %s of run %s, %d: %v", tag, s.Run, s.Seq, err)
		}
		with := func(tag string) func(*http.Request) {
			return func(q *http.Request) { q.Header.Set("If-None-Match", tag) }
		}
		if res, body := r.ask(http.MethodGet, "/v1/state", "", with(`"x", W/`+tag)); res.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("the same state again: %s", res.Status)
		}
		r.agent.Tell("new")
		if res, _ := r.ask(http.MethodGet, "/v1/state", "", with(tag)); res.StatusCode != http.StatusOK {
			t.Errorf("another state under the old tag: %s", res.Status)
		}
	})
}

// TestEventsLeadToTheState follows a stream through traffic and an outage: ids rise by one, and what the changes say is what
// the state says then.
func TestEventsLeadToTheState(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		before := r.state()
		s := r.open(fmt.Sprintf("?after=%d&run=%s", before.Seq, before.Run))
		defer s.close()
		for n := range 5 {
			r.call(http.MethodPost, "/v1/messages", fmt.Sprintf(`{"channel":%q,"text":"%d"}`, scenario.Channel, n), http.StatusAccepted, nil)
		}
		known := map[string]json.RawMessage{}
		last, messages, offline := before.Seq, 0, false
		take := func(e sse) {
			if e.kind != "change" && e.kind != "message" {
				return
			}
			if e.id != last+1 {
				t.Fatalf("id %d after %d", e.id, last)
			}
			last = e.id
			if e.kind == "message" {
				messages++
				return
			}
			if err := json.Unmarshal([]byte(e.data), &known); err != nil {
				t.Fatal(err)
			}
			offline = offline || strings.Contains(string(known["connection"]), `"reconnecting"`)
		}
		s.want("the messages", func(e sse) bool { take(e); return messages == 5 })
		r.ada.Link.Cut()
		s.want("the outage", func(e sse) bool { take(e); return offline })
		r.ada.Link.Heal()
		s.want("its end", func(e sse) bool {
			take(e)
			return strings.Contains(string(known["connection"]), `"connected"`)
		})
		for {
			_, body := r.ask(http.MethodGet, "/v1/state", "")
			var now map[string]json.RawMessage
			if err := json.Unmarshal([]byte(body), &now); err != nil {
				t.Fatal(err)
			}
			var seq uint64
			_ = json.Unmarshal(now["seq"], &seq)
			for last < seq {
				s.want("what the state has", func(e sse) bool { take(e); return true })
			}
			if last > seq {
				continue
			}
			for key, v := range known {
				if string(now[key]) != string(v) {
					t.Errorf("%s: the stream says %s, the state %s", key, v, now[key])
				}
			}
			return
		}
	})
}

// TestStreamsResume cuts streams off in the middle of what the stand-in of the web tests plays too: changes and messages,
// also with an EventSource's header.
func TestStreamsResume(t *testing.T) {
	within(t, agent.Options{Channels: []string{}}, func(t *testing.T, r *rig) {
		run := r.state().Run
		seq := r.state().Seq
		for n := range 10 {
			r.agent.Tell(fmt.Sprint("a", n))
			r.agent.TellMessage(n + 1)
		}
		for from := seq; from < seq+20; from++ {
			s := r.open("?after=1&run="+run, func(q *http.Request) { q.Header.Set("Last-Event-ID", fmt.Sprint(from)) })
			last := from
			var messages []float64
			reason := ""
			for last < seq+20 {
				e := s.want("the end", func(e sse) bool { return e.kind == "change" || e.kind == "message" })
				var body map[string]any
				if err := json.Unmarshal([]byte(e.data), &body); err != nil {
					t.Fatal(err)
				}
				if after, ok := body["after"]; ok && uint64(after.(float64)) != last || !ok && e.id != last+1 {
					t.Fatalf("event %d says that it comes after %v, and it comes after %d", e.id, after, last)
				}
				last = e.id
				if e.kind == "message" {
					messages = append(messages, body["seq"].(float64))
				} else {
					reason = body["session"].(map[string]any)["reason"].(string)
				}
			}
			if want := int(20-(from-seq)+1) / 2; len(messages) != want {
				t.Errorf("from %d: messages %v, wanted %d", from-seq, messages, want)
			}
			if from < seq+19 && reason != "a9" {
				t.Errorf("from %d: the last change is %q", from-seq, reason)
			}
			s.close()
		}
	})
}

func TestGaps(t *testing.T) {
	within(t, agent.Options{Channels: []string{}}, func(t *testing.T, r *rig) {
		before := r.state()
		for n := range agent.RingEvents + 1 {
			r.agent.TellMessage(n + 1)
		}
		now := r.state()
		for query, want := range map[string]string{
			fmt.Sprintf("?after=%d&run=%s", before.Seq, now.Run):                       "gap",
			fmt.Sprintf("?after=%d&run=%s", before.Seq+1, now.Run):                     "message",
			fmt.Sprintf("?after=%d&run=%s", now.Seq+1, now.Run):                        "gap",
			fmt.Sprintf("?after=%d&run=%s", now.Seq, "another"):                        "gap",
			fmt.Sprintf("?after=%d", now.Seq):                                          "gap",
			fmt.Sprintf("?after=%d&run=%s", ^uint64(0), now.Run):                       "gap",
			fmt.Sprintf("?after=%d&run=%s&after=0", before.Seq+1, now.Run):             "message",
			fmt.Sprintf("?run=%s&after=%d&unknown=1", now.Run, before.Seq+2):           "message",
			fmt.Sprintf("?after=%d&run=%s", now.Seq-uint64(agent.RingEvents), now.Run): "message",
		} {
			s := r.open(query)
			e, err := s.next()
			if err != nil || e.kind != want {
				t.Errorf("%s: %+v, %v; wanted %s", query, e, err, want)
			}
			if _, err := s.next(); want == "gap" && !errors.Is(err, io.EOF) {
				t.Errorf("%s: the stream goes on after a gap: %v", query, err)
			}
			s.close()
		}
		if res, _ := r.ask(http.MethodGet, "/v1/events?after=-1&run="+now.Run, ""); res.StatusCode != http.StatusBadRequest {
			t.Errorf("after=-1: %s", res.Status)
		}
	})
}

// TestSlowReaderGetsTheNewest has a reader take nothing while 10,000 changes come.
func TestSlowReaderGetsTheNewest(t *testing.T) {
	within(t, agent.Options{Channels: []string{}}, func(t *testing.T, r *rig) {
		now := r.state()
		s := r.open(fmt.Sprintf("?after=%d&run=%s", now.Seq, now.Run))
		defer s.close()
		synctest.Wait()
		r.agent.Tell("first")
		synctest.Wait() // it is being written
		for n := range 10_000 {
			r.agent.Tell(fmt.Sprint(n, strings.Repeat("x", 1000)))
		}
		r.agent.TellMessage(1)
		r.agent.Tell("last")
		if events, bytes := r.agent.Kept(); events > agent.RingEvents || bytes > agent.RingBytes {
			t.Errorf("%d events of %d bytes are kept", events, bytes)
		}
		var got []sse
		s.want("the last change", func(e sse) bool { got = append(got, e); return strings.Contains(e.data, `"last"`) })
		// One that was being written, what held then, the message, the last.
		if len(got) > 4 || !strings.Contains(got[len(got)-2].data, `"seq":1`) {
			t.Errorf("%d events of 10,003: %.200v", len(got), got)
		}
		if want := fmt.Sprintf(`{"after":%d,`, got[0].id); !strings.HasPrefix(got[1].data, want) {
			t.Errorf("the second event begins %.40s, wanted %s", got[1].data, want)
		}
	})
}

func TestReaderThatStopsIsLeft(t *testing.T) {
	within(t, agent.Options{Channels: []string{}}, func(t *testing.T, r *rig) {
		s := r.open("")
		defer s.close()
		synctest.Wait()
		r.agent.Tell("nobody reads this")
		time.Sleep(9 * time.Second)
		if n := r.agent.Streams(); n != 1 {
			t.Errorf("%d streams after 9 s", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := r.agent.Streams(); n != 0 {
			t.Errorf("%d streams after 11 s", n)
		}
	})
}

func TestQuietStreamBeats(t *testing.T) {
	within(t, agent.Options{Channels: []string{}}, func(t *testing.T, r *rig) {
		if err := r.ada.Chat.Close(); err != nil { // nothing happens any more
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		s := r.open("")
		defer s.close()
		for range 3 {
			began := time.Now()
			e, err := s.next()
			if took := time.Since(began); err != nil || e.data != "beat" || took != 5*time.Second {
				t.Fatalf("%+v, %v after %v", e, err, took)
			}
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	within(t, agent.Options{MaxStreams: 2}, func(t *testing.T, r *rig) {
		a, b := r.open(""), r.open("")
		if res, text := r.ask(http.MethodGet, "/v1/events", ""); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, `"busy"`) {
			t.Errorf("the third stream: %s %s", res.Status, text)
		}
		a.close()
		synctest.Wait()
		r.open("").close()
		b.close()
	})
}

func TestCloseEndsStreams(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		s, stuck := r.open(""), r.open("")
		defer stuck.close()
		synctest.Wait()
		r.agent.Tell("nobody reads this on the second stream")
		began := time.Now()
		ended := make(chan error, 1)
		go func() {
			for {
				if _, err := s.next(); err != nil {
					ended <- err
					return
				}
			}
		}()
		r.close()
		if took := time.Since(began); took > 0 {
			t.Errorf("Close took %v", took)
		}
		if err := <-ended; err == nil {
			t.Error("the stream goes on")
		}
		if err := r.agent.Serve(newPipes()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve after Close: %v", err)
		}
	})
}

// TestCloseWaitsForNoBody: somebody has announced a body and sends none.
func TestCloseWaitsForNoBody(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		conn, err := r.ln.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		fmt.Fprintf(conn, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n", r.agent.Token())
		synctest.Wait() // it is waited for
		began := time.Now()
		r.close()
		if took := time.Since(began); took > 0 {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestMetrics(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		r.ada.Link.Set(faultnet.Symmetric(40 * time.Millisecond))
		time.Sleep(20 * time.Second)
		s := r.open("")
		defer s.close()
		_, text := r.ask(http.MethodGet, "/v1/metrics", "")
		for _, want := range []string{
			`chatsdk_client_outbox_entries{state="queued"} 0`, `chatsdk_client_connection_state{state="connected"} 1`,
			`chatsdk_client_connection_state{state="failed"} 0`, "chatsdk_client_rtt_seconds 0.04", `chatsdk_client_agent_streams 1`,
			`chatsdk_client_quality_level{level="unknown"} 0`, "chatsdk_client_connections_total 1",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
		r.ada.Link.Reset()
		time.Sleep(3 * time.Second)
		if _, text := r.ask(http.MethodGet, "/v1/metrics", ""); !strings.Contains(text, "chatsdk_client_connections_total 2") {
			t.Errorf("a reconnect isn't counted:\n%s", text)
		}
	})
}

// TestPage looks at what the built page needs: each file by its link, without a token.
func TestPage(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		bare := func(q *http.Request) { q.Header.Del("Authorization") }
		types := map[string]string{
			"/": "text/html", "/dashboard.js": "text/javascript", "/dashboard.css": "text/css", "/icon.svg": "image/svg+xml",
			"/gallery.html": "text/html", "/gallery.js": "text/javascript", "/shared.js": "text/javascript", "/licences.txt": "text/plain",
		}
		for path, want := range maps.All(types) {
			res, text := r.ask(http.MethodGet, path, "", bare)
			if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(got, want) || text == "" {
				t.Errorf("%s: %s, %s, %d bytes", path, res.Status, got, len(text))
			}
			if got := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; script-src 'self'; style-src 'self'; ") {
				t.Errorf("%s: policy %q", path, got)
			}
			if strings.Contains(text, r.agent.Token()) {
				t.Errorf("%s holds the token", path)
			}
		}
		for _, path := range []string{"/index.htm", "/../web.go", "/%2e%2e/web.go", "/dist/", "/v2/state"} {
			if res, _ := r.ask(http.MethodGet, path, "", bare); res.StatusCode == http.StatusOK {
				t.Errorf("%s: %s", path, res.Status)
			}
		}
	})
}
