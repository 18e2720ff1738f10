package agent

import (
	"encoding/json"
	"time"
)

// schema is the version of the API.
const schema = 1

// Snapshot is all that the agent knows at one time, as GET /v1/state tells it. Numbers that aren't known are nil.
type Snapshot struct {
	Schema  int    `json:"schema"`
	Run     string `json:"run"` // another one for each agent: ids of events are its own
	Seq     uint64 `json:"seq"` // id of the last event that is in it
	Version string `json:"version"`
	Server  string `json:"server"`
	Time    Time   `json:"time"` // by the agent's clock

	Session    Session            `json:"session"`
	Quality    Quality            `json:"quality"`
	Connection Connection         `json:"connection"`
	Outbox     Outbox             `json:"outbox"`
	Uploads    []Upload           `json:"uploads"`
	Channels   map[string]Channel `json:"channels"`
}

// Time is a time that is told in RFC 3339, UTC, with milliseconds.
type Time struct{ time.Time }

// MarshalJSON writes the time; the zero one is null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// Session is who is signed in.
type Session struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
	User   string `json:"user"`
	Device string `json:"device"`
}

// Quality is what is known of the network.
type Quality struct {
	Level       string   `json:"level"`
	Reach       string   `json:"reach"`
	Reason      string   `json:"reason"`
	RTTMS       *float64 `json:"rttMs"`
	VariationMS *float64 `json:"variationMs"`
	TailMS      *float64 `json:"tailMs"`
	LoadedMS    *float64 `json:"loadedMs"`
	LossPct     *float64 `json:"lossPct"`
	LossLowPct  *float64 `json:"lossLowPct"`
	LossHighPct *float64 `json:"lossHighPct"`
	UpBPS       *float64 `json:"upBps"` // bits a second
	DownBPS     *float64 `json:"downBps"`
	DropsAnHour int      `json:"dropsAnHour"`
	Confidence  float64  `json:"confidence"`
	AgeMS       int64    `json:"ageMs"` // of the newest evidence
	Since       Time     `json:"since"` // level or reach changed last
}

// Connection is the realtime connection, and the circuit of the HTTP calls beside it.
type Connection struct {
	State   string `json:"state"`
	Synced  bool   `json:"synced"` // connected, and every followed channel has caught up
	Since   Time   `json:"since"`
	Reason  string `json:"reason"`
	Error   string `json:"error"`
	Attempt int    `json:"attempt"`
	RetryAt Time   `json:"retryAt"` // null where no try waits for a time
	Circuit string `json:"circuit"`
}

// Outbox is what is on its way out.
type Outbox struct {
	Durable bool           `json:"durable"`
	Queued  int            `json:"queued"`
	Sending int            `json:"sending"`
	Parked  int            `json:"parked"`
	Bytes   int64          `json:"bytes"`
	Blocked map[string]int `json:"blocked"`
	Oldest  Time           `json:"oldest"`
	NextTry Time           `json:"nextTry"`
	Entries []Entry        `json:"entries"` // the 100 newest that aren't settled, and the 20 last settled in this run
}

// Entry is one message of the outbox.
type Entry struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Text    string `json:"text"` // its first 200 characters
	State   string `json:"state"`
	Reason  string `json:"reason"` // what it waits for, or why it is parked
	Seq     uint64 `json:"seq"`
	At      Time   `json:"at"` // it was queued
}

// Upload is one file on its way.
type Upload struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Channel     string   `json:"channel"`
	Sent        int64    `json:"sent"` // bytes that the server has
	Total       int64    `json:"total"`
	ResumedFrom int64    `json:"resumedFrom"`
	State       string   `json:"state"`
	Error       string   `json:"error"`
	BPS         *float64 `json:"bps"` // bits a second
}

// Channel is one that is followed.
type Channel struct {
	Synced    bool   `json:"synced"`
	Received  uint64 `json:"received"`
	Processed uint64 `json:"processed"`
	Newest    uint64 `json:"newest"`
}

// Message is a message of a channel, as event and as history tell it.
type Message struct {
	Channel     string          `json:"channel"`
	Seq         uint64          `json:"seq"`
	ID          string          `json:"id"`
	User        string          `json:"user"`
	Text        string          `json:"text"`
	Time        Time            `json:"time"`
	Attachments json.RawMessage `json:"attachments"` // a list
	Replay      bool            `json:"replay"`      // may have been told before an unclean end
}

// part is a key of the snapshot that changes.
type part int

const (
	partSession part = iota
	partQuality
	partConnection
	partOutbox
	partUploads
	partChannels
	partCount
)

var partNames = [partCount]string{"session", "quality", "connection", "outbox", "uploads", "channels"}

// partSet is a set of parts, a bit for each.
type partSet uint8

func (p part) set() partSet { return 1 << p }

// values are the parts as JSON.
type values [partCount]json.RawMessage

// object is an object of those in set.
func (v *values) object(set partSet) []byte {
	b := []byte{'{'}
	for p, name := range partNames {
		if set&part(p).set() != 0 {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(append(append(b, '"'), name...), `":`...), v[p]...)
		}
	}
	return append(b, '}')
}
