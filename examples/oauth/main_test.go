package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

// Signed in by the environment once, refreshed because the API refuses the first token, and kept for the next start.
func TestSessionOutlivesTheProgram(t *testing.T) {
	mux := http.NewServeMux()
	refreshes := 0
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("refresh_token") != "r0" || r.FormValue("client_id") != "app" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
			return
		}
		refreshes++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"a1","refresh_token":"r1","token_type":"Bearer","expires_in":3600}`)
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "ada")
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	args := []string{"-token-url", server.URL + "/token", "-client-id", "app", "-session", filepath.Join(t.TempDir(), "session"), server.URL + "/me"}

	for start, env := range []map[string]string{{"ACCESS_TOKEN": "a0", "REFRESH_TOKEN": "r0"}, {}} {
		var out bytes.Buffer
		if err := run(t.Context(), args, func(name string) string { return env[name] }, &out); err != nil {
			t.Fatal(err)
		}
		if out.String() != "200 OK\nada\n" || refreshes != 1 {
			t.Errorf("start %d: %q after %d refreshes", start, out.String(), refreshes)
		}
	}
}
