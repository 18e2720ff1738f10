package api_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

func TestTimeoutOfAnUnmeasuredPath(t *testing.T) { check(checkToldTimeout).run(t) }

// checkToldTimeout loses the first request: it is sent again after what somebody else knows of the path, within the bounds,
// as long as nothing was measured here. The end of an outage forgets no measure, another network does.
func checkToldTimeout() error {
	for _, row := range []struct {
		name string
		told time.Duration // 0 is that nobody knows
		then func(c *api.Client)
		want time.Duration
	}{
		{"nobody knows", 0, nil, 10 * time.Second},
		{"somebody knows", 4 * time.Second, nil, 4 * time.Second},
		{"not below the bound", time.Second, nil, 2 * time.Second},
		{"not above it", time.Hour, nil, 30 * time.Second},
		// 3·(SRTT + 4·RTTVAR) for the path, and a second for the server.
		{"measured", 4 * time.Second, func(c *api.Client) { c.ObserveRTT(500 * time.Millisecond) }, 5500 * time.Millisecond},
		{"measured before an outage", 4 * time.Second, func(c *api.Client) {
			c.ObserveRTT(500 * time.Millisecond)
			c.NetworkBack()
		}, 5500 * time.Millisecond},
		{"measured on another network", 4 * time.Second, func(c *api.Client) {
			c.ObserveRTT(500 * time.Millisecond)
			c.NetworkChanged()
		}, 4 * time.Second},
	} {
		var sent atomic.Int32
		c, err := client(func(req *http.Request) (*http.Response, error) {
			if sent.Add(1) == 1 {
				return nil, silence(req)
			}
			return answer(req, 200, ""), nil
		}, api.Options{
			BaseURL: "http://host", Deadline: -1, RetryMin: 1, RetryMax: 1,
			AttemptTimeout: func() time.Duration { return row.told },
		})
		if err != nil {
			return err
		}
		if row.then != nil {
			row.then(c)
		}
		began := time.Now()
		_, _, err = get(context.Background(), c, "GET", "http://host/x", "")
		if took := time.Since(began).Round(time.Millisecond); took != row.want {
			return fmt.Errorf("%s: sent again after %v, want %v", row.name, took, row.want)
		}
		if err != nil {
			return err
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}
