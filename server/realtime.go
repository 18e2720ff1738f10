package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/chatsdk/chatsdk/internal/wire"
)

const (
	// writeTimeout is how long the network may refuse a frame before the connection is given up.
	writeTimeout = 10 * time.Second
	// connectSeqs is the most DeviceSeqs in a connect reply: more would crowd the frame.
	connectSeqs = 256
	// slowDown is the least time that a connection too many is asked to stay away.
	slowDown = 5 * time.Second
)

// contextKey finds the connection in a client's context.
type contextKey struct{}

func (s *Server) newNode() (*centrifuge.Node, error) {
	l := s.cfg.Limits
	node, err := centrifuge.New(centrifuge.Config{
		Name:                        "chatsdk",
		LogLevel:                    centrifuge.LogLevelWarn,
		LogHandler:                  s.logNode,
		Metrics:                     centrifuge.MetricsConfig{RegistererGatherer: s.cfg.Registry},
		ClientChannelLimit:          l.ConnectionSubs,
		ChannelMaxLength:            64, // that of wire.ValidName
		RecoveryMaxPublicationLimit: recoveryEntries,
		// A subscribe reply with everything that can be recovered has to fit, and so have some pages of history, or a
		// client would be cut off for being slow, come back, ask for the same and be cut off again.
		ClientQueueMaxSize: max(1<<20, recoveryEntries*(2*l.TextBytes+entryOverhead),
			queuedPages*(pageEscapes*pageBytes+l.HistoryEntries*entryOverhead)),
		// Only a stop for the case that our own count fails: its code is final for clients, and a device that comes
		// back before its old connection is gone counts twice.
		UserConnectionLimit: 2*l.UserConnections + 2,
	})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(s.onConnecting)
	node.OnConnect(s.onConnect)
	return node, nil
}

func (s *Server) logNode(e centrifuge.LogEntry) {
	level := slog.LevelWarn
	if e.Level == centrifuge.LogLevelError {
		level = slog.LevelError
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(e.Fields)+1)
	for _, k := range []string{"channel", "user", "client", "code", "reason"} { // others may quote what clients sent
		if v, ok := e.Fields[k]; ok {
			attrs = append(attrs, slog.Any(k, v))
		}
	}
	if e.Error != nil {
		attrs = append(attrs, slog.Any("error", e.Error))
	}
	s.log.LogAttrs(context.Background(), level, "stream: "+e.Message, attrs...)
}

// publish hands one committed message to the stream.
func (s *Server) publish(m Message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message %d of %s: %w", m.Seq, m.Channel, err)
	}
	_, err = s.node.Publish(m.Channel, data, centrifuge.WithHistory(s.cfg.HistorySize, s.cfg.HistoryTTL))
	if err != nil {
		return fmt.Errorf("publish message %d of %s: %w", m.Seq, m.Channel, err)
	}
	return nil
}

// onConnecting checks the token of a connect command.
func (s *Server) onConnecting(ctx context.Context, e centrifuge.ConnectEvent) (reply centrifuge.ConnectReply, err error) {
	defer s.active.enter()()
	defer s.recovered(&err)
	if s.draining.Load() {
		return reply, s.drainAdvice(time.Duration(s.random(int64(drainRetry))) + drainRetry)
	}
	who, err := s.authenticate(ctx, e.Token)
	if s.noteRead(err) != nil {
		return reply, connectError(err)
	}
	if s.clients.full(device{who.user, who.device}, s.cfg.Limits.UserConnections) {
		wait := slowDown + time.Duration(s.random(int64(slowDown)))
		return reply, centrifuge.Disconnect{
			Code: wire.CloseSlowDown, Reason: fmt.Sprintf("too many connections retry-after-ms=%d", wait.Milliseconds()),
		}
	}
	sctx, cancel := s.storeContext()
	defer cancel()
	seqs, err := s.cfg.Store.DeviceSeqs(sctx, who.user, who.device, connectSeqs)
	if s.noteRead(err) != nil {
		return reply, centrifuge.ErrorInternal
	}
	data, err := json.Marshal(wire.ConnectData{
		API: wire.APIVersion, Limits: s.cfg.Limits, Capabilities: s.capabilities(), User: who.user, Device: who.device,
		DeviceSeqs: seqs,
	})
	if err != nil {
		return reply, err
	}
	arrival, _ := ctx.Value(arrivalKey{}).(uint64)
	return centrifuge.ConnectReply{
		Context:           context.WithValue(ctx, contextKey{}, connection{identity: who, arrival: arrival}),
		Credentials:       &centrifuge.Credentials{UserID: who.user, ExpireAt: who.expires.Unix()},
		Data:              data,
		ClientSideRefresh: true,
	}, nil
}

// connectError chooses codes that don't end a client whose session may be good: 109 and 3500 make it fetch another
// token, and only if that fails is the session over.
func connectError(err error) error {
	switch {
	case errors.Is(err, errTokenExpired):
		return centrifuge.ErrorTokenExpired
	case errors.Is(err, errTokenInvalid), errors.Is(err, errSessionOver):
		return centrifuge.DisconnectInvalidToken
	}
	return centrifuge.ErrorInternal
}

func (s *Server) onConnect(c *centrifuge.Client) {
	conn, ok := c.Context().Value(contextKey{}).(connection)
	if !ok {
		c.Disconnect(centrifuge.DisconnectServerError)
		return
	}
	c.OnDisconnect(func(centrifuge.DisconnectEvent) { s.clients.remove(c, conn) })
	c.OnUnsubscribe(func(centrifuge.UnsubscribeEvent) { s.unsubscribed.Store(time.Now().UnixNano()) })
	c.OnSubscribe(func(e centrifuge.SubscribeEvent, cb centrifuge.SubscribeCallback) { s.onSubscribe(conn, e, cb) })
	calls := &serial{}
	c.OnRPC(func(e centrifuge.RPCEvent, cb centrifuge.RPCCallback) {
		leave := s.active.enter()
		ok := calls.do(func() {
			defer leave()
			data, err := s.rpc(c.Context(), conn.identity, e)
			cb(centrifuge.RPCReply{Data: data}, err)
		})
		if !ok {
			leave()
			cb(centrifuge.RPCReply{}, centrifuge.ErrorTooManyRequests)
		}
	})
	c.OnRefresh(func(e centrifuge.RefreshEvent, cb centrifuge.RefreshCallback) {
		cb(s.onRefresh(c.Context(), conn, e))
	})
	c.OnPublish(func(_ centrifuge.PublishEvent, cb centrifuge.PublishCallback) {
		cb(centrifuge.PublishReply{}, centrifuge.ErrorPermissionDenied) // messages go through message.send
	})
	loser, late := s.clients.add(c, conn)
	if loser != nil {
		loser.Disconnect(disconnectReplaced)
	}
	if late { // it came while the others were told
		s.tellClient(c)
	}
	// The session or the token may have ended between the check of the token and add.
	switch ses, err := s.session(conn.identity); {
	case errors.Is(err, errSessionOver):
		c.Disconnect(disconnectLogout)
	case err == nil && s.runOut.has(conn.identity, ses):
		c.Disconnect(centrifuge.DisconnectExpired)
	}
}

// session looks whether the session still lives.
func (s *Server) session(who identity) (Session, error) {
	ctx, cancel := s.storeContext()
	defer cancel()
	ses, err := s.cfg.Store.Session(ctx, who.session)
	if errors.Is(err, ErrNotFound) || err == nil && !ses.Live(time.Now()) {
		return ses, errSessionOver
	}
	return ses, s.noteRead(err)
}

func (s *Server) onRefresh(ctx context.Context, conn connection, e centrifuge.RefreshEvent) (reply centrifuge.RefreshReply, err error) {
	defer s.active.enter()()
	defer s.recovered(&err)
	who, err := s.authenticate(ctx, e.Token)
	if s.noteRead(err) != nil {
		return reply, connectError(err)
	}
	if who.user != conn.user || who.device != conn.device || who.session != conn.session {
		return reply, centrifuge.DisconnectInvalidToken // another sign-in takes another connection
	}
	return centrifuge.RefreshReply{ExpireAt: who.expires.Unix()}, nil
}

// onSubscribe lets a member in and says how far the table goes. See gates for why that needs care.
func (s *Server) onSubscribe(conn connection, e centrifuge.SubscribeEvent, cb centrifuge.SubscribeCallback) {
	if e.Type != centrifuge.SubscriptionTypeStream { // maps and polls: not here
		cb(centrifuge.SubscribeReply{}, centrifuge.ErrorNotAvailable)
		return
	}
	if !wire.ValidName(e.Channel) {
		cb(centrifuge.SubscribeReply{}, centrifuge.ErrorUnknownChannel)
		return
	}
	leave := s.gates.pass(e.Channel)
	defer leave()
	reply, err := s.subscription(conn, e)
	cb(reply, err) // returns when the subscription is in the hub
}

func (s *Server) subscription(conn connection, e centrifuge.SubscribeEvent) (reply centrifuge.SubscribeReply, err error) {
	defer s.active.enter()()
	defer s.recovered(&err)
	ctx, cancel := s.storeContext()
	defer cancel()
	ch, err := s.cfg.Store.OpenChannel(ctx, e.Channel, conn.user, storedTime())
	switch {
	case errors.Is(err, ErrNotMember):
		return reply, centrifuge.ErrorPermissionDenied
	case s.noteRead(err) != nil:
		return reply, centrifuge.ErrorInternal
	}
	data, err := json.Marshal(wire.SubscribeData{Last: ch.Last})
	if err != nil {
		return reply, err
	}
	reply.Options = centrifuge.SubscribeOptions{EnableRecovery: true, EnablePositioning: true, Data: data}
	return reply, nil
}

// recovered turns a panic in a handler, which would end the process, into an internal error.
func (s *Server) recovered(err *error) {
	if v := recover(); v != nil {
		s.log.Error("panic in a realtime handler", "panic", v, "stack", string(debug.Stack()))
		*err = centrifuge.ErrorInternal
	}
}
