package server

import (
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/google/uuid"
)

// postMessage takes one message over HTTP.
func (s *Server) postMessage(w http.ResponseWriter, r *http.Request, who identity) {
	var in wire.SendRequest
	if p := decodeJSON(r.Body, &in); p != nil {
		writeProblem(w, p)
		return
	}
	results, err := s.take(who, []wire.BatchEntry{{Channel: r.PathValue("channel"), SendRequest: in}})
	switch {
	case err != nil:
		s.fail(w, r, err)
	case results[0].Problem != nil:
		writeProblem(w, results[0].Problem)
	case results[0].duplicate:
		writeJSON(w, http.StatusOK, results[0].SendReply)
	default:
		writeJSON(w, http.StatusCreated, results[0].SendReply)
	}
}

// postBatch takes a batch over HTTP, for a client whose stream is down: in order and in one round trip, as RPCSend does.
func (s *Server) postBatch(w http.ResponseWriter, r *http.Request, who identity) {
	var in wire.BatchRequest
	p := decodeJSON(r.Body, &in)
	if p != nil {
		writeProblem(w, p)
		return
	}
	out, p, err := s.batch(who, in)
	switch {
	case err != nil:
		s.fail(w, r, err)
	case p != nil:
		writeProblem(w, p)
	default:
		writeJSON(w, http.StatusOK, out)
	}
}

// batch takes a batch. A problem or an error is for the whole of it, and then nothing was taken or nobody knows.
func (s *Server) batch(who identity, in wire.BatchRequest) (wire.BatchReply, *wire.Problem, error) {
	if len(in.Messages) > s.cfg.Limits.BatchEntries {
		return wire.BatchReply{}, problem(wire.CodeTooLarge, "too many messages, see "+wire.HeaderLimits), nil
	}
	results, err := s.take(who, in.Messages)
	if err != nil {
		return wire.BatchReply{}, nil, err
	}
	out := wire.BatchReply{Results: make([]wire.BatchResult, len(results))}
	for i, r := range results {
		out.Results[i] = r.BatchResult
	}
	return out, nil, nil
}

// result is a BatchResult and whether the message was there before.
type result struct {
	wire.BatchResult
	duplicate bool
}

// take is the one way in for messages: it checks them, stores them in one transaction and wakes the relay. An error
// means that nothing was taken or nobody knows; otherwise there is a result for each entry.
func (s *Server) take(who identity, in []wire.BatchEntry) ([]result, error) {
	results := make([]result, len(in))
	granted, wait := s.sends.take(who.user, len(in), time.Now())
	var entries []Entry
	var at []int // the place of each of entries in in
	for i := range in {
		results[i].ID = in[i].ID
		if i >= granted {
			results[i].Problem = problemLater(wire.CodeRateLimited, "too many messages", wait)
			continue
		}
		if bad := wire.CheckChannel(in[i].Channel); bad != nil {
			results[i].Problem = misfit(bad)
			continue
		}
		e, p := s.checkEntry(in[i])
		if p == nil {
			var err error
			if p, err = s.attach(who, &e); err != nil {
				return nil, err
			}
		}
		results[i].Problem = p
		if p != nil && in[i].DeviceSeq == 0 {
			continue // no number to use up
		}
		entries, at = append(entries, e), append(at, i)
	}
	if err := s.store(who, entries, at, results); err != nil {
		return nil, err
	}
	for _, r := range results {
		s.metrics.messages.WithLabelValues(r.outcome()).Inc()
	}
	return results, nil
}

func (s *Server) store(who identity, entries []Entry, at []int, results []result) error {
	if len(entries) == 0 {
		return nil
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	outcomes, err := s.cfg.Store.Append(ctx, who.user, who.device, entries)
	s.relay.wakeUp() // also after an error: a commit may have happened that was reported as failed
	if s.noteStore(err) != nil {
		return err
	}
	for k, o := range outcomes {
		r := &results[at[k]]
		switch {
		case o.Err != nil:
			r.Problem = problemOf(o.Err)
		case r.Problem == nil:
			r.Seq, r.Time, r.duplicate = o.Seq, o.Time.UTC(), o.Duplicate
		}
	}
	return nil
}

func (r result) outcome() string {
	switch {
	case r.Problem != nil:
		return r.Problem.Code
	case r.duplicate:
		return "duplicate"
	}
	return "stored"
}

// checkEntry looks at what of an entry no state can change. A problem here is for ever.
func (s *Server) checkEntry(in wire.BatchEntry) (Entry, *wire.Problem) {
	e := Entry{Channel: in.Channel, DeviceSeq: in.DeviceSeq, Text: in.Text, Time: storedTime()}
	id, err := uuid.Parse(in.ID)
	if err != nil || len(in.ID) != 36 {
		e.Refused = true
		return e, problem(wire.CodeBadRequest, "id is a UUID of 36 characters")
	}
	e.ID = id.String()
	var p *wire.Problem
	var bad *wire.Misfit
	e.Attachments, bad = s.cfg.Limits.CheckContent(in.Text, in.Attachments)
	switch {
	case bad != nil:
		p = misfit(bad)
	case in.DeviceSeq > maxDeviceSeq:
		e.DeviceSeq = 0
		p = problem(wire.CodeBadRequest, "deviceSeq is out of bounds")
	}
	e.Refused = p != nil
	return e, p
}

// misfit is the answer to what clients refuse by the same rules before they send it.
func misfit(bad *wire.Misfit) *wire.Problem {
	return problem(bad.Code, bad.Field+": "+bad.Reason)
}

// maxDeviceSeq is the largest number that SQL's and JavaScript's numbers hold exactly.
const maxDeviceSeq = 1<<53 - 1
