package token_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// The parts of tests that run in a process of their own: the test binary is started again with these set.
const (
	envServer  = "TOKEN_TEST_SERVER"
	envFile    = "TOKEN_TEST_FILE"
	envUntil   = "TOKEN_TEST_UNTIL" // refreshes the server has made when a child is done
	processes  = 8
	expiries   = 200
	kills      = 200
	clockSpeed = 200 // the children's wall clock runs so much faster than real time
	childLife  = 20 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(envServer) == "" {
		os.Exit(m.Run())
	}
	go func() { // ends with the process: a child is never left over, whatever ended its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	if err := child(); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// child uses the session until the server has refreshed often enough.
func child() error {
	until, err := strconv.Atoi(os.Getenv(envUntil))
	if err != nil {
		return err
	}
	store, err := token.NewFile(os.Getenv(envFile))
	if err != nil {
		return err
	}
	refresh, err := token.JSON(token.Endpoint{URL: os.Getenv(envServer)})
	if err != nil {
		return err
	}
	s, err := token.New(token.Options{Refresh: refresh, Store: store, Now: fast})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	fmt.Println("ready")
	for {
		access, err := s.Token(ctx)
		if errors.Is(err, token.ErrSignedOut) || errors.Is(err, token.ErrNotSignedIn) || ctx.Err() != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscanf(access, secretPart+"-access-%d", &n); err == nil && n >= until {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// fast is a wall clock that all processes agree on.
func fast() time.Time { return epoch.Add(clockSpeed * time.Since(epoch)) }

// processServer serves the model on a real socket.
type processServer struct {
	*authServer
	*httptest.Server
	delay time.Duration // before and after each refresh
	quick atomic.Bool   // no delay any more
}

func (p *processServer) pause() {
	if !p.quick.Load() {
		time.Sleep(p.delay)
	}
}

func newProcessServer(m mode, delay time.Duration) *processServer {
	p := &processServer{authServer: newAuthServer(m, childLife), delay: delay}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ RefreshToken string }
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.pause()
		status, _ := p.refresh(in.RefreshToken, r.Header.Get("Idempotency-Key"))
		p.pause()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != http.StatusOK {
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
			return
		}
		n := p.present()
		_ = json.NewEncoder(w).Encode(map[string]any{
			"token": access(n), "refreshToken": made(n, 0).Refresh.Reveal(), "expiresIn": childLife.Seconds(),
		})
	}))
	return p
}

// signInFile puts the first tokens into a new file.
func signInFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "session")
	s, err := token.New(token.Options{Refresh: (&issuer{}).refresh, Store: openFile(t, path), Now: fast})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Set(t.Context(), made(0, childLife)); err != nil {
		t.Fatal(err)
	}
	return path
}

// spawn starts a child and returns when it is ready; output ends with it.
func spawn(ctx context.Context, server, path string, until int) (*exec.Cmd, func() error, error) {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), envServer+"="+server, envFile+"="+path, envUntil+"="+strconv.Itoa(until))
	if _, err := cmd.StdinPipe(); err != nil { // nothing comes on it: its end is ours
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		return nil, nil, fmt.Errorf("child: %q, %w", lines.Text(), cmd.Wait())
	}
	wait := func() error {
		var said []string
		for lines.Scan() {
			said = append(said, lines.Text())
		}
		if err := cmd.Wait(); err != nil || len(said) > 0 {
			return fmt.Errorf("child said %q: %w", strings.Join(said, "; "), err)
		}
		return nil
	}
	return cmd, wait, nil
}

// Eight processes on one file, with a server that ends the session if one refresh token comes twice.
func TestEightProcessesShareEachRefresh(t *testing.T) {
	count := expiries
	if testing.Short() {
		count = 20
	}
	server := newProcessServer(strict, time.Millisecond)
	defer server.Close()
	path := signInFile(t)
	began := time.Now()
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			_, wait, err := spawn(t.Context(), server.URL, path, count)
			if err == nil {
				err = wait()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	server.mu.Lock()
	defer server.mu.Unlock()
	t.Logf("%d processes, %d expiries, %d requests, %v", processes, server.n, server.requests, time.Since(began).Round(time.Millisecond))
	// One that is slow to end may cause one more.
	if server.ended || server.requests != server.n || server.n < count || server.n > count+processes {
		t.Errorf("%d requests for %d expiries, session ended: %v", server.requests, server.n, server.ended)
	}
}

// The process is killed at random points of the refresh, again and again: before it is sent, on its way, between reply and
// save, in the middle of the write.
func TestKilledAtAnyPointOfTheRefresh(t *testing.T) {
	count := kills
	if testing.Short() {
		count = 20
	}
	seed := uint64(time.Now().UnixNano())
	if v, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = v
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	server := newProcessServer(converging, 3*time.Millisecond)
	defer server.Close()
	path := signInFile(t)
	began := time.Now()
	var during int
	for n := range count {
		cmd, wait, err := spawn(t.Context(), server.URL, path, 1<<30)
		if err != nil {
			t.Fatalf("SEED=%d, after %d kills: %v", seed, n, err)
		}
		time.Sleep(time.Duration(rng.IntN(40_000)) * time.Microsecond)
		before := pendingIn(t, path)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := wait(); err != nil && strings.Contains(err.Error(), "error") {
			t.Fatalf("SEED=%d, after %d kills: %v", seed, n, err)
		}
		if before {
			during++
		}
	}
	server.quick.Store(true)
	_, wait, err := spawn(t.Context(), server.URL, path, server.present()+2)
	if err == nil {
		err = wait()
	}
	t.Logf("SEED=%d: %d kills in %v, %d of them with a refresh under way, %d refreshes",
		seed, count, time.Since(began).Round(time.Millisecond), during, server.present())
	if err != nil || server.ended {
		t.Errorf("SEED=%d: the session isn't intact: %v", seed, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".session.*")); len(left) > 0 || err != nil {
		t.Errorf("files of broken off writes are left: %v, %v", left, err)
	}
	if during == 0 || during == count {
		t.Errorf("all kills came at the same kind of moment (%d of %d in a refresh)", during, count)
	}
}

func pendingIn(t *testing.T, path string) bool {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(content), `"pending"`)
}
