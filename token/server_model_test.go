package token_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mode is what the model of an authorization server does with a refresh token that it has replaced.
type mode int

const (
	converging mode = iota // answers again until the new tokens are used; knows keys
	grace                  // answers again for a while; knows no keys
	strict                 // ends the session
)

var modeNames = [...]string{"converging", "grace", "strict"}

func (m mode) String() string { return modeNames[m] }

const graceTime = 30 * time.Second

// authServer is the model: one session, whose n-th tokens are named after n.
type authServer struct {
	mode mode
	life time.Duration

	mu       sync.Mutex
	n        int            // the present tokens
	used     bool           // they were seen, so that they arrived
	turned   time.Time      // when they were made
	keys     map[string]int // what each idempotency key was answered
	ends     map[int]time.Time
	ended    bool // the session was ended because of a replaced token
	requests int
	unsaved  bool // a rotation was lost to the client: its reply didn't arrive, or nobody kept it
}

func newAuthServer(m mode, life time.Duration) *authServer {
	return &authServer{mode: m, life: life, keys: map[string]int{}, ends: map[int]time.Time{0: time.Now().Add(life)}, used: true}
}

// refresh is the endpoint.
func (a *authServer) refresh(refresh, key string) (status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	var n int
	if _, err := fmt.Sscanf(refresh, secretPart+"-refresh-%d", &n); err != nil || a.ended {
		return 400, `{"error":"invalid_grant"}`
	}
	_, again := a.keys[key]
	again = again && a.mode == converging
	switch parent := n == a.n-1; {
	case n == a.n && !again:
		a.n++
		a.used, a.turned = false, time.Now()
		a.ends[a.n] = time.Now().Add(a.life)
		a.keys[key] = a.n
	case a.mode == converging && parent && (!a.used || again):
		a.ends[a.n] = time.Now().Add(a.life)
	case a.mode == grace && parent && time.Since(a.turned) < graceTime:
	default:
		a.ended = true
		return 400, `{"error":"invalid_grant"}`
	}
	t := made(a.n, 0)
	reply, _ := json.Marshal(map[string]any{
		"token": t.Access.Reveal(), "refreshToken": t.Refresh.Reveal(), "expiresIn": time.Until(a.ends[a.n]).Seconds(),
	})
	return 200, string(reply)
}

// use is any other endpoint.
func (a *authServer) use(access string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	var n int
	if _, err := fmt.Sscanf(access, secretPart+"-access-%d", &n); err != nil {
		return false
	}
	a.used = a.used || n == a.n
	return time.Now().Before(a.ends[n])
}

// lose notes that the present tokens didn't arrive, or weren't kept.
func (a *authServer) lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unsaved = true
}

func (a *authServer) present() int { a.mu.Lock(); defer a.mu.Unlock(); return a.n }

// weather is the network between one process and the server.
type weather struct {
	mu    sync.Mutex
	rng   *rand.Rand
	fault float64 // share of requests that go wrong
}

// pick draws what happens to a request; "" is nothing.
func (w *weather) pick() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rng.Float64() >= w.fault {
		return ""
	}
	return faults[w.rng.IntN(len(faults))]
}

func (w *weather) heal() { w.mu.Lock(); defer w.mu.Unlock(); w.fault = 0 }

// faults at each point of a refresh's way.
var faults = []string{
	"lost", "reply lost", "cut", "500 before", "500 after", "502 after", "503", "429", "429 date", "portal", "redirect", "firewall", "slow", "late",
	"crash before send", "crash after commit", "crash mid body",
}

// do sends one refresh through the weather.
func (w *weather) do(p *process, a *authServer, req *http.Request) (*http.Response, error) {
	var in struct{ RefreshToken string }
	if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
		return nil, err
	}
	commit := func() *http.Response {
		before := a.present()
		status, body := a.refresh(in.RefreshToken, req.Header.Get("Idempotency-Key"))
		if status == 200 && a.present() == before {
			return reply(status, "application/json", body) // the same again: nothing more to lose
		}
		return reply(status, "application/json", body)
	}
	gone := func(res *http.Response) {
		if res.StatusCode == 200 {
			a.lose()
		}
	}
	time.Sleep(50 * time.Millisecond)
	switch what := w.pick(); what {
	case "lost":
		return nil, errNetwork
	case "reply lost":
		gone(commit())
		return nil, errNetwork
	case "cut":
		res := commit()
		gone(res)
		res.Body = io.NopCloser(io.MultiReader(io.LimitReader(res.Body, 30), brokenReader{}))
		return res, nil
	case "500 before", "503":
		return reply(500, "application/json", `{"error":"invalid_grant"}`), nil // who is in trouble says anything
	case "500 after", "502 after":
		gone(commit())
		return reply(502, "text/html", "bad gateway"), nil
	case "429":
		return reply(429, "application/json", "{}", "Retry-After", "20"), nil
	case "429 date":
		now := time.Now().UTC()
		return reply(429, "text/plain", "", "Date", now.Format(http.TimeFormat), "Retry-After", now.Add(9*time.Second).Format(http.TimeFormat)), nil
	case "portal":
		return reply(200, "text/html", "<html>welcome"), nil
	case "redirect":
		return reply(302, "text/html", "", "Location", "https://portal.example/"), nil
	case "firewall":
		return reply(403, "text/html", "<html>"), nil
	case "slow": // and too late for the client
		gone(commit())
		<-req.Context().Done()
		return nil, req.Context().Err()
	case "late":
		time.Sleep(10 * time.Second)
	case "crash before send":
		p.crash()
		return nil, errCrashed
	case "crash after commit", "crash mid body":
		gone(commit())
		p.crash()
		return nil, errCrashed
	}
	return commit(), nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errNetwork }

// refreshOf is the refresh token in what a store keeps.
func refreshOf(kept string) string {
	_, rest, _ := strings.Cut(kept, `"refresh":"`)
	refresh, _, _ := strings.Cut(rest, `"`)
	return refresh
}
