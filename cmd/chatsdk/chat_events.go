package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/upload"
)

// event is one thing that chat tells: an object for machines, a line for people.
type event interface {
	// plain is the line for people, "" where they needn't know. A notice goes to stderr, a result to stdout.
	plain() (line string, notice bool)
}

// head begins every event.
type head struct {
	Event string `json:"event"`
	T     stamp  `json:"t"`
}

func now(name string) head { return head{name, stamp(time.Now())} }

// stamp is a time as RFC 3339 in UTC with milliseconds.
type stamp time.Time

// MarshalText writes the time.
func (s stamp) MarshalText() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"), nil
}

type helloEvent struct {
	head
	Schema   int      `json:"schema"`
	Version  string   `json:"version"`
	Server   string   `json:"server"`
	User     string   `json:"user"`
	Device   string   `json:"device"`
	Channels []string `json:"channels"`
	From     string   `json:"from,omitempty"` // where chat began
	Durable  bool     `json:"durable"`
}

func (e helloEvent) plain() (string, bool) { return "", true }

type queuedEvent struct {
	head
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Durable bool   `json:"durable"`
}

func (e queuedEvent) plain() (string, bool) { return "", true }

type sentEvent struct {
	head
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Seq     uint64 `json:"seq"`
}

func (e sentEvent) plain() (string, bool) { return "", true } // the message itself is shown

// settledEvent is parked, cancelled or expired.
type settledEvent struct {
	head
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Reason  string `json:"reason"`
}

func (e settledEvent) plain() (string, bool) {
	return fmt.Sprintf("message for %s %s: %s", e.Channel, e.Event, e.Reason), true
}

type messageEvent struct {
	head
	Channel string `json:"channel"`
	Seq     uint64 `json:"seq"`
	ID      string `json:"id"`
	User    string `json:"user"`
	Text    string `json:"text"`
	Time    stamp  `json:"time"`
	Replay  bool   `json:"replay,omitempty"`

	Attachments json.RawMessage `json:"attachments,omitempty"`
}

func (e messageEvent) plain() (string, bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s [%s] %s: %s", time.Time(e.Time).Local().Format("15:04:05"), e.Channel, e.User, e.Text)
	for _, a := range chatsdk.Attachments(chatsdk.Message{Attachments: e.Attachments}) {
		fmt.Fprintf(&b, " <%s, %s, %s>", a.Name, sizeText(a.Size), a.ID)
	}
	return b.String(), false
}

// uploadEvent says how far an upload is.
type uploadEvent struct {
	head
	uploadJSON
}

func (e uploadEvent) plain() (string, bool) {
	switch {
	case e.Done:
		return "uploaded " + e.Name, true
	case e.State == upload.Failed.String(), e.State == upload.Cancelled.String():
		return strings.TrimSuffix("upload of "+e.Name+" "+e.State+": "+e.Error, ": "), true
	}
	return "", true
}

type stateEvent struct {
	head
	From      string `json:"from"`
	To        string `json:"to"`
	Reason    string `json:"reason"`
	Error     string `json:"error,omitempty"`
	Attempt   int    `json:"attempt"`
	RetryInMS int64  `json:"retryInMs"`
}

func (e stateEvent) plain() (string, bool) {
	if e.From == e.To { // one more attempt, or the state at the start
		return "", true
	}
	return fmt.Sprintf("%s (%s)", e.To, e.Reason), true
}

type syncedEvent struct {
	head
	Channel string `json:"channel"`
}

func (e syncedEvent) plain() (string, bool) { return "", true }

type tokenEvent struct {
	head
	State  string `json:"state"`
	Reason string `json:"reason"`
}

func (e tokenEvent) plain() (string, bool) { return "", true }

// qualityEvent says how good the network is.
type qualityEvent struct {
	head
	statusQuality
}

func (e qualityEvent) plain() (string, bool) { return "", true } // state tells people what they can act on

// diskEvent says whether messages can be kept.
type diskEvent struct {
	head
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"`
}

func (e diskEvent) plain() (string, bool) {
	if e.OK {
		return "messages can be kept again", true
	}
	return "messages can't be kept: " + e.Message, true
}

type errorEvent struct {
	head
	Code    string `json:"code"`
	Message string `json:"message"`
	Op      string `json:"op,omitempty"`
	ID      string `json:"id,omitempty"`
	Channel string `json:"channel,omitempty"`
}

func (e errorEvent) plain() (string, bool) { return e.Message, true }

type statusEvent struct {
	head
	Schema     int                      `json:"schema"`
	User       string                   `json:"user"`
	Device     string                   `json:"device"`
	Token      statusToken              `json:"token"`
	Connection statusConnection         `json:"connection"`
	Queue      statusQueue              `json:"queue"`
	Uploads    statusUploads            `json:"uploads"`
	Channels   map[string]statusChannel `json:"channels"`
	Quality    statusQuality            `json:"quality"`
}

// statusQuality is what is known of the network.
type statusQuality struct {
	Level      string  `json:"level"`
	Reach      string  `json:"reach"`
	RTTMS      float64 `json:"rttMs"`      // median; 0 while unknown
	LossPct    float64 `json:"lossPct"`    // of segments; 0 while unknown
	Confidence float64 `json:"confidence"` // that level and reach are right, 0 to 1
	Reason     string  `json:"reason"`

	Since       *stamp  `json:"since,omitempty"` // when level or reach changed last
	VariationMS float64 `json:"rttVariationMs"`
	TailMS      float64 `json:"rttTailMs"` // one round trip in 20 takes longer
	LossLowPct  float64 `json:"lossLowPct"`
	LossHighPct float64 `json:"lossHighPct"` // and up to here: 95% sure
	GoodputUp   float64 `json:"goodputUp"`   // bytes a second; 0 while unknown
	GoodputDown float64 `json:"goodputDown"`
	Drops       int     `json:"drops"` // of connections in the last hour
}

type statusToken struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
}

type statusConnection struct {
	State     string  `json:"state"`
	Since     stamp   `json:"since"`
	Reason    string  `json:"reason"`
	Error     string  `json:"error,omitempty"`
	Attempt   int     `json:"attempt"`
	RetryInMS int64   `json:"retryInMs"`
	RTTMS     float64 `json:"rttMs"` // smoothed; 0 before the first measure
}

type statusQueue struct {
	Durable bool           `json:"durable"`
	Account string         `json:"account,omitempty"` // whose messages are sent; none until somebody is known
	Queued  int            `json:"queued"`
	Sending int            `json:"sending"`
	Parked  int            `json:"parked"`
	Aside   int            `json:"aside"` // rows that can't be read; see outbox export
	Bytes   int64          `json:"bytes"` // of all these
	Paused  bool           `json:"paused"`
	Blocked map[string]int `json:"blocked"`           // queued ones by what they wait for
	Oldest  *stamp         `json:"oldest,omitempty"`  // when the oldest that isn't sent was queued
	NextTry *stamp         `json:"nextTry,omitempty"` // when what waits for a time goes on
	Error   string         `json:"error,omitempty"`   // why the disk can't be written
}

type statusUploads struct {
	States map[string]int `json:"states"`
	Acked  int64          `json:"acked"` // bytes that the server has of those that aren't done
	Total  int64          `json:"total"` // and all bytes of those
	Aside  int            `json:"aside"`
	Error  string         `json:"error,omitempty"`
}

type statusChannel struct {
	Synced    bool   `json:"synced"`
	Received  uint64 `json:"received"`
	Processed uint64 `json:"processed"`
	Newest    uint64 `json:"newest"`
}

func (e statusEvent) plain() (string, bool) { return "", true }
