package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/agent"
)

// TestBurstOfSendsIsFewEvents has the outbox full of entries, all of which go out with each change of one, and sends more
// of them in a row: what a reader gets stays bounded, and it sees each in time.
func TestBurstOfSendsIsFewEvents(t *testing.T) {
	const (
		many  = 100
		apart = 5 * time.Millisecond // as long as a disk takes
	)
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		if err := r.ada.Chat.SignOut(t.Context()); err != nil { // so that they stay in the queue
			t.Fatal(err)
		}
		for n := range many {
			r.send(fmt.Sprintf("old %d: %s", n, strings.Repeat("x", 200)), "")
		}
		time.Sleep(time.Second)
		now := r.state()
		s := r.open(fmt.Sprintf("?after=%d&run=%s", now.Seq, now.Run))
		defer s.close()
		synctest.Wait()

		began, done := time.Now(), make(chan struct{})
		go func() {
			defer close(done)
			for n := range many {
				r.send(fmt.Sprintf("new %d:", n), "")
				time.Sleep(apart)
			}
		}()
		events, bytes, latest, next := 0, 0, time.Duration(0), 0
		s.want("the last one", func(e sse) bool {
			events, bytes = events+1, bytes+len(e.data)
			for next < many && strings.Contains(e.data, fmt.Sprintf("new %d:", next)) {
				latest = max(latest, time.Since(began)-time.Duration(next)*apart)
				next++
			}
			return next == many
		})
		<-done
		t.Logf("%d events of %d bytes, the latest after %v", events, bytes, latest)
		// Ten looks in half a second, and one for the first.
		if events > 12 || bytes > events*40_000 {
			t.Errorf("%d events of %d bytes", events, bytes)
		}
		if latest > 100*time.Millisecond {
			t.Errorf("a message was shown after %v", latest)
		}
	})
}
