package api_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/chatsdk/chatsdk/api"
)

// TestHappyCallAllocates bounds what a call costs above its transport; bench compares it with others.
func TestHappyCallAllocates(t *testing.T) {
	bare := transport(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &body{Reader: io.MultiReader()}, Request: req}, nil
	})
	c, err := client(bare, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req, err := http.NewRequest(http.MethodGet, base+"/api/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	cost := func(rt http.RoundTripper) float64 {
		return testing.AllocsPerRun(200, func() {
			res, err := rt.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
	}
	above := cost(c) - cost(bare)
	t.Logf("%v allocations above the transport", above)
	if above > 9 {
		t.Errorf("a happy call allocates %v times, at most 9", above)
	}
}
