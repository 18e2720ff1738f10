package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	// hourMark begins the lines of TestVirtualHour that hold a result.
	hourMark = "HOUR "
	// hourLimit bounds the test.
	hourLimit = 4 * time.Minute
)

// hour is how one hour of virtual time went, with its clock virtual and everything else real.
type hour struct {
	Clients     int     `json:"clients"`
	Loss        float64 `json:"loss"`
	Messages    int     `json:"messages"`
	Reconnects  int     `json:"reconnects"`
	WallSeconds float64 `json:"wallSeconds"`
}

// measureHour runs the test: virtual time exists in tests only.
func measureHour(ctx context.Context, _ config, _ string, r *report) error {
	ctx, cancel := context.WithTimeout(ctx, hourLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-run", "^TestVirtualHour$", "-v", "-timeout", hourLimit.String(), ".")
	out, err := cmd.CombinedOutput()
	for line := range bytes.Lines(out) {
		_, text, ok := strings.Cut(string(line), hourMark)
		if !ok {
			continue
		}
		var h hour
		if e := json.Unmarshal([]byte(text), &h); e != nil {
			return fmt.Errorf("read the test's result: %w", e)
		}
		r.Hours = append(r.Hours, h)
	}
	if err != nil {
		return fmt.Errorf("virtual hour: %w\n%s", err, out)
	}
	if len(r.Hours) == 0 {
		return errors.New("virtual hour: the test printed no result")
	}
	return nil
}
