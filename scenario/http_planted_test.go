package scenario_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/scenario"
	"github.com/chatsdk/chatsdk/token"
)

// TestPlantedHTTPMistakesAreFound lets the clients of scenarios make mistakes that people make: the scenario that is
// there for it has to fail, and to say why.
func TestPlantedHTTPMistakesAreFound(t *testing.T) {
	way := func(f func(http.RoundTripper, *http.Request, []byte) (*http.Response, error)) scenario.HTTPMistake {
		return scenario.HTTPMistake{Way: func(next http.RoundTripper) http.RoundTripper { return &mistaken{next: next, send: f} }}
	}
	one := func(o *api.Options, _ *token.Source) { o.MaxAttempts = 1 }
	for _, row := range []struct {
		name, id string
		mistake  scenario.HTTPMistake
		want     string // in what the scenario says
	}{
		{"a new id with each try", "2", scenario.HTTPMistake{NewID: true, Options: one}, "unknown"},
		{"the first failure is the last word", "2", scenario.HTTPMistake{LastTry: true, Options: one}, "aren't done"},
		{"a timeout longer than patience", "2", scenario.HTTPMistake{Options: func(o *api.Options, _ *token.Source) {
			o.AttemptMin, o.AttemptMax = time.Minute, time.Minute
		}}, "at least 99 of 100"},
		{"again at once, whatever it was", "2-503", way(hammer), "requests arrived for"},
		{"no circuit", "3", scenario.HTTPMistake{Options: func(o *api.Options, _ *token.Source) {
			o.Breaker.Disabled = true
		}}, "the circuit opened after never"},
		{"a look every 5 s", "3", scenario.HTTPMistake{Options: func(o *api.Options, _ *token.Source) {
			o.Breaker.OpenMin, o.Breaker.OpenMax = 5*time.Second, 5*time.Second
		}}, "after the end"},
		{"a token that is fetched once", "4", scenario.HTTPMistake{Options: func(o *api.Options, s *token.Source) {
			o.Token = &fetchedOnce{Source: s}
		}}, "aren't done"},
		{"half the wait", "7", way(impatient), "before the time that a 429"},
		{"all at once after the wait", "7", way((&herd{}).send), "arrived at once"},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				defer scenario.PlantHTTP(row.mistake)()
				s, ok := scenario.Find(row.id)
				if !ok {
					t.Fatalf("there is no scenario %q", row.id)
				}
				r, err := scenario.RunVirtual(t.Context(), s, scenario.RunOptions{Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				if text := r.String(); r.OK || !strings.Contains(text, row.want) {
					t.Errorf("scenario %s doesn't find it, or doesn't say %q:\n%.2000s", row.id, row.want, text)
				}
			})
		})
	}
}

// mistaken sends requests in a way of its own.
type mistaken struct {
	next http.RoundTripper
	send func(http.RoundTripper, *http.Request, []byte) (*http.Response, error)
}

func (m *mistaken) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return m.next.RoundTrip(r)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return m.send(m.next, r, body)
}

// send sends a copy of a request.
func send(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return next.RoundTrip(r)
}

// hammer sends what failed again at once.
func hammer(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error) {
	res, err := send(next, r, body)
	for n := 0; n < 20 && (err != nil || res.StatusCode >= 500); n++ {
		if err == nil {
			_ = res.Body.Close()
		}
		res, err = send(next, r, body)
	}
	return res, err
}

// asked is the wait that a 429 asks for.
func asked(res *http.Response) time.Duration {
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(res.Header.Get("Retry-After")); err == nil {
		return time.Until(at)
	}
	return time.Second
}

// impatient takes Retry-After for half of what it says.
func impatient(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error) {
	res, err := send(next, r, body)
	if err == nil && res.StatusCode == http.StatusTooManyRequests {
		res.Header.Set("Retry-After", strconv.Itoa(int(asked(res)/(2*time.Second))))
	}
	return res, err
}

// herd waits as asked and then comes all at once: nobody who paces sees the 429.
type herd struct{ until atomic.Int64 }

func (h *herd) send(next http.RoundTripper, r *http.Request, body []byte) (*http.Response, error) {
	for {
		if err := sleep(r.Context(), time.Until(time.Unix(0, h.until.Load()))); err != nil {
			return nil, err
		}
		res, err := send(next, r, body)
		if err != nil || res.StatusCode != http.StatusTooManyRequests {
			return res, err
		}
		h.until.Store(time.Now().Add(asked(res)).UnixNano())
		_ = res.Body.Close()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetchedOnce hands out the first token for ever.
type fetchedOnce struct {
	*token.Source
	once  sync.Once
	first string
}

func (f *fetchedOnce) Token(ctx context.Context) (string, error) {
	var err error
	f.once.Do(func() { f.first, err = f.Source.Token(ctx) })
	return f.first, err
}

func (f *fetchedOnce) Renew(context.Context, string) (string, error) { return f.first, nil }
