package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
)

// Secrets collects all that a world's server and clients log and report, and every token that the server issues, and looks
// for the one in the other. It may be used concurrently, by several worlds too. The zero value is ready.
type Secrets struct {
	mu     sync.Mutex // guards what follows
	said   bytes.Buffer
	lines  int
	tokens []string
}

// tail is how much of a token's end is looked for: that part is a signature, which nothing else holds. What stands before
// is the same in every token, or names a session.
const tail = 24

// Write takes a line of a log.
func (s *Secrets) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines++
	return s.said.Write(line)
}

// Say takes what was reported in another way.
func (s *Secrets) Say(what ...any) { _, _ = fmt.Fprintln(s, what...) }

// Counts says how much was looked at.
func (s *Secrets) Counts() (lines, tokens int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines, len(s.tokens)
}

// Check returns an error that shows where a token, or the users' password, was said.
func (s *Secrets) Check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, secret := range append([]string{password}, s.tokens...) {
		if at := bytes.Index(s.said.Bytes(), []byte(secret[max(len(secret)-tail, 0):])); at >= 0 {
			text := s.said.Bytes()
			errs = append(errs, fmt.Errorf("a secret was said: %q", text[max(at-300, 0):min(at+100, len(text))]))
		}
	}
	return errors.Join(errs...)
}

// logger makes the world's: each line goes to s, and to another one if there is one.
func (s *Secrets) logger(other *slog.Logger) *slog.Logger {
	all := slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug})
	if other == nil {
		return slog.New(all)
	}
	return slog.New(slog.NewMultiHandler(all, other.Handler()))
}

// wrap reads the tokens off the server's answers.
func (s *Secrets) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains([]string{"/api/auth/login", "/api/auth/refresh"}, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		kept := &keptAnswer{ResponseWriter: w}
		next.ServeHTTP(kept, r)
		var issued struct{ Token, RefreshToken string }
		if json.Unmarshal(kept.body.Bytes(), &issued) != nil || issued.Token == "" {
			return // refused
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tokens = append(s.tokens, issued.Token, issued.RefreshToken)
	})
}

// keptAnswer keeps what is answered.
type keptAnswer struct {
	http.ResponseWriter
	body bytes.Buffer
}

// Unwrap is for http.ResponseController.
func (k *keptAnswer) Unwrap() http.ResponseWriter { return k.ResponseWriter }

func (k *keptAnswer) Write(b []byte) (int, error) {
	k.body.Write(b)
	return k.ResponseWriter.Write(b)
}
