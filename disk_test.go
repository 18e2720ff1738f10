package chatsdk_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/profile/profiletest"
)

// TestFullDiskLosesNothing fills the disk of a profile while its client is connected. What can't be kept is refused, what
// was kept before goes out, and what comes in meanwhile is shown once there is space, in order and once.
func TestFullDiskLosesNothing(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		disk := profiletest.NewDisk(rand.New(rand.NewPCG(1, 2)))
		defer disk.Close()
		store, err := profile.OpenWith("ada", profile.Options{VFS: disk.VFS()})
		if err != nil {
			t.Fatal(err)
		}
		ada, bob := h.open(t, store, nil), h.open(t, chatsdk.InMemory(), nil)
		defer func() { _ = errors.Join(ada.Close(), bob.Close(), store.Close()) }()
		for user, c := range map[string]*chatsdk.Client{"ada": ada, "bob": bob} {
			if err := c.SignIn(t.Context(), user, password); err != nil {
				t.Fatal(err)
			}
			c.Connect()
		}
		shown, stores := showing(t, ada, "general"), storeNews(t, ada)
		send := func(c *chatsdk.Client, text string) error {
			t.Helper()
			_, err := c.Send(t.Context(), "general", text)
			return err
		}
		if err := send(ada, "before"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := send(ada, "under way"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(75 * time.Millisecond) // at the server, and its number isn't noted here
		disk.SetFull(true)
		if err := errors.Join(send(bob, "bob 1"), send(bob, "bob 2")); err != nil {
			t.Fatal(err)
		}
		if err := send(ada, "refused"); !errors.Is(err, outbox.ErrDisk) || !errors.Is(err, profile.ErrDiskFull) {
			t.Errorf("send with a full disk: %v", err)
		}
		time.Sleep(time.Minute)
		if err := ada.State().Queue.Err; !errors.Is(err, outbox.ErrDisk) {
			t.Errorf("the queue's store is said to be well: %v", err)
		}
		disk.SetFull(false)
		time.Sleep(10 * time.Second)
		if err := send(ada, "after"); err != nil {
			t.Errorf("send with space again: %v", err)
		}
		time.Sleep(time.Second)
		want := "[ada: before ada: under way bob: bob 1 bob: bob 2 ada: after]"
		if got := fmt.Sprint(h.stored(t, "general")); got != want {
			t.Errorf("stored %s", got)
		}
		if got := fmt.Sprint(shown()); got != want {
			t.Errorf("shown %s", got)
		}
		if got := fmt.Sprint(stores()); got != "[disk full well]" {
			t.Errorf("told of the disk: %s", got)
		}
		if q := ada.State().Queue; q.Queued+q.Sending != 0 {
			t.Errorf("left in the queue: %+v", q)
		}
	})
}

// storeNews collects what a watcher hears of the disk.
func storeNews(t *testing.T, c *chatsdk.Client) func() []string {
	var mu sync.Mutex
	var news []string
	updates := c.Watch(t.Context())
	go func() { // ends with the client
		for u := range updates {
			if u.Store == nil {
				continue
			}
			word := "well"
			if errors.Is(u.Store.Err, outbox.ErrDisk) {
				word = "disk full"
			}
			mu.Lock()
			news = append(news, word)
			mu.Unlock()
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), news...)
	}
}

// showing reads a channel until the test ends; what it returns says what was shown up to now.
func showing(t *testing.T, c *chatsdk.Client, channel string) func() []string {
	var mu sync.Mutex
	var shown []string
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m, err := range c.Messages(ctx, channel) {
			if err != nil {
				return
			}
			mu.Lock()
			shown = append(shown, m.User+": "+m.Text)
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), shown...)
	}
}
