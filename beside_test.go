package chatsdk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// homeRate is 10 Mbit/s, homeQueue the router's queue in packets: 0.3 s at that rate.
	homeRate, homeQueue = 10_000_000 / 8, 256
	// homeRTT is the round trip while nothing else is on the link.
	homeRTT = 40 * time.Millisecond
)

// talk sends messages and returns the 95th percentile of their round trips.
func talk(t *testing.T, c *chatsdk.Client, n int, every time.Duration) (time.Duration, error) {
	var took []time.Duration
	for range n {
		began := time.Now()
		e, err := c.Send(t.Context(), "general", "how far is it?")
		if err != nil {
			return 0, err
		}
		for e.State != outbox.Sent {
			if time.Since(began) > time.Minute {
				return 0, fmt.Errorf("not sent after a minute: %+v", e)
			}
			time.Sleep(time.Millisecond)
			e, _ = c.Entry(e.ID)
		}
		took = append(took, time.Since(began))
		time.Sleep(every - time.Since(began))
	}
	slices.Sort(took)
	return took[(len(took)*95+99)/100-1], nil
}

// besideUpload talks on an idle link and beside an upload, in a conversation and now and then: the router's queue stays
// short enough for less than twice the idle round trip, and the upload has most of the link.
func besideUpload(t *testing.T, h *host) error {
	h.link.Set(faultnet.Symmetric(homeRTT))
	home := newBottleneck(homeRate, homeQueue)
	defer home.close()
	defer time.Sleep(time.Second) // net/http's server lets some connections linger for half of one
	c := h.open(t, chatsdk.InMemory(), home.wrap)
	defer c.Close()
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		return err
	}
	c.Connect()
	time.Sleep(3 * time.Second)
	idle, err := talk(t, c, 10, time.Second)
	if err != nil {
		return err
	}
	path := filepath.Join(t.TempDir(), "film") // nothing but zeros, which take no room on most disks
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(path, 120<<20); err != nil {
		return err
	}
	u, err := c.Upload(t.Context(), upload.Request{Path: path})
	if err != nil {
		return err
	}
	time.Sleep(8 * time.Second)
	for _, x := range []struct {
		what  string
		n     int
		every time.Duration
	}{{"in a conversation", 30, 500 * time.Millisecond}, {"now and then", 10, 4 * time.Second}} {
		before, _, _ := c.GetUpload(t.Context(), u.ID)
		began := time.Now()
		p95, err := talk(t, c, x.n, x.every)
		if err != nil {
			return err
		}
		after, _, _ := c.GetUpload(t.Context(), u.ID)
		if after.State.Settled() {
			return fmt.Errorf("the upload is over: %+v", after)
		}
		used := float64(after.Progress.Acked-before.Progress.Acked) / time.Since(began).Seconds() / homeRate
		t.Logf("%s: %v, idle %v; the upload has %.2f of the link", x.what, p95, idle, used)
		if p95 >= 2*idle || used < 0.75 {
			return fmt.Errorf("%s p95 is %v, idle %v; the upload has %.2f of the link", x.what, p95, idle, used)
		}
	}
	return nil
}

func TestChatBesideUpload(t *testing.T) { holds(t, besideUpload) }
