package tcpinfo_test

import (
	"io"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/netns"
)

// TestRealLoss has a real kernel lose real packets: in a network namespace of its own it takes the loopback down
// under a connection. The counters must tell of it while the program sees nothing, and that it is over afterwards.
func TestRealLoss(t *testing.T) { netns.Run(t, loseForReal) }

func loseForReal(t *testing.T) {
	netns.IP(t, "link set lo up")
	client, server := tcpPair(t)
	r := reader(t, client)
	for range 10 { // so that the timeout is the shortest, of 200 ms
		echo(t, client, server, 100)
	}
	if s := reading(t, r); s.Retransmitted != 0 || s.Unacked != 0 {
		t.Fatalf("before the loss: %+v", s)
	}
	netns.IP(t, "link set lo down")
	_, err := client.Write([]byte("lost"))
	must(t, err)
	start := time.Now()
	for s := reading(t, r); s.Retransmitted < 2; s = reading(t, r) {
		if s.Unacked == 0 || time.Since(start) > 30*time.Second {
			t.Fatalf("while nothing passes: %+v", s)
		}
	}
	netns.IP(t, "link set lo up")
	_, err = io.ReadFull(server, make([]byte, 4))
	must(t, err)
	for s := reading(t, r); s.Unacked != 0; s = reading(t, r) {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("after it: %+v", s)
		}
	}
	t.Logf("after it: %+v", reading(t, r))
}
