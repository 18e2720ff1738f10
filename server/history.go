package server

import (
	"context"
	"net/http"
	"strconv"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// getMessages answers a page of history over HTTP.
func (s *Server) getMessages(w http.ResponseWriter, r *http.Request, who identity) {
	in := wire.HistoryRequest{Channel: r.PathValue("channel")}
	q := r.URL.Query()
	var err error
	if v := q.Get("after"); v != "" {
		if in.After, err = strconv.ParseUint(v, 10, 64); err != nil {
			writeProblem(w, problem(wire.CodeBadRequest, "after is a number"))
			return
		}
	}
	if v := q.Get("limit"); v != "" {
		if in.Limit, err = strconv.Atoi(v); err != nil || in.Limit < 1 {
			writeProblem(w, problem(wire.CodeBadRequest, "limit is a number above 0"))
			return
		}
	}
	reply, p, err := s.history(r.Context(), who, in)
	switch {
	case err != nil:
		s.fail(w, r, err)
	case p != nil:
		writeProblem(w, p)
	default:
		writeJSON(w, http.StatusOK, reply)
	}
}

// history reads a page. It may be shorter than asked for, since it is bounded in bytes too: Last tells whether there
// is more. Reading makes no channel.
func (s *Server) history(ctx context.Context, who identity, in wire.HistoryRequest) (wire.HistoryReply, *wire.Problem, error) {
	if !wire.ValidName(in.Channel) {
		return wire.HistoryReply{}, problem(wire.CodeInvalidChannel, errInvalidName.Error()), nil
	}
	limit := s.cfg.Limits.HistoryEntries
	if in.Limit > 0 {
		limit = min(in.Limit, limit)
	}
	if err := s.noteRead(s.cfg.Store.CanRead(ctx, in.Channel, who.user)); err != nil {
		return wire.HistoryReply{}, nil, err
	}
	msgs, last, err := s.cfg.Store.Messages(ctx, in.Channel, min(in.After, maxSeq), limit, pageBytes)
	if err := s.noteRead(err); err != nil {
		return wire.HistoryReply{}, nil, err
	}
	if msgs == nil {
		msgs = []wire.Message{} // a list in JSON, never null
	}
	return wire.HistoryReply{Messages: msgs, Last: last}, nil, nil
}

// maxSeq is the largest Seq that SQL's signed numbers hold.
const maxSeq = 1<<63 - 1

// noteRead is noteStore for reads: one that works doesn't prove that the store can write.
func (s *Server) noteRead(err error) error {
	if err != nil {
		return s.noteStore(err)
	}
	return nil
}
