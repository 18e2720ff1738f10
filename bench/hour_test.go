package main

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestVirtualHour lets two foreground clients at RTT 100 ms talk for an hour of virtual time, without loss and with
// 5 %: nobody may reconnect and nothing may be missing.
func TestVirtualHour(t *testing.T) {
	for _, loss := range []float64{0, 0.05} {
		t.Run(fmt.Sprintf("loss=%v", loss), func(t *testing.T) {
			began := time.Now()
			var h hour
			bubble.Run(t, func(t *testing.T) { h = virtualHour(t, loss) })
			h.WallSeconds = time.Since(began).Seconds()
			b, err := json.Marshal(h)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("%s%s\n", hourMark, b)
			if h.Reconnects > 0 {
				t.Errorf("%d reconnects in an hour without a fault", h.Reconnects)
			}
		})
	}
}

func virtualHour(t *testing.T, loss float64) hour {
	const (
		clients = 2
		every   = 10 * time.Second
	)
	link := faultnet.Symmetric(100 * time.Millisecond)
	link.Up.Loss, link.Down.Loss = loss, loss
	w, err := scenario.NewVirtualWorld(t.Context(), scenario.WorldOptions{Seed: 1, Link: link})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	var connects atomic.Int64 // told to the watchers: the present connection at first, then each new one
	for i := range clients {
		c, err := w.AddClient(t.Context(), userName(i))
		if err != nil {
			t.Fatal(err)
		}
		updates := c.Chat.Watch(t.Context())
		go func() { // ends with the client
			for u := range updates {
				if v := u.Connection; v != nil && v.To == realtime.Connected && v.Reason == realtime.ReasonConnected {
					connects.Add(1)
				}
			}
		}()
	}
	h := hour{Clients: clients, Loss: loss}
	for end := time.Now().Add(time.Hour); time.Now().Before(end); h.Messages++ {
		if err := w.Clients()[h.Messages%clients].Send(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(every)
	}
	time.Sleep(time.Minute) // the last message arrives
	synctest.Wait()
	v, err := w.Verdict(t.Context())
	if err != nil || !v.OK {
		t.Errorf("verdict: %v, %v", v, err)
	}
	h.Reconnects = int(connects.Load()) - clients
	return h
}
