package demo

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/chatsdk/chatsdk/scenario"
)

// Write takes lines of the run.
func (p *play) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hearLocked() // what it is about comes first
	for rest := b; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		p.line = append(p.line, line[:min(len(line), lineBytes-len(p.line))]...)
		if rest = after; whole {
			p.sayLocked(string(p.line))
			p.line = p.line[:0]
		}
	}
	return len(b), nil
}

func (p *play) sayLocked(line string) {
	line = strings.TrimRight(line, "\r\n")
	p.lines = append(p.lines, strings.ToValidUTF8(line[:min(len(line), lineBytes)], ""))
	p.lines = p.lines[max(0, len(p.lines)-playLines):]
}

// hearLocked tells what has happened in the world since it was asked last.
func (p *play) hearLocked() {
	if p.world == nil {
		return
	}
	events := p.world.History.Since(p.heard)
	p.heard += len(events)
	for _, e := range events {
		if text := said(e); text != "" {
			p.sayLocked(fmt.Sprintf("%6.1fs  %-6s %s", e.At.Sub(p.began).Seconds(), e.Client, text))
		}
	}
}

// said is an event in words; "" where there would be a line for each message.
func said(e scenario.Event) string {
	switch e.Kind { //nolint:exhaustive // the others come with each message
	case scenario.KindFaultBegan:
		return "fault: " + e.Name
	case scenario.KindFaultEnded:
		return "over: " + e.Name
	case scenario.KindStarted:
		return "starts"
	case scenario.KindStopped:
		if e.Clean {
			return "stops"
		}
		return "is killed"
	case scenario.KindState:
		if e.From != e.To {
			return e.To + " (" + e.Reason + ")"
		}
	}
	return ""
}
