package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/chatsdk/chatsdk/internal/wire"
)

const (
	// headerTimeout bounds reading a request's head, so that slow ones can't pile up (Slowloris).
	headerTimeout = 10 * time.Second
	// idleTimeout bounds the pause between two requests on one connection.
	idleTimeout = 2 * time.Minute
	// headerBytes bounds a request's head: a token of 1 kB and some.
	headerBytes = 16 << 10
	// killTimeout bounds the wait for goroutines whose connections were reset.
	killTimeout = 10 * time.Second
	// lingerTimeout is how long Shutdown waits, after the last client has gone, for connections that ask nothing, and
	// then for sockets.
	lingerTimeout = 500 * time.Millisecond
	// nodeLinger is how long goroutines of Centrifuge (its dissolver) outlive the last subscription, and a bit.
	nodeLinger = time.Second + 20*time.Millisecond
)

// Serve answers on ln until Shutdown or Kill, then returns nil. It closes ln. It may be called more than once, with
// other listeners. For TLS set Config.TLS: Kill can't see through a listener that speaks TLS itself.
func (s *Server) Serve(ln net.Listener) error {
	h := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // handshakes of port scanners
		ConnState:   noteAsked,
		ConnContext: withSocket,
	}
	s.mu.Lock()
	if s.stop != nil {
		s.mu.Unlock()
		return errors.Join(ErrClosed, ln.Close())
	}
	s.https = append(s.https, h)
	s.mu.Unlock()
	var l net.Listener = &listener{ln, s.net}
	if s.cfg.TLS != nil {
		c := s.cfg.TLS.Clone()
		c.NextProtos = []string{"http/1.1"}
		l = tls.NewListener(l, c)
	}
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	<-stop
	return nil
}

// Shutdown stops in order: readiness goes first, new connections are refused, each client is told to come back after a
// time of its own (Config.DrainRate of them a second), what is being answered is finished, and everything ends. When ctx
// ends first, what is left is cut off and ctx's error returned. Later calls wait for the first.
func (s *Server) Shutdown(ctx context.Context) error {
	return s.end(func() error {
		s.draining.Store(true)
		s.stopUploads()
		s.tellClients()
		err := errors.Join(s.clients.none(ctx), s.net.answered(ctx))
		for _, h := range s.servers() {
			err = errors.Join(err, s.finish(ctx, h))
		}
		select { // sockets that never sent their connect command know of no drain
		case <-s.net.gone():
		case <-time.After(lingerTimeout):
		case <-ctx.Done():
		}
		return errors.Join(err, s.halt(ctx))
	})
}

// finish closes h's listeners and waits for what it is answering. net/http also waits 5 to 6.5s for a connection that
// hasn't sent its first request, and each attempt of a client whose network carries nothing is one: they get lingerTimeout.
func (s *Server) finish(ctx context.Context, h *http.Server) error {
	soon, cancel := context.WithTimeout(ctx, lingerTimeout)
	defer cancel()
	if err := h.Shutdown(soon); soon.Err() == nil {
		return err
	}
	s.net.dropSilent()
	s.bodies.hurry(lastBodies)
	return h.Shutdown(ctx)
}

// noteAsked marks connections on which a request came.
func noteAsked(c net.Conn, to http.ConnState) {
	if nc := bottom(c); nc != nil && to != http.StateNew {
		nc.asked.Store(true)
	}
}

// Kill stops like a crash, for tests and scenarios: connections are reset and nobody is told. The store, which isn't
// the Server's, stays open.
func (s *Server) Kill() error {
	return s.end(func() error {
		s.draining.Store(true)
		s.cancel()
		s.net.kill()
		ctx, cancel := context.WithTimeout(context.Background(), killTimeout)
		defer cancel()
		return s.halt(ctx)
	})
}

// end runs the first stop; the others wait for it.
func (s *Server) end(stop func() error) error {
	s.mu.Lock()
	if s.stop != nil {
		done := s.stop
		s.mu.Unlock()
		<-done
		return s.stopErr
	}
	done := make(chan struct{})
	s.stop = done
	s.mu.Unlock()
	s.stopErr = stop()
	close(done)
	return s.stopErr
}

func (s *Server) servers() []*http.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Server(nil), s.https...)
}

// halt ends what runs, cuts off what is still connected and waits for all of it.
func (s *Server) halt(ctx context.Context) error {
	s.cancel()
	s.wg.Wait()
	err := s.node.Shutdown(ctx)
	for _, h := range s.servers() {
		_ = h.Close() // its listeners; connections are ours to close
	}
	s.net.kill()
	select {
	case <-s.net.gone():
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	s.net.lingers.Wait() // kill has ended them
	s.stopUploads()
	err = errors.Join(err, s.clients.none(ctx), s.active.wait(ctx), s.closeUploads())
	// Centrifuge's workers sleep a second after a channel's last subscriber has gone, whatever happens meanwhile.
	idle := time.Until(time.Unix(0, s.unsubscribed.Load()).Add(nodeLinger))
	if idle <= 0 {
		return err
	}
	select {
	case <-time.After(idle):
	case <-ctx.Done():
	}
	return err
}

// tellClients disconnects everybody who is connected.
func (s *Server) tellClients() {
	for _, c := range s.clients.drain() {
		s.tellClient(c)
	}
}

// tellClient disconnects one, with the time after which to come back: each in a slot of its own, so that they come
// evenly, in the order in which they are told.
func (s *Server) tellClient(c *centrifuge.Client) {
	slot := time.Second / time.Duration(s.cfg.DrainRate)
	before := time.Duration(s.told.Add(1) - 1)
	c.Disconnect(s.drainAdvice(before*slot + time.Duration(s.random(int64(slot)))))
}

func (s *Server) drainAdvice(wait time.Duration) centrifuge.Disconnect {
	return centrifuge.Disconnect{
		Code: wire.CloseDrain, Reason: fmt.Sprintf("draining retry-after-ms=%d", wait.Milliseconds()),
	}
}
