package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

func TestLogin(t *testing.T) {
	h := start(t, nil)
	out := h.login("alice", "phone-1")
	if out.User != "alice" || out.Device != "phone-1" || out.ExpiresIn != 900 || out.RefreshExpiresIn != 720*3600 ||
		out.Token == "" || out.RefreshToken == "" {
		t.Fatalf("got %+v", out)
	}
	h.expect("", "GET", "/api/channels/general/messages", out.Token, nil)
	in := func(user, pass, device string) wire.LoginRequest {
		return wire.LoginRequest{User: user, Password: pass, Device: device}
	}
	for _, c := range []struct {
		name string
		body any
		code string
	}{
		{"wrong password", in("alice", "wrong horse", "d"), wire.CodeBadCredentials},
		{"no password", in("alice", "", "d"), wire.CodeBadCredentials},
		{"unknown user", in("mallory", password, "d"), wire.CodeBadCredentials},
		{"impossible user", in("../alice", password, "d"), wire.CodeBadCredentials},
		{"endless password", in("alice", strings.Repeat("x", 10000), "d"), wire.CodeBadCredentials},
		{"right password and more than fits", in("alice", password+strings.Repeat("x", 2000), "d"), wire.CodeBadCredentials},
		{"no device", in("alice", password, ""), wire.CodeBadRequest},
		{"bad device", in("alice", password, "a b"), wire.CodeBadRequest},
		{"not JSON", "{", wire.CodeBadRequest},
		{"something after it", `{"user":"alice"} {}`, wire.CodeBadRequest},
		{"wrong type", `{"user":1}`, wire.CodeBadRequest},
		{"empty", "", wire.CodeBadRequest},
		{"too large", `{"user":"` + strings.Repeat("a", 70000) + `"}`, wire.CodeTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			(&house{t: t, s: h.s}).expect(c.code, "POST", "/api/auth/login", "", c.body)
		})
	}
	h.expect("", "POST", "/api/auth/login", "", `{"user":"alice","password":"correct horse","device":"d","later":{"x":1}}`)
}

func TestLogoutEndsTheSession(t *testing.T) {
	h := start(t, nil)
	one, other := h.login("alice", "phone"), h.login("alice", "laptop")
	a := h.expect("", "POST", "/api/auth/logout", one.Token, nil)
	if a.status != 204 {
		t.Fatalf("status %d", a.status)
	}
	h.expect(wire.CodeUnauthorized, "GET", "/api/channels/general/messages", one.Token, nil)
	h.expect(wire.CodeInvalidGrant, "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: one.RefreshToken})
	h.expect("", "POST", "/api/auth/logout", one.Token, nil)
	h.expect("", "GET", "/api/channels/general/messages", other.Token, nil)
	h.expect(wire.CodeUnauthorized, "POST", "/api/auth/logout", "", nil)
}

func TestAccessTokens(t *testing.T) {
	h := start(t, nil)
	good := h.token("alice")
	part := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	sign := func(header, payload, key string) string {
		m := hmac.New(sha256.New, []byte(key))
		if strings.Contains(header, "HS512") { // rightly signed, but not the way that is pinned
			m = hmac.New(sha512.New, []byte(key))
		}
		m.Write([]byte(b64([]byte(header)) + "." + b64([]byte(payload))))
		return b64([]byte(header)) + "." + b64([]byte(payload)) + "." + b64(m.Sum(nil))
	}
	hs256 := `{"alg":"HS256","typ":"JWT"}`
	with := func(old, replacement string) string {
		if !strings.Contains(string(payload), old) {
			t.Fatalf("%q isn't in %s", old, payload)
		}
		return strings.Replace(string(payload), old, replacement, 1)
	}
	if h.call("GET", "/api/channels/x/messages", sign(hs256, string(payload), string(testKey)), nil).status != 200 {
		t.Fatal("the test signs wrongly")
	}
	for name, token := range map[string]string{
		"none":              "",
		"garbage":           "garbage",
		"no signature":      part[0] + "." + part[1] + ".",
		"other signature":   part[0] + "." + part[1] + "." + b64([]byte("0123456789abcdef0123456789abcdef")),
		"other key":         sign(hs256, string(payload), "another key of thirty-two bytes.."),
		"alg none":          b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part[1] + ".",
		"alg HS512":         sign(`{"alg":"HS512","typ":"JWT"}`, string(payload), string(testKey)),
		"alg RS256":         sign(`{"alg":"RS256","typ":"JWT"}`, string(payload), string(testKey)),
		"other user":        sign(hs256, with(`"sub":"alice"`, `"sub":"bob"`), string(testKey)),
		"other device":      sign(hs256, with(`alice-phone`, `bobs-phone`), string(testKey)),
		"unknown session":   sign(hs256, with(`"sid":"`, `"sid":"x`), string(testKey)),
		"no expiry":         sign(hs256, with(`"exp":`, `"was":`), string(testKey)),
		"other issuer":      sign(hs256, with(`"iss":"chatsdk"`, `"iss":"other"`), string(testKey)),
		"payload tampered":  part[0] + "." + b64([]byte(with("alice", "mallory"))) + "." + part[2],
		"endless":           strings.Repeat("a", 100000),
		"not a JSON object": sign(hs256, `"x"`, string(testKey)),
	} {
		a := h.call("GET", "/api/channels/x/messages", token, nil)
		if a.status != 401 || a.problem.Code != wire.CodeUnauthorized || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if len(token) > 20 && strings.Contains(string(a.body), token[:20]) {
			t.Errorf("%s: the token is in the reply", name)
		}
	}
}

func TestAccessTokenExpires(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := start(t, func(c *server.Config) { c.AccessTTL, c.RefreshTTL = time.Minute, time.Hour })
		in := h.login("alice", "phone")
		time.Sleep(59 * time.Second)
		h.expect("", "GET", "/api/channels/x/messages", in.Token, nil)
		time.Sleep(2 * time.Second)
		h.expect(wire.CodeTokenExpired, "GET", "/api/channels/x/messages", in.Token, nil)
		time.Sleep(50 * time.Minute)
		var next wire.TokenReply
		h.expect("", "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: in.RefreshToken}).into(t, &next)
		time.Sleep(50 * time.Minute) // the session lives from its last refresh
		h.expect("", "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: next.RefreshToken}).into(t, &next)
		time.Sleep(61 * time.Minute)
		h.expect(wire.CodeInvalidGrant, "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: next.RefreshToken})
	})
}

func TestLoginThrottle(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := start(t, func(c *server.Config) { c.LoginFailures, c.LoginPause = 3, 10*time.Second })
		try := func(user, pass, from string) answer {
			return h.call("POST", "/api/auth/login", "", wire.LoginRequest{User: user, Password: pass, Device: "d"}, "From-Address", from)
		}
		for range 20 { // good ones don't count
			if a := try("alice", password, "10.0.0.1:1"); a.status != 200 {
				t.Fatalf("good login: %s", a.body)
			}
		}
		for i := range 3 {
			if a := try("alice", "wrong", fmt.Sprintf("10.0.0.%d:1", i)); a.problem.Code != wire.CodeBadCredentials {
				t.Fatalf("failure %d: %s", i, a.body)
			}
		}
		a := try("alice", password, "10.0.9.9:1") // from anywhere, by the user
		if a.status != 429 || a.problem.RetryAfterMS != 10000 || a.header.Get("Retry-After") != "10" {
			t.Fatalf("fourth: %d %s", a.status, a.body)
		}
		if a := try("bob", password, "10.0.0.1:1"); a.status != 200 {
			t.Fatalf("another user: %s", a.body)
		}
		time.Sleep(10 * time.Second)
		if a := try("alice", password, "10.0.0.1:1"); a.status != 200 {
			t.Fatalf("after the wait: %s", a.body)
		}
		for i := range 12 { // one address, many users
			if a := try(fmt.Sprint("user", i), "wrong", fmt.Sprintf("[2001:db8::%d]:5", i)); a.problem.Code != wire.CodeBadCredentials {
				t.Fatalf("failure %d of the address: %s", i, a.body)
			}
		}
		if a := try("bob", password, "[2001:db8::ffff]:9"); a.status != 429 {
			t.Fatalf("after 12 failures of the network: %s", a.body)
		}
		if a := try("bob", password, "[2001:db8:0:1::1]:9"); a.status != 200 {
			t.Fatalf("next network: %s", a.body)
		}
	})
}

func TestAddUser(t *testing.T) {
	h := start(t, nil)
	for _, c := range []struct{ name, password, want string }{
		{"carol", "long enough", ""},
		{"x", strings.Repeat("p", server.MinPasswordBytes), ""},
		{"alice", "long enough", "exists"},
		{"", "long enough", "name"},
		{"Carol", "long enough", "name"},
		{"a b", "long enough", "name"},
		{"-a", "long enough", "name"},
		{strings.Repeat("a", 65), "long enough", "name"},
		{"dave", "p4ss", "shorter"},
		{"dave", strings.Repeat("p", server.MaxPasswordBytes+1), "longer"},
	} {
		err := h.s.AddUser(t.Context(), c.name, c.password)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), c.password) {
			t.Errorf("%q: the password is in the error", c.name)
		}
	}
	for in, want := range map[string]string{"secret\n": "secret", "secret\r\n": "secret", "secret": "secret", "s \n\n": "s \n", "": ""} {
		if got := server.PasswordFromFile([]byte(in)); got != want {
			t.Errorf("password of %q is %q", in, got)
		}
	}
}
