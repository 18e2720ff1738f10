package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// levelLook is how a level looks. Icon and label say the same as the colour.
type levelLook struct{ icon, label, colour string }

// levelLooks are those of the first sketch; offline and unknown, which it drew as poor and as good, have shapes of their own.
var levelLooks = [...]levelLook{
	quality.Unknown:   {"···", "Unknown", "8"},
	quality.Excellent: {"●●●", "Excellent", "2"},
	quality.Good:      {"●●○", "Good", "2"},
	quality.Fair:      {"●○○", "Fair", "3"},
	quality.Poor:      {"○○○", "Poor", "208"},
	quality.Offline:   {"×××", "Offline", "1"},
}

// sight is one look at a client.
type sight struct {
	at      time.Time
	status  chatsdk.Status
	retryAt time.Time // when the connection is tried again; zero if nothing waits
	notice  string    // the newest thing that a person should know, or ""
}

// panel is what is shown of a client, and what its last minutes were like. It has no clock and no terminal, and keeps the
// same few numbers for ever.
type panel struct {
	sight

	past  history
	still bool // there is one look only
}

// apply takes the newest look.
func (p *panel) apply(s sight) {
	p.sight = s
	p.past.add(s.at, s.status.Quality)
}

const (
	// labelWidth holds the longest label and a space.
	labelWidth = 12
	// sparkRoom is kept free behind the sparkline for its highest value.
	sparkRoom = 10
)

// row is a line of the panel: what it is, and what is so.
type row struct{ label, text string }

// view draws the panel: at most height lines, none wider than width. What doesn't fit is cut.
func (p *panel) view(width, height int, coloured bool) string {
	width, height = max(width, 1), max(height, 1)
	lines := p.lines(width, coloured)
	foot := "q quits"
	if p.notice != "" {
		foot += ": " + p.notice
	}
	lines = lines[:min(len(lines), max(height-1, 1))]
	if len(lines) < height {
		_, faint := p.styles(coloured)
		lines = append(lines, faint.Render(cut(foot, width)))
	}
	return strings.Join(lines, "\n")
}

// styles are those of the level, and of what is said beside what is so.
func (p *panel) styles(coloured bool) (strong, faint lipgloss.Style) {
	if !coloured {
		return lipgloss.NewStyle(), lipgloss.NewStyle()
	}
	return lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Color(levelLooks[p.status.Quality.Level].colour)), lipgloss.NewStyle().Faint(true)
}

// lines are all that there is to see.
func (p *panel) lines(width int, coloured bool) []string {
	strong, faint := p.styles(coloured)
	look := levelLooks[p.status.Quality.Level]
	lines := []string{faint.Render(cut(p.title(), width)), strong.Render(cut(look.icon+" "+look.label, width))}
	for _, r := range p.rows(width) {
		label := cut(fmt.Sprintf("%-*s", labelWidth, cut(r.label, labelWidth-1)), width) // labels are one column a letter
		lines = append(lines, faint.Render(label)+cut(r.text, width-labelWidth))
	}
	return lines
}

func (p *panel) title() string {
	user := p.status.User
	if user == "" {
		user = "nobody"
	}
	return user + " at " + p.status.Server
}

// rows are the lines below the level, the most wanted first: what has no room in the terminal is left out.
func (p *panel) rows(width int) []row {
	q, c := p.status.Quality, p.status.Connection
	rows := []row{
		{"Reach", q.Reach.String()},
		{"Reason", string(q.Reason)},
		{"Confidence", confidenceText(q)},
		{"Since", p.since(q.Since)},
		{"RTT", rttText(q.RTT)},
	}
	if !p.still {
		rows = append(rows, p.spark(width))
	}
	rows = append(
		rows,
		row{"Loss", lossText(q.Loss)},
		row{"Goodput", goodputText(q.Goodput)},
		row{"Drops", fmt.Sprintf("%d in the last hour", q.Drops)},
		row{"Connection", p.connectionText()},
	)
	if c.State != realtime.Connected {
		rows = append(rows, row{"", because(string(c.Reason), c.Err)})
	}
	rows = append(rows, row{"Session", p.sessionText()})
	if err := p.status.Session.Err; err != nil {
		rows = append(rows, row{"", plainError(err)})
	}
	rows = append(rows, row{"Outbox", outboxText(queueStatus(p.status.Queue, p.status.Durable))}, row{"Uploads", uploadsText(uploadsStatus(p.status.Uploads))})
	for _, name := range slices.Sorted(maps.Keys(p.status.Channels)) {
		rows = append(rows, row{"#" + name, channelText(p.status.Channels[name])})
	}
	for _, err := range []error{p.status.Queue.Err, p.status.Uploads.Err} {
		if err != nil {
			rows = append(rows, row{"Disk", plainError(err)})
		}
	}
	return rows
}

// spark is the line under the round-trip time.
func (p *panel) spark(width int) row {
	room := min(width-labelWidth-sparkRoom, pastSlots)
	if room < sparkRoom { // the highest value is worth less than the line
		room = min(width-labelWidth, pastSlots)
	}
	bars, highest := p.past.spark(max(room, 1))
	text := bars
	if highest > 0 {
		text += " ≤" + millis(highest)
	}
	return row{" last " + shortTime(time.Duration(max(room, 1))*slotTime), text}
}

func (p *panel) connectionText() string {
	c := p.status.Connection
	text := c.State.String()
	switch c.State {
	case realtime.Connecting, realtime.Reconnecting, realtime.Suspended:
		text += fmt.Sprintf(", try %d", c.Attempt+1)
		if left := p.retryAt.Sub(p.at); !p.retryAt.IsZero() && left > 0 {
			text += " in " + shortTime(left+time.Second-1) // rounded up: it ends with 1s, and not with 0s
		}
	case realtime.Disconnected, realtime.Connected, realtime.Failed:
	}
	return text + ", since " + p.since(c.Since)
}

func (p *panel) sessionText() string {
	s := p.status.Session
	text := s.State.String()
	if s.Reason != "" {
		text += " (" + s.Reason + ")"
	}
	if s.Attempt > 0 {
		text += fmt.Sprintf(", %d refreshes failed", s.Attempt)
	}
	return text
}

// since is a time of day and how long ago that was.
func (p *panel) since(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(p.at.Location()).Format(time.TimeOnly) + " (" + shortTime(p.at.Sub(t)) + ")"
}

// cut makes a text fit into so many columns. What a terminal would obey becomes readable first.
func cut(s string, width int) string {
	s = strings.ReplaceAll(printable(s), "\t", " ")
	switch {
	case width <= 0:
		return ""
	case lipgloss.Width(s) <= width:
		return s
	case width == 1:
		return "…"
	}
	return lipgloss.NewStyle().MaxWidth(width-1).Render(s) + "…"
}
