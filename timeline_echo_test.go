package chatsdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
)

// collect reads a timeline in the background; stop ends it and returns what it yielded.
func collect(t *testing.T, c *chatsdk.Client, channel string) (stop func() []chatsdk.Item) {
	ctx, cancel := context.WithCancel(t.Context())
	var items []chatsdk.Item
	done := make(chan struct{})
	go func() {
		defer close(done)
		for item, err := range c.Timeline(ctx, channel) {
			if err != nil {
				return
			}
			items = append(items, item)
		}
	}()
	return func() []chatsdk.Item {
		synctest.Wait()
		cancel()
		<-done
		return items
	}
}

// texts are what a timeline yielded, each as "user: text state".
func texts(items []chatsdk.Item) (out []string) {
	for _, item := range items {
		out = append(out, item.User+": "+item.Text+" "+item.State.String())
	}
	return out
}

func wantTexts(what string, items []chatsdk.Item, want ...string) error {
	if got := texts(items); !slices.Equal(got, want) {
		return fmt.Errorf("%s: %q, want %q", what, got, want)
	}
	return nil
}

// TestTimelineNamesTheUserAsTheServerDoes has the echo and the server's copy of a message name the same user, whatever
// account the queue keeps it under; before anybody is known there is no name.
func TestTimelineNamesTheUserAsTheServerDoes(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.open(t, chatsdk.InMemory(), nil)
		defer c.Close()
		stop := collect(t, c, "general")
		send := func(text string) {
			t.Helper()
			if _, err := c.Send(t.Context(), "general", text); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		send("early")
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		send("offline")
		c.Connect()
		time.Sleep(3 * time.Second)
		var items []chatsdk.Item
		for _, item := range stop() { // the end is told by the queue or by the server, or by both
			same := func(i chatsdk.Item) bool { return i.ID == item.ID && i.User == item.User && i.State == item.State }
			if !slices.ContainsFunc(items, same) {
				items = append(items, item)
			}
		}
		err := wantTexts("one device", items,
			": early queued", "ada: early queued", "ada: offline queued",
			"ada: early sending", "ada: offline sending", "ada: early sent", "ada: offline sent")
		if err != nil {
			t.Error(err)
		}
	})
}

func TestTimelineIsOneAccounts(t *testing.T) { holds(t, oneAccountsTimeline) }

// oneAccountsTimeline queues a message as ada and signs bob in: his timeline doesn't show what isn't his.
func oneAccountsTimeline(t *testing.T, h *host) error {
	c := h.open(t, chatsdk.InMemory(), nil)
	defer c.Close()
	sign := func(user string) {
		t.Helper()
		if err := c.SignIn(t.Context(), user, password); err != nil {
			t.Fatal(err)
		}
	}
	send := func(text string) {
		t.Helper()
		if _, err := c.Send(t.Context(), "general", text); err != nil {
			t.Fatal(err)
		}
	}
	sign("ada")
	send("ada's")
	over := collect(t, c, "general")
	synctest.Wait()
	sign("bob")
	send("bob's")
	bobs := collect(t, c, "general")
	err := errors.Join(
		wantTexts("a timeline over a change of account", over(), "ada: ada's queued", "bob: bob's queued"),
		wantTexts("bob's timeline", bobs(), "bob: bob's queued"),
	)
	sign("ada")
	return errors.Join(err, wantTexts("ada's timeline", collect(t, c, "general")(), "ada: ada's queued"))
}

// TestTimelineTellsWhatAnEarlierRunParked has a message refused for good, and looks from another run: it is there with
// its reason, in its place before what was queued later, and goes its way when it is given up.
func TestTimelineTellsWhatAnEarlierRunParked(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		store := chatsdk.InMemory()
		c := h.open(t, store, nil)
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		c.Connect()
		parked, err := c.SendEntry(t.Context(), outbox.Entry{
			Channel: "general", Text: "no such file", Attachments: json.RawMessage(`[{"upload":"nothing"}]`),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if e, _ := c.Entry(parked.ID); e.State != outbox.Parked {
			t.Fatalf("%+v", e)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = h.open(t, store, nil)
		defer func() { _ = c.Close() }()
		if _, err := c.Send(t.Context(), "general", "later"); err != nil {
			t.Fatal(err)
		}
		stop := collect(t, c, "general")
		synctest.Wait()
		if err := c.Discard(t.Context(), parked.ID); err != nil {
			t.Fatal(err)
		}
		items := stop()
		if err := wantTexts("the next run", items, "ada: no such file parked", "ada: later queued", "ada: no such file cancelled"); err != nil {
			t.Error(err)
		}
		if len(items) > 0 && items[0].Reason != "attachment_unusable" {
			t.Errorf("parked for %q", items[0].Reason)
		}
	})
}
