package server

import (
	"errors"
	"net/http"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// maxMembers bounds the members that a channel is made with.
const maxMembers = 1000

// postChannel makes a channel; who makes it owns it and is a member.
func (s *Server) postChannel(w http.ResponseWriter, r *http.Request, who identity) {
	var in wire.ChannelRequest
	if p := decodeJSON(r.Body, &in); p != nil {
		writeProblem(w, p)
		return
	}
	switch {
	case !wire.ValidName(in.Name):
		writeProblem(w, problem(wire.CodeInvalidChannel, errInvalidName.Error()))
		return
	case len(in.Members) > maxMembers:
		writeProblem(w, problem(wire.CodeTooLarge, "too many members"))
		return
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	err := s.addChannel(ctx, Channel{Name: in.Name, Private: in.Private, Owner: who.user}, in.Members)
	switch {
	case errors.Is(err, errInvalidName):
		writeProblem(w, problem(wire.CodeBadRequest, "members: "+errInvalidName.Error()))
	case errors.Is(err, ErrExists):
		writeProblem(w, problem(wire.CodeChannelExists, "there is a channel with this name"))
	case s.noteStore(err) != nil:
		s.fail(w, r, err)
	default:
		writeJSON(w, http.StatusCreated, wire.ChannelRequest{Name: in.Name, Private: in.Private, Members: in.Members})
	}
}
