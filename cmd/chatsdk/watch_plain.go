package main

import (
	"fmt"
	"reflect"
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// plainWatch says in lines what changes, where there is no terminal for a panel.
type plainWatch struct {
	connection     string // state and reason of the last line
	queue, uploads string
}

// line is an event's line, "" where there is nothing new to say.
func (p *plainWatch) line(e event) (string, bool) {
	text := ""
	switch e := e.(type) {
	case helloEvent:
		text = "watching " + e.Server + " for " + e.User
	case stateEvent:
		text = p.stateLine(e)
	case tokenEvent:
		text = "session " + e.State + " (" + e.Reason + ")"
	case qualityEvent:
		text = qualityLine(e.statusQuality)
	case syncedEvent:
		text = "channel " + e.Channel + " caught up"
	case statusEvent:
		text = p.statusLine(e)
	default: // uploads, the disk, errors: as chat tells them
		return e.plain()
	}
	if text == "" {
		return "", false
	}
	return time.Now().Format(time.TimeOnly) + " " + text, false
}

// stateLine leaves out tries that fail as the one before did.
func (p *plainWatch) stateLine(e stateEvent) string {
	text := "connection " + e.To + " (" + e.Reason + ")"
	if text == p.connection {
		return ""
	}
	p.connection = text
	if e.RetryInMS > 0 {
		text += fmt.Sprintf(", try %d in %v", e.Attempt+1, time.Duration(e.RetryInMS)*time.Millisecond)
	}
	if e.Error != "" {
		text += ": " + e.Error
	}
	return text
}

func qualityLine(q statusQuality) string {
	var level quality.Level
	_ = level.UnmarshalText([]byte(q.Level)) // unknown else
	look := levelLooks[level]
	text := look.icon + " " + look.label + ", " + q.Reach + " (" + q.Reason + ")"
	if q.RTTMS > 0 {
		text += ", " + figure(q.RTTMS) + " ms"
	}
	if q.Confidence > 0 {
		text += ", " + percentText(q.Confidence) + " sure"
	}
	return text
}

// statusLine is how queue and uploads are, where that is new.
func (p *plainWatch) statusLine(s statusEvent) string {
	was := *p
	p.queue, p.uploads = outboxText(s.Queue), uploadsText(s.Uploads)
	if *p == was {
		return ""
	}
	return "outbox " + p.queue + "; uploads " + p.uploads
}

// sameStatus says whether two say the same, at whatever times.
func sameStatus(a, b statusEvent) bool {
	a.head = b.head
	return reflect.DeepEqual(a, b)
}
