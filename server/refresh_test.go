package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

// TestRefreshRotationSurvivesALostReply loses the reply of a refresh and asks again with the parent, early and late.
func TestRefreshRotationSurvivesALostReply(t *testing.T) {
	for name, wait := range map[string]time.Duration{
		"at once": 0, "after the grace": 11 * time.Second, "an hour later": time.Hour, "29 days later": 29 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				h := still(t, nil)
				parent := h.login("alice", "phone")
				lost := h.refresh(parent.RefreshToken)
				for range 3 { // lost again and again
					time.Sleep(wait / 3)
					got := h.refresh(parent.RefreshToken)
					if got.RefreshToken != lost.RefreshToken || got.User != "alice" || got.Device != "phone" ||
						got.ExpiresIn < 440 || got.RefreshExpiresIn != 720*3600 {
						t.Fatalf("got %+v, lost %+v", got, lost)
					}
					lost = got
				}
				h.expect("", "GET", general, lost.Token, nil)
				next := h.refresh(lost.RefreshToken)
				h.expect("", "GET", general, next.Token, nil)
			})
		})
	}
}

// rotation is one device's way through refreshes. pairs[0] is that of its login.
type rotation struct {
	*world
	pairs []wire.TokenReply
}

// next refreshes n times, each with the newest token.
func (r *rotation) next(n int) {
	for range n {
		r.pairs = append(r.pairs, r.refresh(r.pairs[len(r.pairs)-1].RefreshToken))
	}
}

func (r *rotation) use(pair int) { r.expect("", "GET", general, r.pairs[pair].Token, nil) }

// TestRotation has a row for each rule of the contract: what happened, and what a refresh with an older token then does.
func TestRotation(t *testing.T) {
	const reissued, reuse = "reissued", "reuse"
	past := func() { time.Sleep(11 * time.Second) } // the grace
	for _, c := range []struct {
		name string
		do   func(*rotation)
		pair int // whose refresh token comes
		want string
	}{
		{"parent, child unused", func(r *rotation) { r.next(1); past() }, 0, reissued},
		{"parent, its own access token used", func(r *rotation) { r.next(1); r.use(0); past() }, 0, reissued},
		{"parent, child used on the API", func(r *rotation) { r.next(1); r.use(1); past() }, 0, reuse},
		{"parent, child used at once on the API", func(r *rotation) { r.next(1); r.use(1) }, 0, reissued},
		{"parent, child used on the stream", func(r *rotation) {
			r.next(1)
			r.connect("alice", r.pairs[1].Token).close()
			past()
		}, 0, reuse},
		{"parent, child used to refresh the stream", func(r *rotation) {
			c := r.connect("alice", r.pairs[0].Token)
			r.next(1)
			c.call("refresh", object{"token": r.pairs[1].Token})
			c.close()
			past()
		}, 0, reuse},
		{"parent, child refused on the API", func(r *rotation) {
			r.next(1)
			r.expect(wire.CodeUnauthorized, "GET", general, r.pairs[1].Token+"x", nil)
			past()
		}, 0, reissued},
		{"grandparent at once", func(r *rotation) { r.next(2) }, 0, reissued},
		{"grandparent", func(r *rotation) { r.next(2); past() }, 0, reuse},
		{"far ancestor at once", func(r *rotation) { r.next(7) }, 0, reissued},
		{"far ancestor", func(r *rotation) { r.next(7); past() }, 3, reuse},
		{"parent after a reissue", func(r *rotation) { r.next(1); past(); r.refresh(r.pairs[0].RefreshToken); past() }, 0, reissued},
		{"a reissue doesn't renew the grace", func(r *rotation) {
			r.next(1)
			r.use(1)
			time.Sleep(9 * time.Second)
			r.refresh(r.pairs[0].RefreshToken)
			time.Sleep(2 * time.Second)
		}, 0, reuse},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				w := newWorld(t, nil)
				synctest.Wait() // it serves
				r := &rotation{w, []wire.TokenReply{w.login("alice", "phone")}}
				other := w.login("alice", "laptop")
				c.do(r)
				old, newest := r.pairs[c.pair].RefreshToken, r.pairs[len(r.pairs)-1]
				if c.want == reissued {
					if got := r.refresh(old); got.RefreshToken != newest.RefreshToken {
						t.Error("another pair than the present one")
					}
					r.next(1)
				} else {
					r.reuse(old)
				}
				w.expect("", "GET", general, other.Token, nil) // another session isn't touched
				w.refresh(other.RefreshToken)
				if n := w.counted(`chatsdk_refreshes_total{outcome="` + c.want + `"}`); n == "" || n == "0" {
					t.Errorf("counted %q times", n)
				}
			})
		})
	}
}

// reuse presents a token that shows a copy in other hands: the session ends everywhere at once.
func (r *rotation) reuse(old string) {
	r.t.Helper()
	newest := r.pairs[len(r.pairs)-1]
	live := r.connect("alice", newest.Token)
	r.refused(old)
	if code, _ := live.gone(); code != wire.CloseLogout {
		r.t.Errorf("closed with %d", code)
	}
	for _, p := range r.pairs {
		r.refused(p.RefreshToken)
		r.expect(wire.CodeUnauthorized, "GET", general, p.Token, nil)
	}
	late, _, err := r.dial("alice")
	if err != nil {
		r.t.Fatal(err)
	}
	late.call("connect", object{"token": newest.Token})
	if code, _ := late.gone(); code != 3500 {
		r.t.Errorf("a connection afterwards: closed with %d", code)
	}
	if err := r.s.Kill(); err != nil { // then the log can be read
		r.t.Fatal(err)
	}
	if log := r.log.String(); strings.Count(log, "session ended") != 1 || !strings.Contains(log, "user=alice device=phone") {
		r.t.Errorf("log: %s", log)
	}
}

// TestRefreshIdempotency sends refreshes with an Idempotency-Key again.
func TestRefreshIdempotency(t *testing.T) {
	key := func(k string) []string { return []string{wire.HeaderIdempotencyKey, k} }
	for _, c := range []struct {
		name string
		wait time.Duration
		pair int
		key  []string
		good bool
	}{
		{"the same request", 5 * time.Minute, 0, key("k1"), true},
		{"the same request, late", 9*time.Minute + 59*time.Second, 0, key("k1"), true},
		{"the same request, too late", 10*time.Minute + time.Second, 0, key("k1"), false},
		{"another key", 5 * time.Minute, 0, key("k2"), false},
		{"no key", 5 * time.Minute, 0, nil, false},
		{"the same key, the next token", 5 * time.Minute, 1, key("k1"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				h := start(t, nil)
				pairs := []wire.TokenReply{h.login("alice", "phone")}
				pairs = append(pairs, h.refresh(pairs[0].RefreshToken, key("k1")...))
				h.expect("", "GET", general, pairs[1].Token, nil)
				time.Sleep(c.wait)
				if !c.good {
					h.refused(pairs[c.pair].RefreshToken, c.key...)
					return
				}
				got := h.refresh(pairs[c.pair].RefreshToken, c.key...)
				if again := got.RefreshToken == pairs[1].RefreshToken; again != (c.pair == 0) {
					t.Error("not the pair that was expected")
				}
				if c.wait < 450*time.Second && c.pair == 0 && (got.Token != pairs[1].Token || got.ExpiresIn != 900-int64(c.wait/time.Second)) {
					t.Errorf("another access token, or one that lives %ds", got.ExpiresIn)
				}
				h.expect("", "GET", general, got.Token, nil)
			})
		})
	}
	start(t, nil).expect(wire.CodeBadRequest, "POST", "/api/auth/refresh", "", wire.RefreshRequest{}, key(strings.Repeat("k", 256))...)
}

// TestReissueRemembersItsKey loses a reply, asks again with another key, and has that request delivered twice.
func TestReissueRemembersItsKey(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := start(t, nil)
		parent := h.login("alice", "phone")
		h.refresh(parent.RefreshToken, wire.HeaderIdempotencyKey, "before the crash")
		time.Sleep(time.Hour)
		child := h.refresh(parent.RefreshToken, wire.HeaderIdempotencyKey, "after the crash")
		h.expect("", "GET", general, child.Token, nil)
		time.Sleep(time.Minute)
		if again := h.refresh(parent.RefreshToken, wire.HeaderIdempotencyKey, "after the crash"); again.Token != child.Token ||
			again.RefreshToken != child.RefreshToken {
			t.Error("another answer to the same request")
		}
	})
}

// TestLateCopyOfARefreshHarmsNobody delivers a refresh once more, long after it was answered and others followed: what
// TCP does with a request that its client gave up in an outage.
func TestLateCopyOfARefreshHarmsNobody(t *testing.T) {
	key := func(i int) []string { return []string{wire.HeaderIdempotencyKey, "k" + strconv.Itoa(i)} }
	bubble.Run(t, func(t *testing.T) {
		h := start(t, nil)
		pairs := []wire.TokenReply{h.login("alice", "phone")}
		for i := range 5 {
			pairs = append(pairs, h.refresh(pairs[i].RefreshToken, key(i)...))
			h.expect("", "GET", general, pairs[i+1].Token, nil)
			time.Sleep(time.Minute)
		}
		for i := range 4 { // the fifth is still repeated
			h.refused(pairs[i].RefreshToken, key(i)...)
		}
		h.expect("", "GET", general, pairs[5].Token, nil)
		newest := h.refresh(pairs[5].RefreshToken, key(5)...)
		h.expect("", "GET", general, newest.Token, nil)
		time.Sleep(time.Minute)
		h.refused(pairs[2].RefreshToken, key(3)...) // somebody who knows the token and not its key
		h.refused(newest.RefreshToken)
	})
}

func TestStrictRotation(t *testing.T) {
	for name, key := range map[string][]string{"no key": nil, "the same key": {wire.HeaderIdempotencyKey, "k"}} {
		t.Run(name, func(t *testing.T) {
			h := start(t, func(c *server.Config) { c.StrictRotation = true })
			parent := h.login("alice", "phone")
			child := h.refresh(parent.RefreshToken, key...)
			h.refused(parent.RefreshToken, key...)
			h.refused(child.RefreshToken, key...)
			h.expect(wire.CodeUnauthorized, "GET", general, child.Token, nil)
		})
	}
}

// TestConcurrentRefreshes has many callers refresh with the same token at once: they get the same pair.
func TestConcurrentRefreshes(t *testing.T) {
	h := start(t, nil)
	token := h.login("alice", "phone").RefreshToken
	for round := range 5 {
		const callers = 4
		got := make([]answer, callers)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { got[i] = h.call("POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: token}) })
		}
		wg.Wait()
		var first wire.TokenReply
		got[0].into(t, &first)
		for _, a := range got {
			var pair wire.TokenReply
			if a.into(t, &pair); pair.RefreshToken != first.RefreshToken || pair.Token != first.Token || pair.RefreshToken == token {
				t.Fatalf("round %d: %s and %s", round, got[0].body, a.body)
			}
		}
		token = first.RefreshToken
	}
	if n := h.counted(`chatsdk_refreshes_total{outcome="ok"}`); n != "5" {
		t.Errorf("%s refreshes went on, want 5", n)
	}
}

func TestRefreshRate(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := start(t, func(c *server.Config) { c.RefreshBurst, c.RefreshPause = 3, 10*time.Second })
		in, other := h.login("alice", "phone"), h.login("alice", "laptop")
		forged := in.RefreshToken[:len(in.RefreshToken)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(in.RefreshToken, "A")]
		for range 10 { // of nobody's session
			h.refused(forged)
		}
		for range 3 {
			in = h.refresh(in.RefreshToken)
		}
		a := h.expect(wire.CodeRateLimited, "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: in.RefreshToken})
		if a.status != 429 || a.header.Get("Retry-After") != "10" || a.problem.RetryAfterMS != 10000 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		h.refresh(other.RefreshToken)
		h.expect("", "GET", general, in.Token, nil)
		time.Sleep(10 * time.Second)
		h.refresh(in.RefreshToken)
		for outcome, want := range map[string]string{"ok": "5", "limited": "1", "refused": "10"} {
			if n := h.counted(`chatsdk_refreshes_total{outcome="` + outcome + `"}`); n != want {
				t.Errorf("%s: counted %q, want %s", outcome, n, want)
			}
		}
	})
}

func TestRefreshWithNoToken(t *testing.T) {
	h := start(t, nil)
	in := h.login("alice", "phone")
	other, _ := server.RefreshToken([]byte(strings.Repeat("x", 32)), base64.RawURLEncoding.EncodeToString(make([]byte, 16)), 1)
	unknown, _ := server.RefreshToken(testKey, base64.RawURLEncoding.EncodeToString(make([]byte, 16)), 1)
	session := strings.Split(in.RefreshToken, ".")[0]
	for name, token := range map[string]string{
		"empty": "", "garbage": "garbage", "access token": in.Token, "endless": "a." + strings.Repeat("x", 9000),
		"other key": other, "unknown session": unknown, "cut": in.RefreshToken[:70], "longer": in.RefreshToken + "AAAA",
		"former format": session + ".secret", "no secret": session + ".",
	} {
		a := h.call("POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: token})
		if a.problem.Code != wire.CodeInvalidGrant || a.status != 401 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	h.expect(wire.CodeBadRequest, "POST", "/api/auth/refresh", "", "{")
	h.refresh(in.RefreshToken)
}

// TestRefreshTokenOfTheFormerFormat has a session that a server without counters made.
func TestRefreshTokenOfTheFormerFormat(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := start(t, nil)
		session := base64.RawURLEncoding.EncodeToString([]byte("a former session"))
		former := session + ".a-secret"
		hash := sha256.Sum256([]byte(former))
		if err := h.store.AddSession(context.Background(), server.Session{
			ID: session, User: "alice", Device: "phone", CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), RefreshHash: hash[:],
		}); err != nil {
			t.Fatal(err)
		}
		h.refused(session + ".another-secret")
		lost := h.refresh(former)
		time.Sleep(time.Hour)
		child := h.refresh(former)
		if child.RefreshToken != lost.RefreshToken {
			t.Error("another pair after a lost reply")
		}
		h.expect("", "GET", general, child.Token, nil)
		next := h.refresh(child.RefreshToken)
		time.Sleep(11 * time.Second)
		h.refused(former) // a copy
		h.refused(next.RefreshToken)
	})
}

// TestRefreshAfterARestoredBackup sets the session's counter back, as a backup of the database does.
func TestRefreshAfterARestoredBackup(t *testing.T) {
	h := start(t, nil)
	in := h.login("alice", "phone")
	session, _, _ := server.ParseRefresh(testKey, in.RefreshToken)
	backup, err := h.store.Session(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		in = h.refresh(in.RefreshToken)
	}
	if _, err := h.store.ChangeSession(t.Context(), session, func(server.Session) server.Session { return backup }); err != nil {
		t.Fatal(err)
	}
	h.expect("", "GET", general, in.Token, nil)
	in = h.refresh(in.RefreshToken)
	h.refresh(in.RefreshToken)
}

// stuckSessions is a store that can't change sessions.
type stuckSessions struct {
	server.Store
	full *bool
}

func (f stuckSessions) ChangeSession(ctx context.Context, id string, change func(server.Session) server.Session) (server.Session, error) {
	if *f.full {
		return server.Session{}, server.ErrUnavailable
	}
	return f.Store.ChangeSession(ctx, id, change)
}

func (f stuckSessions) ConfirmSession(ctx context.Context, id string, counter uint64) error {
	if *f.full {
		return server.ErrUnavailable
	}
	return f.Store.ConfirmSession(ctx, id, counter)
}

func TestRefreshWhileTheStoreCannotWrite(t *testing.T) {
	full := false
	h := start(t, func(c *server.Config) { c.Store = stuckSessions{c.Store, &full} })
	in := h.refresh(h.login("alice", "phone").RefreshToken)
	full = true
	h.expect("", "GET", general, in.Token, nil) // what only reads goes on
	a := h.expect(wire.CodeUnavailable, "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: in.RefreshToken})
	if a.status != 503 || a.header.Get("Retry-After") != "2" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	full = false
	h.refresh(in.RefreshToken)
}

// FuzzRefreshToken hands anything to the parser: what it takes is what this server makes, letter for letter.
func FuzzRefreshToken(f *testing.F) {
	for _, counter := range []uint64{0, 1, 1 << 40, 1<<62 - 1, 1 << 62, 1<<64 - 1} {
		if token, ok := server.RefreshToken(testKey, base64.RawURLEncoding.EncodeToString(make([]byte, 16)), counter); ok {
			f.Add(token)
			f.Add(token[:40] + "\n" + token[40:])
			f.Add(strings.ToLower(token))
		}
	}
	f.Add("")
	f.Add("session.secret")
	f.Add(strings.Repeat("A", 76))
	f.Fuzz(func(t *testing.T, token string) {
		session, counter, ok := server.ParseRefresh(testKey, token)
		if !ok {
			return
		}
		if made, ok := server.RefreshToken(testKey, session, counter); !ok || made != token {
			t.Fatalf("%q was taken, and %q is made of what it says", token, made)
		}
		if _, _, ok := server.ParseRefresh([]byte(strings.Repeat("x", 32)), token); ok {
			t.Fatalf("%q is good under every key", token)
		}
	})
}
