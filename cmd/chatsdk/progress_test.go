package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for name, c := range map[string]struct {
		have, total int64
		rate        float64
		left        time.Duration
		want        string
	}{
		"nothing yet": {0, 50 << 20, 0, -1, "  0% [--------------------] 0 B of 50 MiB"},
		"under way":   {40 << 20, 50 << 20, 1.5 * (1 << 20), 6667 * time.Millisecond, " 80% [################----] 40 MiB of 50 MiB  1.5 MiB/s  7s left"},
		"nearly":      {1<<30 - 1, 1 << 30, 100, -1, " 99% [###################-] 1024 MiB of 1 GiB  100 B/s"},
		"empty file":  {0, 0, 0, -1, "100% [####################] 0 B of 0 B"},
		"too many":    {9, 5, 0, -1, "100% [####################] 9 B of 5 B"},
		"largest":     {math.MaxInt64, math.MaxInt64, 0, -1, "100% [####################] 8 EiB of 8 EiB"},
	} {
		if got := progressLine(c.have, c.total, c.rate, c.left); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestProgressOnlyOnTerminals writes nothing but notes to what is no terminal.
func TestProgressOnlyOnTerminals(t *testing.T) {
	var out strings.Builder
	p := newFileBar(&out)
	p.show(1, 2, 3, 4)
	p.note("one\nline")
	if out.String() != "chatsdk: one\\nline\n" {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	p.on = true
	p.show(1, 2, 0, -1)
	p.show(2, 2, 0, -1) // too soon
	p.note("done")
	if want := "\r 50% [##########----------] 1 B of 2 B\x1b[K\r\x1b[Kchatsdk: done\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
