package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// checkOrigin tells whether the page that asks, if a page does, may: it is of this host, or on the list. A page on the
// list gets the headers that let its script read the answer.
func (s *Server) checkOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true // no browser; it has no cookies that a page could abuse, and we use none
	}
	w.Header().Add("Vary", "Origin")
	if u, err := url.Parse(origin); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) {
		return true
	}
	if !slices.ContainsFunc(s.cfg.AllowedOrigins, func(o string) bool { return strings.EqualFold(o, origin) }) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Timing-Allow-Origin", origin) // a page that measures the network goes by the browser's own times
	h.Set("Access-Control-Expose-Headers", strings.Join([]string{
		wire.HeaderAPI, wire.HeaderLimits, wire.HeaderCapabilities, wire.HeaderChallenge, "Retry-After", exposedUploadHeaders,
	}, ", "))
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+wire.HeaderIdempotencyKey+", "+uploadHeaders)
		h.Set("Access-Control-Max-Age", "600")
	}
	return true
}
