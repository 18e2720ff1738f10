package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

// TestAlarmServesOneAttemptAfterTheOther: each has its own time, whatever the alarm was set for before.
func TestAlarmServesOneAttemptAfterTheOther(t *testing.T) { check(checkAlarm).run(t) }

func checkAlarm() error {
	var last api.Attempt
	c, err := client(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/silent" {
			return nil, silence(req)
		}
		return answer(req, 200, ""), nil
	}, api.Options{Deadline: -1, MaxAttempts: 1, AttemptMin: 2 * time.Second, OnAttempt: func(a api.Attempt) { last = a }})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, row := range []struct {
		name  string
		after time.Duration // since the last call
	}{
		{"while it is set for later", 0}, // the first call knew nothing of the host
		{"while it is set for earlier", 1500 * time.Millisecond},
		{"after it rang", 5 * time.Second},
	} {
		if status, _, err := get(ctx, c, "GET", "/ok", ""); err != nil || status != 200 {
			return fmt.Errorf("%s: %d, %w", row.name, status, err)
		}
		time.Sleep(row.after)
		_, _, err := get(ctx, c, "GET", "/silent", "")
		if !errors.Is(last.Err, api.ErrTimeout) || last.Duration != 2*time.Second {
			return fmt.Errorf("%s: an attempt of 2s took %v: %w", row.name, last.Duration, err)
		}
	}
	return c.Close()
}
