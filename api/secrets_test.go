package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
)

const secretToken, secretKey, secretQuery = "s3cret-token-value", "s3cret-api-key", "s3cret-query"

// secretTokens is a source whose token is the secret.
type secretTokens struct{}

func (secretTokens) Token(context.Context) (string, error) { return secretToken, nil }
func (secretTokens) Renew(context.Context, string) (string, error) {
	return secretToken + "-2", nil
}

// TestSecretsAreNeverShown makes calls fail in every way, against a server that says back what it was sent, and looks
// for the secrets in every error and log line, however they are printed.
func TestSecretsAreNeverShown(t *testing.T) {
	s := seed(t)
	check(func() error {
		rng := rand.New(rand.NewPCG(s, 12))
		var log bytes.Buffer
		echo := func(req *http.Request) string {
			return fmt.Sprintf(`{"code":"x","detail":"you sent %v"}`, req.Header)
		}
		c, err := client(func(req *http.Request) (*http.Response, error) {
			switch rng.IntN(8) {
			case 0:
				return nil, errLost
			case 1:
				return nil, refusedDial()
			case 2:
				return answer(req, 200, "not JSON "+echo(req)), nil
			case 3:
				return nil, silence(req)
			case 4:
				return answer(req, 200, echo(req), "Content-Type", "text/html"), nil
			}
			return answer(req, []int{400, 401, 403, 409, 429, 500, 503, 307}[rng.IntN(8)], echo(req), "Location", "http://x/?q="+secretQuery), nil
		}, api.Options{
			Token: secretTokens{}, APIKey: secretKey, Rand: rand.New(rand.NewPCG(s, 13)), Deadline: 10 * time.Second,
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			return err
		}
		failed := 0
		for range 300 {
			method := []string{"GET", "POST", "PUT", "PO ST"}[rng.IntN(4)]
			_, err := api.Do[struct{ X int }](context.Background(), c, api.Request{
				Method: method, Path: "/x", Query: map[string][]string{"q": {secretQuery}}, Body: 1,
			})
			if err == nil {
				continue
			}
			failed++
			shown := fmt.Sprintf("%v %+v %#v %s", err, err, err, c)
			var e *api.Error
			if errors.As(err, &e) {
				shown += fmt.Sprintf("%s %+v %+v", e.Body, e.Problem, e.Attempts)
			}
			if strings.Contains(shown, "s3cret") {
				return fmt.Errorf("shown: %s", shown)
			}
		}
		if failed < 100 || log.Len() == 0 || strings.Contains(log.String(), "s3cret") {
			return fmt.Errorf("%d calls failed; log: %s", failed, log.String())
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			if s := fmt.Sprintf(verb, c); strings.Contains(s, "s3cret") {
				return errors.New(s)
			}
		}
		for _, url := range []string{"http://u:s3cret@x", "http://u:s3cret@x y", "http://x:s3cret"} {
			if _, err := api.New(api.Options{BaseURL: url}); err == nil || strings.Contains(err.Error(), "s3cret") {
				return fmt.Errorf("%s: %w", url, err)
			}
		}
		return c.Close()
	}).run(t)
}

// TestEchoedCredentialsAreTakenOut: a server says back, in every spelling, what a request brought with it, and the token
// of an attempt before the last.
func TestEchoedCredentialsAreTakenOut(t *testing.T) {
	check(func() error {
		tries := 0
		c, err := client(func(req *http.Request) (*http.Response, error) {
			if tries++; tries > 1 && req.URL.Path == "/again" {
				return nil, errLost
			}
			said := strings.Join(append(req.Header.Values("Authorization"), append(req.Header.Values("Cookie"), req.Header.Get("X-Api-Key"))...), " ")
			if req.URL.Path == "/long" { // what is kept of it ends in the middle of the token
				said = strings.Repeat(".", 16<<10-20) + said
			}
			escaped := strings.ReplaceAll(fmt.Sprintf("%q", said), "/", `\/`)
			status := map[string]int{"/again": 503}[req.URL.Path]
			return answer(req, max(status, 403), said+fmt.Sprintf("%q", said)+escaped), nil
		}, api.Options{Token: &slashes{}, APIKey: "s3cret/key", MaxAttempts: 3, Deadline: time.Minute})
		if err != nil {
			return err
		}
		own := http.Header{
			"Authorization": {"Bearer s3cret/own+token=="}, "X-Api-Key": {"s3cret-own-key"}, "Cookie": {"a=s3cret-a; b=s3cret-b"},
		}
		for path, header := range map[string]http.Header{"/x": own, "/y": nil, "/long": nil, "/again": nil} {
			tries = 0
			_, err := api.Do[struct{}](context.Background(), c, api.Request{Path: path, Header: header})
			var e *api.Error
			if !errors.As(err, &e) || len(e.Body) == 0 {
				return fmt.Errorf("%s: %w", path, err)
			}
			if shown := fmt.Sprintf("%v %s %+v", err, e.Body, e.Problem); strings.Contains(shown, "s3cr") {
				return fmt.Errorf("%s: shown %.300s", path, shown[strings.Index(shown, "s3cr"):])
			}
		}
		return c.Close()
	}).run(t)
}

// slashes is a source with another token each time.
type slashes struct{ n int }

func (s *slashes) Token(context.Context) (string, error) {
	s.n++
	return fmt.Sprintf("s3cret/%d+/token", s.n), nil
}

func (s *slashes) Renew(ctx context.Context, _ string) (string, error) { return s.Token(ctx) }
