package token_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/token"
)

// holder is an application's struct: fmt can't call methods on what it keeps to itself.
type holder struct {
	tokens token.Tokens
	secret token.Secret
	list   []token.Tokens
	named  map[string]token.Secret
}

func TestSecretsDoNotPrint(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		store := token.NewMemory()
		s, err := signedIn(token.Options{Refresh: (&issuer{}).refresh, Store: store}, time.Hour)
		if err != nil {
			return err
		}
		defer s.Close()
		tokens, _ := s.Tokens()
		h := holder{tokens, tokens.Access, []token.Tokens{tokens}, map[string]token.Secret{"x": tokens.Refresh}}
		options := token.OAuthOptions{ClientSecret: tokens.Access}
		var b bytes.Buffer
		for _, v := range []any{
			tokens, &tokens, tokens.Access, &tokens.Access, s, store, h, &h,
			[]any{h},
			map[string]any{"h": h},
			options, &options,
			struct{ T token.Tokens }{tokens},
			fmt.Errorf("x %v %w", tokens, &token.RetryError{Err: errors.New("y")}),
		} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T"} {
				fmt.Fprintf(&b, verb+"\n", v)
			}
			_ = json.NewEncoder(&b).Encode(v)
			_ = gob.NewEncoder(&b).Encode(v)
			slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
			slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		}
		for _, encoded := range []string{secretPart, fmt.Sprintf("%x", secretPart), strings.Trim(fmt.Sprintf("%d", []byte(secretPart)), "[]")} {
			if at := strings.Index(b.String(), encoded); at >= 0 {
				return fmt.Errorf("printed: %.200q", b.String()[max(at-100, 0):])
			}
		}
		if !strings.Contains(b.String(), "ada") || !strings.Contains(b.String(), "[redacted]") {
			return errors.New("printed nothing at all")
		}
		if m := tokens.Access.Mark(); len(m) != 8 || m == tokens.Refresh.Mark() || !tokens.Access.Equal(token.NewSecret(access(0))) {
			return fmt.Errorf("mark %q", m)
		}
		return nil
	})
}

// everything collects the lines of a log.
type everything struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (e *everything) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.b.Write(p)
}

func (e *everything) String() string { e.mu.Lock(); defer e.mu.Unlock(); return e.b.String() }

// echoes are servers that repeat what they were sent, in every place that could end up in an error or a log.
func echoes() map[string]func(*http.Request) (*http.Response, error) {
	refresh0 := made(0, 0).Refresh.Reveal()
	return map[string]func(*http.Request) (*http.Response, error){
		"error": func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("sent %s", refresh0) },
		"code": func(*http.Request) (*http.Response, error) {
			return reply(400, "application/json", `{"error":"`+refresh0+`"}`), nil
		},
		"description": func(*http.Request) (*http.Response, error) {
			return reply(400, "application/json", `{"error":"invalid_request","error_description":"`+refresh0+`"}`), nil
		},
		"page": func(*http.Request) (*http.Response, error) { return reply(500, "text/html", refresh0), nil },
		"cut": func(*http.Request) (*http.Response, error) {
			return reply(200, "application/json", `{"token":"`+access(1)+`","refre`), nil
		},
		"bad token": func(*http.Request) (*http.Response, error) {
			return reply(200, "application/json", `{"token":"`+access(1)+` x"}`), nil
		},
		"bad type": func(*http.Request) (*http.Response, error) {
			return reply(200, "application/json", `{"token":["`+access(1)+`"]}`), nil
		},
		"type": func(*http.Request) (*http.Response, error) { return reply(200, access(1), "{}"), nil },
		"location": func(*http.Request) (*http.Response, error) {
			return reply(302, "text/html", "", "Location", "https://x.example/?t="+refresh0), nil
		},
		"bad url": func(*http.Request) (*http.Response, error) {
			return reply(302, "text/html", "", "Location", "%zz"+refresh0), nil
		},
		"wait": func(*http.Request) (*http.Response, error) {
			return reply(429, "text/html", "", "Retry-After", refresh0), nil
		},
		"verdict": func(*http.Request) (*http.Response, error) {
			return reply(400, "application/json", `{"error":"invalid_grant","error_description":"`+refresh0+`"}`), nil
		},
		"panic": func(*http.Request) (*http.Response, error) { panic(refresh0) },
		"good": func(*http.Request) (*http.Response, error) {
			return reply(200, "application/json", `{"token":"`+access(1)+`","refreshToken":"`+refresh0+`","expiresIn":60}`), nil
		},
	}
}

func TestNoLogLineOrErrorHoldsAToken(t *testing.T) {
	var said everything
	logger := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for name, echo := range echoes() {
		inBubble(t, func(ctx context.Context) error {
			refresh, err := token.JSON(token.Endpoint{URL: "https://auth.example/", Client: &http.Client{Transport: roundTrip(echo)}})
			if err != nil {
				return err
			}
			s, err := signedIn(token.Options{Refresh: refresh, Logger: logger}, time.Hour)
			if err != nil {
				return err
			}
			_ = s.Start()
			for range 3 {
				_, err := s.Renew(ctx, access(0))
				fmt.Fprintf(&said, "%s: %v %+v %#v\n", name, err, err, err)
				time.Sleep(time.Minute)
			}
			fmt.Fprintf(&said, "%+v\n", s.State())
			return s.Close()
		})
	}
	for _, damage := range damages {
		_, _, err := token.OpenFile(damage(token.Envelope(1, []byte(access(0)))))
		fmt.Fprintln(&said, err)
		data, err := token.EncodeRecord(made(0, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		_, err = token.ParseRecord(damage(data))
		fmt.Fprintln(&said, err)
	}
	_, err := token.NewFile(filepath.Join(t.TempDir(), "x"))
	fmt.Fprintln(&said, err)
	if text := said.String(); strings.Contains(text, secretPart) {
		at := strings.Index(text, secretPart)
		t.Errorf("said %q", text[max(at-200, 0):min(at+100, len(text))])
	} else if lines := strings.Count(text, "\n"); lines < 80 {
		t.Errorf("only %d lines were searched", lines)
	}
}

// TestHiddenErrorIsJudgedAllTheSame: that an error held a secret changes its text, not what it means.
func TestHiddenErrorIsJudgedAllTheSame(t *testing.T) {
	inBubble(t, func(ctx context.Context) error {
		i := &issuer{err: fmt.Errorf("wrapped: %w", &token.RefreshError{
			Status: 400, Code: "invalid_grant", JSON: true, Err: fmt.Errorf("refused %s", access(0)),
		})}
		s, err := signedIn(token.Options{Refresh: i.refresh}, time.Hour)
		if err != nil {
			return err
		}
		defer s.Close()
		_, err = s.Renew(ctx, access(0))
		if !errors.Is(err, token.ErrSignedOut) || strings.Contains(err.Error(), secretPart) || s.State().State != token.ReauthRequired {
			return fmt.Errorf("%w, %+v", err, s.State())
		}
		return nil
	})
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{
		`{"token":"a","refreshToken":"b","expiresIn":900}`, `{"access_token":"a","expires_in":"3600"}`, `{"token":"a","expiresIn":1e400}`,
		`{"token":"a","expiresIn":-1}`, `{"token":"a","expiresIn":null}`, `{"error":"invalid_grant"}`, `{"token":"a.eyJleHAiOjIsImlhdCI6MX0.c"}`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = token.ParseCode(body)
		tokens, err := token.ParseReply(body)
		if err != nil {
			return
		}
		if tokens.Access.IsZero() || strings.ContainsAny(tokens.Access.Reveal(), " \r\n\x00") {
			t.Errorf("a token that no header can hold")
		}
		const most = 10 * year
		if tokens.Lifetime < 0 || tokens.Lifetime > most || tokens.RefreshLifetime < 0 || tokens.RefreshLifetime > most {
			t.Errorf("lives %v, %v", tokens.Lifetime, tokens.RefreshLifetime)
		}
	})
}

func FuzzStored(f *testing.F) {
	good, err := token.EncodeRecord(made(0, time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"lifetimeNs":-5}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tokens, err := token.ParseRecord(data)
		if err != nil {
			return
		}
		again, err := token.EncodeRecord(tokens)
		if err != nil {
			return // a year that JSON can't hold
		}
		if back, err := token.ParseRecord(again); err != nil || !back.Access.Equal(tokens.Access) || !back.Refresh.Equal(tokens.Refresh) {
			t.Errorf("round trip: %v", err)
		}
	})
}

var _ io.Writer = (*everything)(nil)
