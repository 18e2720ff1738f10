package outbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// maxChannel is the longest channel name that a server takes.
const maxChannel = 64

// Check fills in what may be left out of an entry that is to be handed over to another process's queue, and refuses what
// no queue with the default options takes. Errors are *InvalidError.
func Check(e Entry) (Entry, error) {
	o := Options{MaxTextBytes: maxTextBytes, MaxEntryBytes: maxEntryBytes}
	return o.check(e)
}

// check fills in what the caller may leave out and refuses what no server would take.
func (o *Options) check(e Entry) (Entry, error) {
	e = Entry{
		ID: e.ID, Account: e.Account, Channel: e.Channel, Text: e.Text, Attachments: e.Attachments,
		After: e.After, Needs: e.Needs, ExpiresIn: e.ExpiresIn,
	}.clone()
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
	case len(e.After) > maxWaits:
		return e, &InvalidError{Field: "after", Reason: fmt.Sprintf("more than %d entries to wait for", maxWaits)}
	case len(e.Needs) > maxWaits:
		return e, &InvalidError{Field: "needs", Reason: fmt.Sprintf("more than %d things to wait for", maxWaits)}
	}
	e.ID = id.String()
	for i, id := range e.After {
		e.After[i] = strings.ToLower(id)
	}
	for i, n := range e.Needs {
		if n.Name == "" || len(n.Name) > maxNeedName || slices.ContainsFunc(e.Needs[:i], func(m Need) bool { return m.Name == n.Name }) {
			return e, &InvalidError{Field: "needs", Reason: fmt.Sprintf("each has a name of its own of 1 to %d characters", maxNeedName)}
		}
		e.Needs[i].Result = nil
	}
	return e, o.checkContent(e)
}

// maxWaits is the most entries, and the most things beside them, that one entry may wait for.
const maxWaits = 16

// maxNeedName is the longest name of a need.
const maxNeedName = 256

// checkContent refuses content that no server would take.
func (o *Options) checkContent(e Entry) error {
	var list []json.RawMessage
	switch {
	case e.Text == "" && len(e.Attachments) == 0 && len(e.Needs) == 0:
		return &InvalidError{Field: "text", Reason: "it is empty"}
	case len(e.Text) > o.MaxTextBytes:
		return &InvalidError{Field: "text", Reason: fmt.Sprintf("%d bytes are more than the %d that fit", len(e.Text), o.MaxTextBytes)}
	case !utf8.ValidString(e.Text):
		return &InvalidError{Field: "text", Reason: "it isn't UTF-8"}
	case len(e.Attachments) > 0 && json.Unmarshal(e.Attachments, &list) != nil:
		return &InvalidError{Field: "attachments", Reason: "they aren't a JSON list"}
	}
	if n := e.size(); n > o.MaxEntryBytes {
		return &InvalidError{Field: "entry", Reason: fmt.Sprintf("as JSON it has %d bytes, more than the %d that fit a frame", n, o.MaxEntryBytes)}
	}
	return nil
}

// entryFrame is what the JSON of an entry has beside text, channel and attachments.
const entryFrame = 128

// size is about how many bytes the entry has as JSON.
func (e *Entry) size() int {
	n := jsonLen(e.Text) + len(e.Channel) + len(e.Attachments) + entryFrame
	for _, need := range e.Needs {
		n += len(need.Result) + 1
	}
	return n
}

// jsonMore is how many bytes more than one a byte takes in a JSON string, as package json writes it.
var jsonMore = func() (more [256]uint8) {
	for c := range ' ' {
		more[c] = 5
	}
	for _, c := range "<>&" {
		more[c] = 5
	}
	for _, c := range "\"\\\n\r\t\b\f" {
		more[c] = 1
	}
	return more
}()

// jsonLen is the length of s as a JSON string, as package json writes it.
func jsonLen(s string) int {
	n := len(s) + 2
	for i := range len(s) {
		n += int(jsonMore[s[i]])
	}
	return n + 3*(strings.Count(s, "\u2028")+strings.Count(s, "\u2029"))
}

func sortByOrder(entries []Entry) {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Order, b.Order) })
}

func sortChanges(changes []Change) {
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Entry.Order, b.Entry.Order) })
}
