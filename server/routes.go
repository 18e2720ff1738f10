package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// requestTimeout bounds reading a request's body and writing its answer, each: 64 KiB at 20 kbit/s.
	requestTimeout = 30 * time.Second
	// drainRetry is what a refused client is asked to wait while the server stops, at least.
	drainRetry = time.Second
)

// capabilities are the names of what this server can, beside what its API version says.
func (s *Server) capabilities() []string {
	all := []string{"message.send", "message.history", "private-channels", "device-seq", "message.batch", "net.stats"}
	if s.uploads != nil {
		all = append(all, "uploads")
	}
	return all
}

// methods answers by HTTP method.
type methods map[string]http.HandlerFunc

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	api := func(pattern, route string, m methods) { mux.Handle(pattern, s.api(route, m)) }
	api("/api/health/ping", "ping", methods{http.MethodGet: s.ping})
	api("/api/auth/login", "login", methods{http.MethodPost: s.login})
	api("/api/auth/refresh", "refresh", methods{http.MethodPost: s.refresh})
	api("/api/auth/logout", "logout", methods{http.MethodPost: s.logout})
	api("/api/channels", "channels", methods{http.MethodPost: s.signedIn(s.postChannel)})
	api("/api/channels/{channel}/messages", "messages", methods{
		http.MethodPost: s.signedIn(s.postMessage), http.MethodGet: s.signedIn(s.getMessages),
	})
	api("/api/messages", "batch", methods{http.MethodPost: s.signedIn(s.postBatch)})
	mux.Handle("/api/uploads/", http.HandlerFunc(s.serveUploads))
	mux.Handle("/api/uploads", http.HandlerFunc(s.serveUploads)) // or ServeMux would redirect a POST
	s.healthRoutes(mux)
	mux.Handle("/", s.api("unknown", nil))
	ping := centrifuge.PingPongConfig{PingInterval: s.cfg.PingInterval, PongTimeout: s.cfg.PongTimeout}
	ws := centrifuge.NewWebsocketHandler(s.node, centrifuge.WebsocketConfig{
		CheckOrigin:      func(*http.Request) bool { return true }, // admit has looked
		MessageSizeLimit: s.cfg.Limits.FrameBytes, WriteTimeout: writeTimeout, PingPongConfig: ping,
		ProcessCommandsOffReadLoop: true, // memory of idle connections
	})
	mux.Handle("/connection/websocket", s.admit("websocket", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws.ServeHTTP(hijacking{w}, r)
	})))
	mux.Handle("/connection/http_stream", s.admit("http_stream", centrifuge.NewHTTPStreamHandler(s.node,
		centrifuge.HTTPStreamConfig{MaxRequestBodySize: s.cfg.Limits.FrameBytes, PingPongConfig: ping})))
	mux.Handle("/emulation", s.realtime("emulation", centrifuge.NewEmulationHandler(s.node,
		centrifuge.EmulationConfig{MaxRequestBodySize: s.cfg.Limits.FrameBytes})))
	return s.common(mux)
}

func (s *Server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	s.healthRoutes(mux)
	mux.Handle("/metrics", promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{}))
	mux.Handle("/", s.api("unknown", nil))
	return s.common(mux)
}

// common puts the headers on every reply and turns a panic into a problem.
func (s *Server) common(next http.Handler) http.Handler {
	version, caps := strconv.Itoa(wire.APIVersion), strings.Join(s.capabilities(), ",")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.active.enter()()
		defer func() {
			if v := recover(); v != nil {
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(v) // net/http's own way to drop a connection
				}
				s.log.Error("panic in a handler", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
				writeProblem(w, problem(wire.CodeInternal, ""))
			}
		}()
		h := w.Header()
		h.Set(wire.HeaderAPI, version)
		h.Set(wire.HeaderLimits, s.limitsHeader)
		h.Set(wire.HeaderCapabilities, caps)
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// api is one path of the API: its methods, its deadlines, its Origin check and its metrics.
func (s *Server) api(route string, m methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK, start: start, quiet: strings.HasPrefix(r.URL.Path, "/api/auth/")}
		defer func() { s.metrics.request(route, rec.status, time.Since(start)) }()
		if !s.checkOrigin(w, r) && route != "ping" {
			writeProblem(rec, problem(wire.CodeForbidden, "origin not allowed"))
			return
		}
		if m == nil {
			writeProblem(rec, problem(wire.CodeNotFound, "no such path"))
			return
		}
		h, ok := m[r.Method]
		if get, isGet := m[http.MethodGet]; r.Method == http.MethodHead && isGet {
			h, ok = get, true
		}
		if !ok {
			m.refuse(rec, r)
			return
		}
		defer s.bodies.limit(w, r, requestTimeout)()
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(start.Add(2 * requestTimeout))  // not every ResponseWriter can
		defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // the connection goes on
		r.Body = http.MaxBytesReader(w, r.Body, int64(s.cfg.Limits.FrameBytes))
		h(rec, r)
	})
}

// refuse answers a method that the path doesn't have; OPTIONS gets the list.
func (m methods) refuse(w http.ResponseWriter, r *http.Request) {
	allow := []string{http.MethodOptions}
	for _, name := range []string{http.MethodGet, http.MethodPost} {
		if m[name] != nil {
			allow = append(allow, name)
		}
	}
	if m[http.MethodGet] != nil {
		allow = append(allow, http.MethodHead)
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	writeProblem(w, problem(wire.CodeMethodNotAllowed, "use "+strings.Join(allow[1:], " or ")))
}

// signedIn asks for an access token.
func (s *Server) signedIn(h func(http.ResponseWriter, *http.Request, identity)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.authenticate(r.Context(), bearer(r))
		if s.noteRead(err) != nil {
			s.fail(w, r, err)
			return
		}
		h(w, r, who)
	}
}

// fail answers an error, and logs those that the client isn't told.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Code == wire.CodeInternal {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeProblem(w, p)
}

// arrivalKey finds the place of a realtime connection's request among all others.
type arrivalKey struct{}

// admit lets realtime connections in while the server runs and isn't overloaded.
func (s *Server) admit(route string, next http.Handler) http.Handler {
	next = s.realtime(route, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := s.admission(time.Now()); p != nil {
			s.metrics.refused.WithLabelValues(route).Inc()
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), arrivalKey{}, s.clients.arrive())))
	})
}

func (s *Server) admission(now time.Time) *wire.Problem {
	switch {
	case s.draining.Load() || !s.running():
		wait := drainRetry + time.Duration(s.random(int64(drainRetry)))
		return problemLater(wire.CodeUnavailable, "the server is stopping", wait)
	case s.node.Hub().NumClients() >= s.cfg.MaxConnections:
		return problemLater(wire.CodeUnavailable, "too many connections", drainRetry+time.Duration(s.random(int64(10*time.Second))))
	}
	if got, wait := s.upgrades.take("", 1, now); got == 0 {
		return problemLater(wire.CodeUnavailable, "too many connections at once", wait+time.Duration(s.random(int64(drainRetry))))
	}
	return nil
}

// realtime checks the Origin before Centrifuge's own handlers, which need the bare ResponseWriter.
func (s *Server) realtime(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.checkOrigin(w, r) {
			s.metrics.refused.WithLabelValues(route).Inc()
			writeProblem(w, problem(wire.CodeForbidden, "origin not allowed"))
			return
		}
		if route == "websocket" && !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && r.ProtoMajor == 1 {
			writeProblem(w, problem(wire.CodeBadRequest, "a WebSocket upgrade is needed here"))
			return
		}
		if route != "websocket" && r.Method != http.MethodPost {
			methods{http.MethodPost: func(http.ResponseWriter, *http.Request) {}}.refuse(w, r)
			return
		}
		if route != "websocket" { // Centrifuge reads the body to its end before it asks who sent it
			defer s.bodies.limit(w, r, requestTimeout)()
		}
		next.ServeHTTP(w, r)
	})
}

// recorder remembers the status for the metrics, and tells the client how long its answer took here, so that it can tell
// that from the network.
type recorder struct {
	http.ResponseWriter
	status int
	start  time.Time
	quiet  bool // how long a secret was looked at is nobody's business
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	if !r.quiet {
		ms := float64(time.Since(r.start)) / float64(time.Millisecond)
		r.Header().Set("Server-Timing", "app;dur="+strconv.FormatFloat(ms, 'f', 3, 64))
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// clientAddress is what logins are throttled by: the IPv4 address, or the /64 that one IPv6 customer has.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
