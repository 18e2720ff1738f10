package chatsdk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestTimelineEchoesOwnMessages writes without a connection and with one, and wants each message to be shown at once,
// then as the server has it, and never older again.
func TestTimelineEchoesOwnMessages(t *testing.T) {
	world(t, func(t *testing.T, w *scenario.World, ada *scenario.Client) {
		bob, err := w.AddClient(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		// On a link without a delay the server's copy is there at the same instant as the echo, which then isn't shown at times.
		ada.Link.Set(faultnet.Symmetric(20 * time.Millisecond))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var items []chatsdk.Item
		done := make(chan error, 1)
		go func() {
			for item, err := range ada.Chat.Timeline(ctx, scenario.Channel) {
				if err != nil {
					done <- err
					return
				}
				items = append(items, item)
			}
		}()
		send := func(c *scenario.Client, text string) {
			if err := c.Send(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		send(bob, "hello")
		time.Sleep(time.Second)
		ada.Chat.Disconnect()
		synctest.Wait() // it returns at once
		send(ada, "offline")
		e, err := ada.Chat.Send(t.Context(), scenario.Channel, "taken back")
		if err == nil {
			err = ada.Chat.Cancel(t.Context(), e.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(items); n < 3 || items[1].Text != "offline" || items[1].Seq != 0 || items[1].State != outbox.Queued {
			t.Fatalf("without a connection: %+v", items)
		}
		ada.Chat.Connect()
		time.Sleep(2 * time.Second)
		for k := range 20 {
			send(ada, fmt.Sprint("live ", k))
			send(bob, fmt.Sprint("bob ", k))
		}
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		checkTimeline(t, items, e.ID)
	})
}

func checkTimeline(t *testing.T, items []chatsdk.Item, cancelled string) {
	t.Helper()
	last, echoed := map[string]chatsdk.Item{}, 0
	for _, item := range items {
		before, again := last[item.ID]
		if again && before.Seq > 0 && item.Seq != before.Seq || again && before.State.Settled() && item.State != before.State {
			t.Errorf("%+v came after %+v", item, before)
		}
		if item.State == outbox.Queued && !again {
			echoed++
		}
		last[item.ID] = item
	}
	stored := 0
	for id, item := range last {
		switch {
		case id == cancelled && item.State == outbox.Cancelled:
		case item.State == outbox.Sent && item.Seq > 0:
			stored++
		default:
			t.Errorf("at the end %+v", item)
		}
	}
	if stored != 42 || echoed != 22 {
		t.Errorf("%d stored, want 42; %d echoed before the server had them, want 22", stored, echoed)
	}
}

func TestHistoryPagesBackwards(t *testing.T) {
	world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
		for k := range 30 {
			if err := ada.Send(t.Context(), fmt.Sprint("text ", k)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Second)
		late, err := ada.Chat.History(t.Context(), scenario.Channel, 0, 12)
		if err != nil || len(late) != 12 || late[0].Seq != 19 || late[11].Text != "text 29" {
			t.Fatalf("%+v, %v", late, err)
		}
		early, err := ada.Chat.History(t.Context(), scenario.Channel, 3, 12)
		if err != nil || len(early) != 2 || early[1].Seq != 2 {
			t.Fatalf("%+v, %v", early, err)
		}
		if none, err := ada.Chat.History(t.Context(), scenario.Channel, 1, 12); err != nil || len(none) != 0 {
			t.Fatalf("%+v, %v", none, err)
		}
	})
}

// TestProcessEndsWithTheApplicationsError has an application refuse a message.
func TestProcessEndsWithTheApplicationsError(t *testing.T) {
	world(t, func(t *testing.T, _ *scenario.World, ada *scenario.Client) {
		for k := range 3 {
			if err := ada.Send(t.Context(), fmt.Sprint("text ", k)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		busy := errors.New("busy")
		var seqs []uint64
		err := ada.Chat.Process(t.Context(), scenario.Channel, func(m chatsdk.Message) error {
			seqs = append(seqs, m.Seq)
			if m.Seq == 2 {
				return fmt.Errorf("not now: %w", busy)
			}
			return nil
		})
		if !errors.Is(err, busy) || fmt.Sprint(seqs) != "[1 2]" {
			t.Errorf("%v after %v", err, seqs)
		}
	})
}
