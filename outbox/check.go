package outbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
)

// maxChannel is the longest channel name that a server takes.
const maxChannel = 64

// check fills in what the caller may leave out and refuses what no server would take.
func (o *Options) check(e Entry) (Entry, error) {
	e = Entry{ID: e.ID, Channel: e.Channel, Text: e.Text, Attachments: e.Attachments}.clone()
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return e, fmt.Errorf("outbox: make id: %w", err)
		}
		e.ID = id.String()
	}
	id, err := uuid.Parse(e.ID)
	switch {
	case err != nil || len(e.ID) != 36:
		return e, &InvalidError{Field: "id", Reason: "it must be a UUID such as 0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182"}
	case e.Channel == "" || len(e.Channel) > maxChannel:
		return e, &InvalidError{Field: "channel", Reason: fmt.Sprintf("it must have 1 to %d characters", maxChannel)}
	case e.Text == "" && len(e.Attachments) == 0:
		return e, &InvalidError{Field: "text", Reason: "it is empty"}
	case len(e.Text) > o.MaxTextBytes:
		return e, &InvalidError{Field: "text", Reason: fmt.Sprintf("%d bytes are more than the %d that fit", len(e.Text), o.MaxTextBytes)}
	case !utf8.ValidString(e.Text):
		return e, &InvalidError{Field: "text", Reason: "it isn't UTF-8"}
	case len(e.Attachments) > 0 && !json.Valid(e.Attachments):
		return e, &InvalidError{Field: "attachments", Reason: "they aren't JSON"}
	}
	e.ID = id.String()
	if n := e.size(); n > o.MaxEntryBytes {
		return e, &InvalidError{Field: "entry", Reason: fmt.Sprintf("as JSON it has %d bytes, more than the %d that fit a frame", n, o.MaxEntryBytes)}
	}
	return e, nil
}

// entryFrame is what the JSON of an entry has beside text, channel and attachments.
const entryFrame = 128

// size is about how many bytes the entry has as JSON.
func (e Entry) size() int {
	b, err := json.Marshal(e.Text)
	if err != nil {
		return len(e.Text)
	}
	return len(b) + len(e.Channel) + len(e.Attachments) + entryFrame
}

func sortByOrder(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Order, b.Order) })
}
