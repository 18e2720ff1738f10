package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/server"
)

// device is a client's way through the rule of rotation, an hour between two steps.
type device struct {
	ses server.Session
	now time.Time
}

func newDevice() *device {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &device{now: now, ses: server.Session{
		ID: "s", Counter: 1, Confirmed: true, RefreshedAt: now, ExpiresAt: now.Add(30 * 24 * time.Hour),
	}}
}

// refresh asks with the token of a counter, and wants an outcome.
func (d *device) refresh(counter uint64, key, want string) error {
	d.now = d.now.Add(time.Hour)
	var got string
	d.ses, got = server.JudgeRefresh(d.ses, counter, key, d.now)
	if got != want {
		return fmt.Errorf("with token %d: %s, want %s; %+v", counter, got, want, d.ses)
	}
	return nil
}

// rotationRules are the rules one by one, each with what breaks where it isn't kept.
var rotationRules = map[string]func(*device) error{
	// A reply is lost, again and again: whoever still has the parent gets the same pair, and stays signed in.
	"lost reply": func(d *device) error {
		for _, step := range []struct {
			counter uint64
			want    string
		}{{1, "ok"}, {1, "reissued"}, {1, "reissued"}, {2, "ok"}, {2, "reissued"}} {
			if err := d.refresh(step.counter, "", step.want); err != nil {
				return err
			}
		}
		if d.ses.Counter != 3 || !d.ses.Live(d.now) {
			return fmt.Errorf("%+v", d.ses)
		}
		return nil
	},
	// The child was used, so that its reply arrived: who comes with the parent then has a copy.
	"copy of the parent": func(d *device) error {
		if err := d.refresh(1, "", "ok"); err != nil {
			return err
		}
		d.ses.Confirmed = true
		return d.mustEnd(1)
	},
	"copy of an older one": func(d *device) error {
		for n := range uint64(3) {
			if err := d.refresh(1+n, "", "ok"); err != nil {
				return err
			}
		}
		return d.mustEnd(2)
	},
	// A request that TCP delivers hours late, after its repetition went through and others did: nobody's copy.
	"late copy of a request": func(d *device) error {
		for n := range uint64(3) {
			if err := d.refresh(1+n, fmt.Sprint("key", n), "ok"); err != nil {
				return err
			}
		}
		if err := d.refresh(1, "key0", "late"); err != nil {
			return err
		}
		return d.refresh(4, "key3", "ok")
	},
}

// mustEnd wants a refresh to end the session, for the newest token too.
func (d *device) mustEnd(counter uint64) error {
	if err := d.refresh(counter, "", "reuse"); err != nil {
		return err
	}
	if d.ses.Live(d.now) {
		return fmt.Errorf("the session lives on: %+v", d.ses)
	}
	return d.refresh(d.ses.Counter, "", "refused")
}

// TestRotationRule goes through the rules on the pure function that decides; TestRotation does by HTTP.
func TestRotationRule(t *testing.T) {
	for name, rule := range rotationRules {
		if err := rule(newDevice()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPlantedRotationBugs makes a mistake at a time: the rule of TestRotationRule that is named beside it finds it.
func TestPlantedRotationBugs(t *testing.T) {
	for _, row := range []struct {
		bug  server.Bug
		name string
		rule string
	}{
		{server.ChildNotAsked, "the child's use isn't asked for", "lost reply"},
		{server.ConfirmedKept, "a new pair counts as used", "lost reply"},
		{server.ParentForEver, "the parent stays good", "copy of the parent"},
		{server.ReuseForgiven, "reuse ends nothing", "copy of the parent"},
		{server.CounterIgnored, "the counter isn't compared", "copy of an older one"},
		{server.CounterIgnored, "the counter isn't compared, and a reply is lost", "lost reply"},
		{server.LateCopyEnds, "a late copy ends the session", "late copy of a request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer server.Plant(row.bug)()
			err := rotationRules[row.rule](newDevice())
			if err == nil {
				t.Fatalf("TestRotationRule, %q, doesn't find it", row.rule)
			}
			t.Log(err)
		})
	}
}
