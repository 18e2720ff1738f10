package interop_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// tusJS is a server of ours and tus-js-client, of the version that js/package-lock.json pins.
type tusJS struct {
	url, token string
}

// outcome is what js/client.mjs says.
type outcome struct {
	URL       string   `json:"url"`
	SHA256    string   `json:"sha256"`
	Served    string   `json:"served"`
	Statuses  []string `json:"statuses"`
	StoppedAt int64    `json:"stoppedAt"`
	Error     string   `json:"error"`
}

// installJS installs what js/package-lock.json pins. Where there is no npm the test is skipped, but not in CI.
func installJS(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("npm is missing: apt install npm")
		}
		t.Skip("npm is missing")
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	install.Dir = "js"
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
}

// newTusJS installs the client and starts a server.
func newTusJS(t *testing.T) *tusJS {
	t.Helper()
	installJS(t)
	db, err := sqlite.OpenMemory(t.Context(), t.Name())
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{
		Store: db, Key: bytes.Repeat([]byte("k"), 32), Argon: server.Argon{Time: 1, MemoryKiB: 8, Threads: 1},
		Logger: slog.New(slog.DiscardHandler), Uploads: server.Uploads{Dir: t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		srv.Close()
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	})
	if err := s.AddUser(t.Context(), "alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(srv.URL+"/api/auth/login", "application/json",
		strings.NewReader(`{"user":"alice","password":"correct horse","device":"js"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var in struct{ Token string }
	if err := json.NewDecoder(resp.Body).Decode(&in); err != nil || in.Token == "" {
		t.Fatalf("login: %d, %v", resp.StatusCode, err)
	}
	return &tusJS{srv.URL, in.Token}
}

// run has the client run a case.
func (j *tusJS) run(t *testing.T, name string, length int) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "client.mjs", name, j.url+"/api/uploads", j.token, strconv.Itoa(length))
	cmd.Dir, cmd.WaitDelay, cmd.Stderr = "js", 10*time.Second, os.Stderr
	data, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var out outcome
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("%s: %q: %v", name, data, err)
	}
	return out
}

// holds downloads an upload and compares its digest.
func (j *tusJS) holds(t *testing.T, name string, out outcome) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, out.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+j.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, resp.Body); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); resp.StatusCode != http.StatusOK || got != out.SHA256 || out.Served != out.SHA256 {
		t.Errorf("%s: %d, digest %s, told %q, want %s; %v", name, resp.StatusCode, got, out.Served, out.SHA256, out.Statuses)
	}
}

// TestTusJSClient uploads with tus-js-client: create, resume, abort, wrong offset, and the extensions that it knows.
func TestTusJSClient(t *testing.T) {
	j := newTusJS(t)
	const length = 1<<20 + 12345
	for _, c := range []struct {
		name   string
		length int
		seen   []string // replies that have to be among the case's
	}{
		{"create", length, []string{"POST 201", "PATCH 204"}},
		{"create", 0, []string{"POST 201"}},
		{"oneRequest", length, []string{"POST 201", "PATCH 204"}},
		{"duringCreation", length, []string{"POST 201", "PATCH 204"}},
		{"deferred", length, []string{"POST 201", "PATCH 204"}},
		{"resume", length, []string{"POST 201", "HEAD 200", "PATCH 204"}},
		{"wrongOffset", length, []string{"POST 201", "PATCH 409", "HEAD 200", "PATCH 204"}},
	} {
		out := j.run(t, c.name, c.length)
		if out.Error != "" {
			t.Errorf("%s: %s; %v", c.name, out.Error, out.Statuses)
			continue
		}
		for _, status := range c.seen {
			if !slices.Contains(out.Statuses, status) {
				t.Errorf("%s: no %q among %v", c.name, status, out.Statuses)
			}
		}
		if c.name == "resume" && (out.StoppedAt < length/2 || out.StoppedAt == length) {
			t.Errorf("resume: stopped at %d", out.StoppedAt)
		}
		j.holds(t, c.name, out)
	}
	if out := j.run(t, "abort", length); out.Error != "" || !slices.Contains(out.Statuses, "DELETE 204") || !slices.Contains(out.Statuses, "HEAD 404") {
		t.Errorf("abort: %+v", out)
	}
	if out := j.run(t, "wrongDigest", length); !strings.Contains(out.Error, "digest_mismatch") || !slices.Contains(out.Statuses, "PATCH 422") {
		t.Errorf("wrong digest: %+v", out)
	}
}

// TestTusJSClientInParts uploads parts side by side and has them put together.
func TestTusJSClientInParts(t *testing.T) {
	j := newTusJS(t)
	out := j.run(t, "parallel", 1<<20)
	if out.Error != "" {
		t.Fatalf("%s; %v", out.Error, out.Statuses)
	}
	j.holds(t, "parallel", out)
}
