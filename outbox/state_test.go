package outbox_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/outbox"
)

// TestNext has each state's answer to each event, in the order transmit, ack, delivered, refuse, retry, cancel, expire,
// park, edit, resume, discard; "" is a refusal.
func TestNext(t *testing.T) {
	for s, row := range map[outbox.State][11]string{
		outbox.Queued:    {"sending", "", "sent", "", "", "cancelled", "expired", "parked", "queued", "", ""},
		outbox.Sending:   {"sending", "sent", "sent", "parked", "sending", "", "", "parked", "", "", ""},
		outbox.Sent:      {},
		outbox.Parked:    {"", "", "sent", "", "", "", "", "", "", "queued", "cancelled"},
		outbox.Cancelled: {},
		outbox.Expired:   {},
	} {
		for i, want := range row {
			to, ok := outbox.Next(s, outbox.Events[i])
			if ok != (want != "") || ok && to.String() != want || !ok && to != s {
				t.Errorf("%v, event %d: %v %v, want %q", s, i, to, ok, want)
			}
		}
	}
}
