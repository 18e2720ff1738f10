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
	ended    bool          // the session was ended because of a replaced token
	shy      time.Duration // other endpoints refuse tokens younger than this: their clock is behind (nbf, RFC 7519 4.1.5)
	born     map[int]time.Time
	refused  int // for their age
	requests int
	unsaved  bool // a rotation was lost to the client: its reply didn't arrive, or nobody kept it
}

func newAuthServer(m mode, life time.Duration) *authServer {
	return &authServer{
		mode: m, life: life, keys: map[string]int{}, ends: map[int]time.Time{0: time.Now().Add(life)}, used: true,
		born: map[int]time.Time{},
	}
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
		a.ends[a.n], a.born[a.n] = time.Now().Add(a.life), time.Now()
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
	if a.shy > 0 && time.Since(a.born[n]) < a.shy {
		a.refused++
		return false
	}
	return time.Now().Before(a.ends[n])
}

// beShy refuses young tokens from now on, or takes them again.
func (a *authServer) beShy(d time.Duration) { a.mu.Lock(); defer a.mu.Unlock(); a.shy = d }

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

// draw is a number below n.
func (w *weather) draw(n int) int { w.mu.Lock(); defer w.mu.Unlock(); return w.rng.IntN(n) }

func (w *weather) heal() { w.mu.Lock(); defer w.mu.Unlock(); w.fault = 0 }

// faults at each point of a refresh's way.
var faults = []string{
	"lost", "reply lost", "cut", "500 before", "500 after", "502 after", "503", "503 after", "429", "429 date", "wrong date", "portal", "redirect", "firewall", "slow", "late",
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
	case "slow": // and too late for the client
		gone(commit())
		<-req.Context().Done()
		return nil, req.Context().Err()
	case "late":
		time.Sleep(10 * time.Second)
	case "crash before send":
		p.crash()
		return nil, errCrashed
	case "crash after commit":
		gone(commit())
		p.crash()
		return nil, errCrashed
	case "crash mid body": // the process reads the beginning of its new tokens, and dies
		res := commit()
		gone(res)
		res.Body = io.NopCloser(io.MultiReader(io.LimitReader(res.Body, 40), dying{p}))
		return res, nil
	default:
		if res := w.refuse(what, commit, gone); res != nil {
			return res, nil
		}
	}
	return commit(), nil
}

// refuse is what is answered in place of tokens, by the server or somebody on the way; nil is nothing.
func (w *weather) refuse(what string, commit func() *http.Response, gone func(*http.Response)) *http.Response {
	switch what {
	case "500 before":
		return reply(500, "application/json", `{"error":"invalid_grant"}`) // who is in trouble says anything
	case "503":
		return reply(503, "application/json", `{"error":"invalid_grant"}`, "Retry-After", "5")
	case "503 after": // a gateway's, whose server has done it
		gone(commit())
		return reply(503, "text/html", "busy", "Retry-After", "1.5")
	case "wrong date": // of a server whose clock is off by hours: its answers hold, and its waits are as long as it meant
		clock := time.Now().UTC().Add(time.Duration(w.draw(20)-10) * time.Hour)
		fields := []string{"Date", clock.Format(http.TimeFormat), "Retry-After", clock.Add(7 * time.Second).Format(http.TimeFormat)}
		if w.draw(2) == 0 {
			return reply(429, "application/json", "{}", fields...)
		}
		res := commit()
		res.Header.Set("Date", fields[1])
		return res
	case "500 after", "502 after":
		gone(commit())
		return reply(502, "text/html", "bad gateway")
	case "429":
		return reply(429, "application/json", "{}", "Retry-After", "20")
	case "429 date":
		now := time.Now().UTC()
		return reply(429, "text/plain", "", "Date", now.Format(http.TimeFormat), "Retry-After", now.Add(9*time.Second).Format(http.TimeFormat))
	case "portal":
		return reply(200, "text/html", "<html>welcome")
	case "redirect":
		return reply(302, "text/html", "", "Location", "https://portal.example/")
	case "firewall":
		return reply(403, "text/html", "<html>")
	}
	return nil
}

// dying is the rest of a body that a process doesn't live to read.
type dying struct{ p *process }

func (d dying) Read([]byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	d.p.crash()
	return 0, errCrashed
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errNetwork }

// refreshOf is the refresh token in what a store keeps.
func refreshOf(kept string) string {
	_, rest, _ := strings.Cut(kept, `"refresh":"`)
	refresh, _, _ := strings.Cut(rest, `"`)
	return refresh
}
