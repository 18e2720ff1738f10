package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/upload"
)

// What watch says of the parts, in panel and lines alike. "-" is what isn't known, or isn't there.

func confidenceText(q quality.Report) string {
	if q.Confidence == 0 {
		return "-"
	}
	return percentText(q.Confidence)
}

func rttText(r quality.RTT) string {
	if r.Median == 0 {
		return "-"
	}
	text := millis(r.Median) + " ±" + millis(r.Variation) + ", 1 in 20 over " + millis(r.Tail)
	if r.Loaded > 0 {
		text += ", " + millis(r.Loaded) + " beside transfers"
	}
	return text
}

func lossText(l quality.Loss) string {
	if l.Segments == 0 {
		return "-"
	}
	text := percentText(l.Share) + " (" + percentText(l.Low) + " to " + percentText(l.High) + ")"
	if l.Inferred {
		text += ", by late answers"
	}
	return text
}

func goodputText(g quality.Goodput) string {
	rate := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return sizeText(int64(min(v, math.MaxInt64/2))) + "/s"
	}
	return "up " + rate(g.Up) + ", down " + rate(g.Down)
}

func outboxText(q statusQueue) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d queued, %d sending, %d parked", q.Queued, q.Sending, q.Parked)
	if q.Aside > 0 {
		fmt.Fprintf(&text, ", %d unreadable", q.Aside)
	}
	for i, what := range slices.Sorted(maps.Keys(q.Blocked)) {
		if i == 0 {
			text.WriteString(", waiting for")
		}
		fmt.Fprintf(&text, " %s %d", what, q.Blocked[what])
	}
	return text.String()
}

func uploadsText(u statusUploads) string {
	var parts []string
	for state := range upload.Cancelled {
		if n := u.States[state.String()]; n > 0 && state != upload.Done {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(state.String(), "_", " ")))
		}
	}
	if u.Total > 0 {
		parts = append(parts, howFar(u.Acked, u.Total))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func channelText(c inbox.Snapshot) string {
	if c.Synced {
		return fmt.Sprintf("caught up to %d", c.Top)
	}
	return fmt.Sprintf("received %d of %d", c.Top, max(c.Target, c.Top))
}

// because is a reason with what was wrong.
func because(reason string, err error) string {
	if err != nil {
		reason += ": " + plainError(err)
	}
	return reason
}

// millis is a time in milliseconds.
func millis(d time.Duration) string {
	return figure(float64(d)/float64(time.Millisecond)) + " ms"
}

// percentText is a share as a percentage.
func percentText(share float64) string { return figure(100*share) + "%" }

// figure has one decimal below 10, and none that says nothing.
func figure(v float64) string {
	if v < 9.95 {
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// shortTime is a time in whole seconds, with what is zero at its end left out: 3m12s, 2m, 0s.
func shortTime(d time.Duration) string {
	s := max(d, 0).Truncate(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
