package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
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
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\nlacks %s", b.String(), want)
		}
	}
}
