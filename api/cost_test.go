package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"

	"github.com/chatsdk/chatsdk/api"
)

// TestHappyCallAllocates bounds what a call costs above its transport; bench compares it with others.
func TestHappyCallAllocates(t *testing.T) {
	bare := transport(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &body{Reader: io.MultiReader()}, Request: req}, nil
	})
	watcher := transport(func(req *http.Request) (*http.Response, error) {
		ctx, cancel := context.WithCancel(req.Context()) // as net/http does
		defer cancel()
		if hooks := httptrace.ContextClientTrace(ctx); hooks != nil {
			hooks.GotConn(httptrace.GotConnInfo{})
		}
		return bare(req)
	})
	for _, row := range []struct {
		name string
		rt   transport
		most float64
	}{
		{"a transport", bare, 1},
		{"a transport that watches its context", watcher, 10},
	} {
		c, err := client(row.rt, api.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		above := allocations(t, c) - allocations(t, row.rt)
		t.Logf("%v allocations above %s", above, row.name)
		if above > row.most {
			t.Errorf("a happy call allocates %v times above %s, at most %v", above, row.name, row.most)
		}
	}
}

func allocations(t *testing.T, rt http.RoundTripper) float64 {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base+"/api/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	return testing.AllocsPerRun(200, func() {
		res, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	})
}
