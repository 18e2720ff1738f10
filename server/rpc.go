package server

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/centrifugal/centrifuge"
	"github.com/chatsdk/chatsdk/internal/wire"
)

// rpc answers the methods on the realtime connection.
func (s *Server) rpc(ctx context.Context, who identity, e centrifuge.RPCEvent) (data []byte, err error) {
	defer s.recovered(&err)
	if e.Method == wire.RPCNetStats { // asked often, and about nothing but the connection it comes on
		return s.rpcNetStats(ctx)
	}
	if _, err := s.session(who); err != nil { // ended, and the connection not closed yet
		return nil, rpcProblem(problemOf(err))
	}
	switch e.Method {
	case wire.RPCSend:
		return s.rpcSend(who, e.Data)
	case wire.RPCHistory:
		return s.rpcHistory(ctx, who, e.Data)
	}
	return nil, centrifuge.ErrorMethodNotFound
}

// rpcProblem is a problem as an RPC error: its status as the code, its code as the message.
func rpcProblem(p *wire.Problem) error {
	temporary := p.Code == wire.CodeRateLimited || p.Status >= 500
	return &centrifuge.Error{Code: uint32(p.Status), Message: p.Code, Temporary: temporary}
}

func (s *Server) rpcSend(who identity, body []byte) ([]byte, error) {
	var in wire.BatchRequest
	if p := decodeJSON(bytes.NewReader(body), &in); p != nil {
		return nil, rpcProblem(p)
	}
	out, p, err := s.batch(who, in)
	switch {
	case err != nil:
		return nil, s.rpcFail(wire.RPCSend, err)
	case p != nil:
		return nil, rpcProblem(p)
	}
	return json.Marshal(out)
}

func (s *Server) rpcHistory(ctx context.Context, who identity, body []byte) ([]byte, error) {
	var in wire.HistoryRequest
	if p := decodeJSON(bytes.NewReader(body), &in); p != nil {
		return nil, rpcProblem(p)
	}
	reply, p, err := s.history(ctx, who, in)
	switch {
	case err != nil:
		return nil, s.rpcFail(wire.RPCHistory, err)
	case p != nil:
		return nil, rpcProblem(p)
	}
	return json.Marshal(reply)
}

func (s *Server) rpcFail(method string, err error) error {
	p := problemOf(err)
	if p.Code == wire.CodeInternal {
		s.log.Error("call failed", "method", method, "error", err)
	}
	return rpcProblem(p)
}
