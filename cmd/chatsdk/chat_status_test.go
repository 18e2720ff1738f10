package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/upload"
)

// TestStatusTellsEverything has a queue with everything that can be with it.
func TestStatusTellsEverything(t *testing.T) {
	e := statusOf(chatsdk.Status{
		Durable: true,
		Queue: outbox.Snapshot{
			Account: "ada@http://here", Queued: 3, Sending: 1, Parked: 2, Aside: 1, Bytes: 99, Paused: true,
			Oldest: time.Unix(1, 0), NextTry: time.Unix(2, 0), Blocked: map[outbox.Blocked]int{outbox.BlockedPaused: 3},
			Err: errors.New("no room"),
		},
		Quality: quality.Report{
			Level: quality.Fair, Reach: quality.ReachOnline, Reason: quality.ReasonLoss, Since: time.Unix(3, 0), Confidence: 0.5, Drops: 4,
			RTT:  quality.RTT{Median: 84500 * time.Microsecond, Variation: 6 * time.Millisecond, Tail: 101 * time.Millisecond},
			Loss: quality.Loss{Share: 0.25, Low: 0.125, High: 0.5, Segments: 9}, Goodput: quality.Goodput{Up: 1000, Down: 2000},
		},
		Uploads: upload.Snapshot{States: map[upload.State]int{upload.Uploading: 1}, Acked: 5, Total: 7, Aside: 1, Err: errors.New("none here either")},
	})
	var b bytes.Buffer
	if err := printJSON(&b, e); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"queue":{"durable":true,"account":"ada@http://here","queued":3,"sending":1,"parked":2,"aside":1,"bytes":99,"paused":true,` +
			`"blocked":{"paused":3},"oldest":"1970-01-01T00:00:01.000Z","nextTry":"1970-01-01T00:00:02.000Z","error":"no room"}`,
		`"uploads":{"states":{"uploading":1},"acked":5,"total":7,"aside":1,"error":"none here either"}`,
		`"quality":{"level":"fair","reach":"online","rttMs":84.5,"lossPct":25,"confidence":0.5,"reason":"loss","since":"1970-01-01T00:00:03.000Z",` +
			`"rttVariationMs":6,"rttTailMs":101,"lossLowPct":12.5,"lossHighPct":50,"goodputUp":1000,"goodputDown":2000,"drops":4}`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\nlacks %s", b.String(), want)
		}
	}
}
