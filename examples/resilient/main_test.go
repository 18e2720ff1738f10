package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRunSurvivesAServerInTrouble: the first answers are 503, the third is what was asked for.
func TestRunSurvivesAServerInTrouble(t *testing.T) {
	var n atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	defer srv.Close()
	var out strings.Builder
	if err := run(t.Context(), &out, []string{srv.URL}); err != nil || out.String() != "hello" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := run(t.Context(), &out, nil); err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("without an address: %v", err)
	}
}
