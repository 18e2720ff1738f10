package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrifugal/centrifuge"

	"github.com/chatsdk/chatsdk/server/uploads"
)

// ErrClosed is answered by a Server that was shut down or killed. It matches net.ErrClosed too.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "server: closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// storeTimeout bounds one use of the store. It outlives the request that caused it: a message that was taken is
// finished even if its sender has gone.
const storeTimeout = 10 * time.Second

// janitorInterval is how often full rate buckets and old sessions are forgotten.
const janitorInterval = time.Minute

// Server answers the API and carries the realtime stream. Its methods may be called concurrently.
type Server struct {
	cfg     Config
	log     *slog.Logger
	tokens  issuing
	node    *centrifuge.Node
	handler http.Handler
	admin   http.Handler
	relay   *relay
	gates   *gates
	clients *clients
	runOut  *runOut
	metrics *metrics
	net     *netConns
	uploads *uploads.Handler // nil if files aren't taken
	active  activity
	bodies  bodies

	dummyHash string // takes as long to verify as a true one
	probe     probe
	hashing   chan struct{} // one slot for each password that is hashed at a time

	sends, userFails, addrFails, upgrades, refreshes *throttle

	limitsHeader string
	draining     atomic.Bool
	told         atomic.Int64 // clients that were told when to come back
	unsubscribed atomic.Int64 // when a subscription ended last, Unix nanoseconds
	storeFailed  atomic.Bool  // the last use of the store said ErrUnavailable

	ctx    context.Context // ends in Shutdown and Kill
	cancel context.CancelFunc
	wg     sync.WaitGroup // relay and janitor

	randMu sync.Mutex
	rand   *rand.Rand // guarded by randMu

	mu      sync.Mutex
	started bool           // guarded by mu
	https   []*http.Server // guarded by mu; one for each Serve
	stop    chan struct{}  // guarded by mu; nil until Shutdown or Kill began, closed when it is done
	stopErr error          // written before stop is closed
}

// New makes a Server. Nothing runs yet; the handlers answer 503 until Start.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	limits, err := json.Marshal(cfg.Limits)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, rand: cfg.Rand,
		tokens:       newIssuing(cfg.Key, cfg.AccessTTL),
		gates:        newGates(),
		clients:      newClients(),
		runOut:       newRunOut(),
		net:          newNetConns(),
		dummyHash:    cfg.Argon.hash("nobody's password"),
		probe:        probe{slot: make(chan struct{}, 1)},
		hashing:      make(chan struct{}, runtime.GOMAXPROCS(0)),
		sends:        newThrottle(float64(cfg.Limits.MessagesPerSecond), cfg.Limits.MessageBurst),
		userFails:    newThrottle(1/cfg.LoginPause.Seconds(), cfg.LoginFailures),
		addrFails:    newThrottle(4/cfg.LoginPause.Seconds(), 4*cfg.LoginFailures),
		upgrades:     newThrottle(float64(cfg.UpgradeRate), cfg.UpgradeRate),
		refreshes:    newThrottle(1/cfg.RefreshPause.Seconds(), cfg.RefreshBurst),
		limitsHeader: string(limits),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.metrics, err = newMetrics(cfg.Registry); err != nil {
		return nil, err
	}
	if s.node, err = s.newNode(); err != nil {
		return nil, err
	}
	if err := s.newUploads(); err != nil {
		return nil, err
	}
	s.relay = newRelay(cfg.Store, s.publish, s.gates, s.log, s.metrics)
	s.handler = s.routes()
	if cfg.Wrap != nil {
		s.handler = cfg.Wrap(s.handler)
	}
	s.admin = s.adminRoutes()
	return s, nil
}

// Start runs the node, the relay and the janitor, and publishes what a former run committed but didn't publish. ctx
// bounds only the start. A Server can be started once.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return ErrClosed
	}
	if s.started {
		return errors.New("server: started twice")
	}
	if err := s.node.Run(); err != nil {
		return err
	}
	s.started = true
	if err := s.relay.drain(ctx); err != nil { // tried again by the relay's loop
		s.log.Error("publish what a former run left", "error", err)
	}
	s.wg.Go(func() { s.relay.run(s.ctx) })
	s.wg.Go(s.janitor)
	if s.uploads != nil {
		s.wg.Go(func() { s.uploads.Run(s.ctx) })
	}
	return nil
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started && s.stop == nil
}

// Handler answers everything but the metrics: the API, the realtime connection, /healthz and /readyz.
func (s *Server) Handler() http.Handler { return s.handler }

// AdminHandler answers /metrics, /healthz and /readyz. It asks for no login: listen where only operators reach it.
func (s *Server) AdminHandler() http.Handler { return s.admin }

func (s *Server) janitor() {
	t := time.NewTicker(janitorInterval)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		for _, th := range []*throttle{s.sends, s.userFails, s.addrFails, s.upgrades, s.refreshes} {
			th.sweep(now)
		}
		s.runOut.sweep(now, s.cfg.AccessTTL)
		ctx, cancel := s.storeContext()
		if _, err := s.cfg.Store.DeleteSessions(ctx, now); s.noteStore(err) != nil {
			s.log.Warn("forget old sessions", "error", err)
		}
		cancel()
	}
}

// storeContext bounds a use of the store that no client's departure ends, and neither does the beginning of Shutdown.
func (s *Server) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), storeTimeout)
}

// noteStore remembers whether the store works, for readiness, and hands err on.
func (s *Server) noteStore(err error) error {
	switch {
	case errors.Is(err, ErrUnavailable):
		if !s.storeFailed.Swap(true) {
			s.log.Error("store unavailable", "error", err)
		}
	case err == nil:
		if s.storeFailed.Load() && s.storeFailed.Swap(false) {
			s.log.Info("store available again")
		}
	}
	return err
}

// random gives a number in [0, n).
func (s *Server) random(n int64) int64 {
	s.randMu.Lock()
	defer s.randMu.Unlock()
	return s.rand.Int64N(max(n, 1))
}

// bearer takes the access token out of a request.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxTokenBytes {
		return ""
	}
	return strings.TrimSpace(token)
}
