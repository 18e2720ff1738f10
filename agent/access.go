package agent

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/chatsdk/chatsdk/internal/dialing"
)

// policy is the page's: everything comes from the agent, nothing is inline, nobody may frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// secure sets what every answer has.
func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// guarded lets through who names this machine, and comes from nowhere else.
func (s Site) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if !ownHost(r) && planted != bugAnyHost {
			refuse(w, http.StatusMisdirectedRequest, codeForeignHost, "ask by a loopback address or localhost")
			return
		}
		origin := r.Header.Get("Origin")
		allowed := slices.Contains(s.Origins, origin) || slices.Contains(s.Origins, "*")
		switch {
		case origin == "", origin == "http://"+r.Host:
		case allowed:
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Add("Vary", "Origin")
			w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			if r.Method == http.MethodOptions { // asks without the token whether it may ask
				w.Header().Set("Access-Control-Allow-Headers", "authorization, content-type")
				w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		case planted != bugAnyOrigin:
			refuse(w, http.StatusForbidden, codeForeignOrigin, "pages of "+origin+" may not ask")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost says whether the request is for this machine by a name that nobody else can give out: a page whose own name was
// made to point here says that name. The port may be another one, that of a tunnel. Pages can't reach a unix socket.
func ownHost(r *http.Request) bool {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && addr.Network() == "unix" {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return dialing.IsLoopback(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
}

// withToken lets through who has the token.
func (s Site) withToken(next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte(s.Token))
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(token)) // so that neither bytes nor length show in the time
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, codeUnauthorized, "the token is missing or wrong; it is in the address that the agent printed")
			return
		}
		next(w, r)
	}
}

// typed lets through bodies of one type, none of which a plain form of another page can send.
func typed(w http.ResponseWriter, r *http.Request, want string) bool {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		refuse(w, http.StatusUnsupportedMediaType, codeBadRequest, "Content-Type has to be "+want)
		return false
	}
	return true
}
