package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// progressEvery is how often a person is shown how far a file is.
const progressEvery = 100 * time.Millisecond

// fileBar shows on a terminal how far a file is, in one line that is written over.
type fileBar struct {
	w     io.Writer
	on    bool
	shown time.Time // last; zero while no line is there
}

func newFileBar(w io.Writer) *fileBar { return &fileBar{w: w, on: isTerminal(w)} }

// show replaces the line. rate is in bytes a second, 0 if unknown; left is below 0 if unknown.
func (p *fileBar) show(have, total int64, rate float64, left time.Duration) {
	if now := time.Now(); p.on && now.Sub(p.shown) >= progressEvery {
		p.shown = now
		_, _ = io.WriteString(p.w, "\r"+progressLine(have, total, rate, left)+"\x1b[K") // nobody misses one that can't be shown
	}
}

// note writes a line that stays.
func (p *fileBar) note(line string) {
	p.clear()
	_, _ = fmt.Fprintln(p.w, "chatsdk: "+printable(line))
}

// clear takes the line away.
func (p *fileBar) clear() {
	if !p.shown.IsZero() {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = time.Time{}
	}
}

// barWidth leaves room for the numbers in 80 columns.
const barWidth = 20

func progressLine(have, total int64, rate float64, left time.Duration) string {
	full := barWidth
	if total > 0 {
		full = int(float64(min(max(have, 0), total)) / float64(total) * barWidth)
	}
	line := fmt.Sprintf("%3d%% [%s%s] %s of %s", percent(have, total), strings.Repeat("#", full), strings.Repeat("-", barWidth-full),
		sizeText(have), sizeText(total))
	if rate > 0 {
		line += fmt.Sprintf("  %s/s", sizeText(int64(rate)))
	}
	if left >= 0 && rate > 0 {
		line += "  " + left.Round(time.Second).String() + " left"
	}
	return line
}

// percent rounds down: 100 is all.
func percent(have, total int64) int {
	if total <= 0 {
		return 100
	}
	return int(float64(min(max(have, 0), total)) / float64(total) * 100)
}

// sizeText is a size for people, such as 1.5 MiB.
func sizeText(n int64) string {
	const units = "KMGTPE"
	v, unit := float64(n), -1
	for v >= 1024 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	if unit < 0 {
		return fmt.Sprint(n, " B")
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + units[unit:unit+1] + "iB"
}

// howFar is "80% (40 MiB of 50 MiB)".
func howFar(have, total int64) string {
	return fmt.Sprintf("%d%% (%s of %s)", percent(have, total), sizeText(have), sizeText(total))
}
