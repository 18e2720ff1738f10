package token_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/token"
)

// api answers 401 to every token but good, and notes what it got.
type api struct {
	good   string
	got    []string
	answer func(*http.Request) *http.Response // nil for the usual
}

func (a *api) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
		_ = req.Body.Close()
	}
	a.got = append(a.got, fmt.Sprintf("%s %s %s", req.URL.Host, req.Header.Get("Authorization"), body))
	if a.answer != nil {
		if res := a.answer(req); res != nil {
			res.Request = req
			return res, nil
		}
	}
	status := 200
	if req.Header.Get("Authorization") != "Bearer "+a.good {
		status = 401
	}
	res := reply(status, "text/plain", "")
	res.Request = req
	return res, nil
}

func TestTransport(t *testing.T) {
	for name, row := range map[string]struct {
		good   string
		url    string
		body   io.Reader
		answer func(*http.Request) *http.Response
		own    []string
		want   []string
		status int
	}{
		"good":        {good: access(0), url: "https://api.example/", want: []string{"api.example Bearer " + access(0) + " "}, status: 200},
		"401":         {good: access(1), url: "https://api.example/", want: []string{"api.example Bearer " + access(0) + " ", "api.example Bearer " + access(1) + " "}, status: 200},
		"401 twice":   {good: "x", url: "https://api.example/", want: []string{"api.example Bearer " + access(0) + " ", "api.example Bearer " + access(1) + " "}, status: 401},
		"body again":  {good: access(1), url: "https://api.example/", body: strings.NewReader("hi"), want: []string{"api.example Bearer " + access(0) + " hi", "api.example Bearer " + access(1) + " hi"}, status: 200},
		"body gone":   {good: access(1), url: "https://api.example/", body: io.MultiReader(strings.NewReader("hi")), want: []string{"api.example Bearer " + access(0) + " hi"}, status: 401},
		"foreign":     {good: access(1), url: "https://other.example/", own: []string{"https://api.example"}, want: []string{"other.example  "}, status: 401},
		"no right to": {good: "x", url: "https://api.example/", answer: challenge(`Bearer realm="a, b", error="insufficient_scope"`), want: []string{"api.example Bearer " + access(0) + " "}, status: 401},
		"over":        {good: access(1), url: "https://api.example/", answer: challenge(`Basic realm="x", Bearer error="invalid_token"`), want: []string{"api.example Bearer " + access(0) + " ", "api.example Bearer " + access(1) + " "}, status: 401},
		"redirected home": {good: access(0), url: "https://api.example/", answer: redirect("https://api.example/2"), want: []string{
			"api.example Bearer " + access(0) + " ", "api.example Bearer " + access(0) + " ",
		}, status: 200},
		"redirected away": {good: access(0), url: "https://api.example/", answer: redirect("https://evil.example/2"), want: []string{
			"api.example Bearer " + access(0) + " ", "evil.example  ",
		}, status: 401},
		"redirected to plain": {good: access(0), url: "https://api.example/", answer: redirect("http://api.example/2"), want: []string{
			"api.example Bearer " + access(0) + " ", "api.example  ",
		}, status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(ctx context.Context) error {
				_, s, err := hourly()
				if err != nil {
					return err
				}
				defer s.Close()
				a := &api{good: row.good, answer: row.answer}
				client := &http.Client{Transport: &token.Transport{Source: s, Base: a, Origins: row.own}}
				req, err := http.NewRequestWithContext(ctx, http.MethodPut, row.url, row.body)
				if err != nil {
					return err
				}
				if strings.HasPrefix(name, "redirected") {
					req.Method = http.MethodGet
				}
				res, err := client.Do(req)
				if err != nil {
					return err
				}
				if fmt.Sprintf("%q", a.got) != fmt.Sprintf("%q", row.want) || res.StatusCode != row.status || req.Header.Get("Authorization") != "" {
					return fmt.Errorf("sent %q, want %q; status %d", a.got, row.want, res.StatusCode)
				}
				return nil
			})
		})
	}
}

func challenge(value string) func(*http.Request) *http.Response {
	return func(*http.Request) *http.Response { return reply(401, "text/plain", "", "WWW-Authenticate", value) }
}

func redirect(to string) func(*http.Request) *http.Response {
	return func(req *http.Request) *http.Response {
		if req.URL.Path == "/2" {
			return nil
		}
		return reply(302, "text/plain", "", "Location", to)
	}
}

func TestTransportWithoutASession(t *testing.T) {
	inBubble(t, func(context.Context) error {
		s, err := token.New(token.Options{Refresh: (&issuer{}).refresh, Store: token.NewMemory()})
		if err != nil {
			return err
		}
		defer s.Close()
		a := &api{}
		client := &http.Client{Transport: &token.Transport{Source: s, Base: a}}
		if _, err := client.Get("https://api.example/"); !errors.Is(err, token.ErrNotSignedIn) || len(a.got) != 0 {
			return fmt.Errorf("%w, sent %q", err, a.got)
		}
		return nil
	})
}

func FuzzChallenge(f *testing.F) {
	for _, s := range []string{`Bearer error="invalid_token"`, `Basic realm="a,\"b", Bearer error=x`, `Bearer`, `,,=,"`, `bearer  realm = "x" , error = "y"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code := token.BearerError(s)
		if strings.ContainsAny(code, ",") && !strings.Contains(s, `"`) {
			t.Errorf("%q gave %q", s, code)
		}
		if quoted := `Bearer realm="` + strings.Map(unquoted, s) + `", error="invalid_token"`; token.BearerError(quoted) != "invalid_token" {
			t.Errorf("%q hides what follows it", quoted)
		}
	})
}

// unquoted leaves out what would end a quoted string.
func unquoted(r rune) rune {
	if r == '"' || r == '\\' {
		return -1
	}
	return r
}
