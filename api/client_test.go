package api_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chatsdk/chatsdk/api"
)

func TestPlainCall(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != "k" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":1}`)
	}))
	defer srv.Close()
	c, err := api.New(api.Options{BaseURL: srv.URL, APIKey: "k"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := api.Do[map[string]int](t.Context(), c, api.Request{Path: "/x"})
	if err != nil || got["a"] != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	res, err := c.HTTP().Get(srv.URL + "/y")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != `{"a":1}` {
		t.Fatalf("%s, %v", b, err)
	}
	res.Body.Close()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.HTTP().Get(srv.URL); !errors.Is(err, api.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
