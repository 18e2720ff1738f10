package demo_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/internal/demo"
)

// cutsOff cuts ada's link, and says what is wrong.
func (r *rig) cutsOff() error {
	r.t.Helper()
	if s := r.post("clients/ada/link", `{"cut":true}`); !s.Clients[0].Link.Cut || s.Clients[0].Link.LatencyMs != 60 || s.Clients[1].Link.Cut {
		return fmt.Errorf("cut: %+v", s.Clients)
	}
	s := r.await("ada", "sees that it is cut off", func(s agent.Snapshot) bool { return lost(s) && s.Quality.Reach != "online" })
	if s.Quality.Reach != "offline" {
		return fmt.Errorf("a cut is taken for %+v", s.Quality)
	}
	return nil
}

func TestCutIsFeltAndHealed(t *testing.T) {
	r := newRig(t, demo.Options{})
	if err := r.cutsOff(); err != nil {
		t.Error(err)
	}
	r.say("ada", "while it was cut")
	r.say("bob", "to whom it was cut")
	r.await("ada", "keeps the message", func(s agent.Snapshot) bool { return s.Outbox.Queued+s.Outbox.Sending == 1 })
	r.until("bob's is stored", func(s state) bool { return s.Server.Stored == 1 })
	if s := r.state(); s.Clients[0].Shown != 0 {
		t.Errorf("something came through the cut: %+v", s)
	}
	if s := r.post("clients/ada/heal", `{}`); s.Clients[0].Link.Cut {
		t.Errorf("healed: %+v", s.Clients)
	}
	r.await("ada", "is back", connected)
	if got := r.told(2); got[0] != "to whom it was cut" || got[1] != "while it was cut" {
		t.Errorf("told %q", got)
	}
	defer demo.Plant(demo.BugDialsCut)()
	if err := r.cutsOff(); err == nil {
		t.Error("dials that get through a cut aren't found")
	}
}

func TestLinkChangesWhatIsNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	r.post("clients/ada/link", `{"lossPct":2.5,"rateKbps":500}`)
	s := r.post("clients/ada/link", `{"latencyMs":300}`)
	if l := s.Clients[0].Link; l.LatencyMs != 300 || l.LossPct != 2.5 || l.RateKbps != 500 || l.Cut || l.Portal {
		t.Errorf("link %+v", l)
	}
	r.await("ada", "measures the round trip", func(s agent.Snapshot) bool {
		return s.Quality.RTTMS != nil && *s.Quality.RTTMS > 250 && *s.Quality.RTTMS < 600
	})
	r.await("bob", "has the round trip that it had", func(s agent.Snapshot) bool { return s.Quality.RTTMS != nil && *s.Quality.RTTMS < 200 })
	if l := r.post("clients/ada/heal", `{}`).Clients[0].Link; l != s.Clients[1].Link {
		t.Errorf("healed: %+v", l)
	}
}

// healsPortal puts ada behind a portal and heals that, and says what is wrong.
func (r *rig) healsPortal() error {
	r.t.Helper()
	if s := r.post("clients/ada/link", `{"portal":true}`); !s.Clients[0].Link.Portal {
		return fmt.Errorf("portal: %+v", s.Clients)
	}
	r.await("ada", "finds the portal", func(s agent.Snapshot) bool { return s.Quality.Reach == "captive" && lost(s) })
	if s := r.agentState("ada"); !strings.Contains(s.Connection.Error, "HTTP status 200") {
		return fmt.Errorf("its upgrades aren't answered by the portal: %+v", s.Connection)
	}
	if s := r.post("clients/ada/heal", `{}`); s.Clients[0].Link.Portal {
		return errors.New("the portal is still there")
	}
	r.await("ada", "is back", connected)
	return nil
}

func TestPortalIsFeltAndHealed(t *testing.T) {
	r := newRig(t, demo.Options{})
	if err := r.healsPortal(); err != nil {
		t.Fatal(err)
	}
	r.post("clients/ada/link", `{"portal":true}`)
	r.await("ada", "finds the portal", func(s agent.Snapshot) bool { return s.Quality.Reach == "captive" })
	r.post("clients/ada/link", `{"portal":false}`)
	r.await("ada", "is back", connected)
	defer demo.Plant(demo.BugPortalStays)()
	if err := r.healsPortal(); err == nil {
		t.Error("a portal that stays isn't found")
	}
}

func TestResetAndHalfOpenAreRecovered(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	for i, fault := range [][2]string{{"reset", `{}`}, {"half-open", `{"direction":"up"}`}, {"half-open", `{"direction":"down"}`}} {
		before := r.agentState("ada").Connection.Since
		r.post("clients/ada/"+fault[0], fault[1])
		r.say("bob", fmt.Sprint("after ", fault))
		r.await("ada", fmt.Sprint(fault, " is over"), func(s agent.Snapshot) bool { return connected(s) && s.Connection.Since.After(before.Time) })
		r.told(i + 1)
	}
}

// TestBusyIsMetAndOver: the server answers that it has too much to do, for as long as was said and no longer.
func TestBusyIsMetAndOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	began := time.Now()
	s := r.post("clients/ada/busy", `{}`)
	if until := s.Clients[0].BusyUntil; until == nil || until.Sub(began) < 9*time.Second || until.Sub(began) > 11*time.Second || s.Clients[1].BusyUntil != nil {
		t.Errorf("busy: %+v", s.Clients)
	}
	met := r.await("ada", "meets it", func(s agent.Snapshot) bool {
		return lost(s) && strings.Contains(s.Connection.Error, "HTTP status 429")
	})
	if wait := met.Connection.RetryAt.Sub(met.Connection.Since.Time); wait < 4*time.Second {
		t.Errorf("asked to wait for 5 s it waits for %v", wait)
	}
	r.say("ada", "when there is time")
	r.until("it is over", func(s state) bool { return s.Clients[0].BusyUntil == nil })
	if took := time.Since(began); took < 9*time.Second {
		t.Errorf("it was over after %v", took)
	}
	r.await("ada", "is back", connected)
	r.told(1)

	r.post("clients/ada/busy", `{}`)
	r.await("ada", "meets it again", lost)
	if s := r.post("clients/ada/heal", `{}`); s.Clients[0].BusyUntil != nil {
		t.Errorf("healed: %+v", s.Clients)
	}
	r.await("ada", "is back", connected)
}

// TestExpireIsRefreshed lets tokens run out while both talk: nobody has to sign in again, and nothing is lost.
func TestExpireIsRefreshed(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	device := r.agentState("ada").Session.Device
	r.post("talk", `{"on":true}`)
	for range 5 { // three in a minute are taken for a server whose new tokens don't work, if nobody accepted them
		before := r.agentState("ada").Connection.Since
		r.post("clients/ada/expire", `{}`)
		s := r.await("ada", "comes back with another token", func(s agent.Snapshot) bool {
			return connected(s) && s.Connection.Since.After(before.Time) && s.Session.Reason == "renewed"
		})
		if s.Session.State != "fresh" || s.Session.User != "ada" || s.Session.Device != device {
			t.Errorf("session %+v", s.Session)
		}
	}
	r.post("talk", `{"on":false}`)
	r.quiet()
	r.inOrder(r.told(int(r.state().Server.Stored)))
}

func TestServerStopsAndStarts(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	r.say("bob", "before")
	r.told(1)
	if s := r.post("server", `{"running":false}`); s.Server.Running || s.Server.Stored != 1 {
		t.Errorf("stopped: %+v", s.Server)
	}
	r.post("server", `{"running":false}`) // nothing more
	r.await("ada", "sees that it is down", func(s agent.Snapshot) bool { return lost(s) && s.Quality.Reach == "server-down" })
	r.say("ada", "meanwhile")
	if res, text := r.ask(http.MethodPost, "/demo/v1/clients/ada/expire", `{}`); res.StatusCode != http.StatusConflict || !strings.Contains(text, "start it first") {
		t.Errorf("expire without a server: %s %s", res.Status, text)
	}
	if s := r.post("server", `{"running":true}`); !s.Server.Running || s.Server.Stored != 1 {
		t.Errorf("started: %+v", s.Server)
	}
	r.await("ada", "is back", connected)
	r.await("bob", "is back", connected)
	r.told(2)
}

// TestServerIsStoppedAtOnce: no matter how far its start has come.
func TestServerIsStoppedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	for range 5 {
		r.post("server", `{"running":false}`)
		r.post("server", `{"running":true}`)
	}
	r.await("ada", "is back", connected)
}

// TestUploadOutlivesItsToken lets a token run out under an upload, which goes on by HTTP with another one.
func TestUploadOutlivesItsToken(t *testing.T) {
	t.Parallel()
	r := newRig(t, demo.Options{})
	r.post("clients/ada/link", `{"rateKbps":4000}`)
	file := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB: 2 s at that rate
	res, text := r.ask(http.MethodPost, "/ada/v1/uploads?channel=general&name=film.mp4&text=look", file, header("Content-Type", "application/octet-stream"))
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("upload: %s %s", res.Status, text)
	}
	r.await("ada", "is in the middle", func(s agent.Snapshot) bool { return len(s.Uploads) == 1 && s.Uploads[0].Sent > 0 })
	r.post("clients/ada/expire", `{}`)
	r.await("ada", "has sent it", func(s agent.Snapshot) bool {
		return s.Uploads[0].State == "done" && s.Uploads[0].Sent == int64(len(file)) && s.Session.State == "fresh" && connected(s)
	})
	if got := r.told(1); got[0] != "look" {
		t.Errorf("told %q", got)
	}
}
