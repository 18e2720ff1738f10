package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
)

const (
	// historyMost and historyUsual are how many messages one answer has.
	historyMost  = 500
	historyUsual = 100
)

// state answers with the snapshot. Its tag changes with each event, and with each run.
func (a *Agent) state(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	seq := a.ring.seq
	body := a.ring.state(a.head, Time{time.Now()})
	a.mu.Unlock()
	Tagged(w, r, a.run+"-"+strconv.FormatUint(seq, 10), body)
}

// send queues a message.
func (a *Agent) send(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Channel string `json:"channel"`
		Text    string `json:"text"`
		ID      string `json:"id"`
	}
	if !ReadJSON(w, r, &in) {
		return
	}
	err := a.beforeQueue(r.Context())
	var e outbox.Entry
	if err == nil {
		e, err = a.client.SendEntry(r.Context(), outbox.Entry{ID: in.ID, Channel: in.Channel, Text: in.Text})
	}
	switch {
	case err != nil:
		refuseFor(w, err)
	case e.Channel != in.Channel || e.Text != in.Text:
		refuse(w, http.StatusConflict, codeConflict, "the id is another message's")
	default:
		answer(w, http.StatusAccepted, struct {
			ID      string `json:"id"`
			Durable bool   `json:"durable"`
		}{e.ID, a.client.Durable()})
	}
}

func (a *Agent) beforeQueue(ctx context.Context) error {
	if a.opts.BeforeQueue == nil {
		return nil
	}
	return a.opts.BeforeQueue(ctx)
}

// cancelEntry takes a message back, or gives a parked one up.
func (a *Agent) cancelEntry(w http.ResponseWriter, r *http.Request) {
	a.act(w, r, func(ctx context.Context, e outbox.Entry) error {
		if e.State == outbox.Parked {
			return a.client.Discard(ctx, e.ID)
		}
		return a.client.Cancel(ctx, e.ID)
	})
}

func (a *Agent) retryEntry(w http.ResponseWriter, r *http.Request) {
	a.act(w, r, func(ctx context.Context, e outbox.Entry) error { return a.client.Retry(ctx, e.ID) })
}

// act does something with the entry that the path names, and answers with what it is then.
func (a *Agent) act(w http.ResponseWriter, r *http.Request, do func(context.Context, outbox.Entry) error) {
	if !ReadJSON(w, r, &struct{}{}) {
		return
	}
	e, ok := a.client.Entry(strings.ToLower(r.PathValue("id")))
	err := outbox.ErrNotFound
	if ok {
		err = do(r.Context(), e)
	}
	if err != nil {
		refuseFor(w, err)
		return
	}
	e, _ = a.client.Entry(e.ID)
	answer(w, http.StatusOK, struct {
		ID    string `json:"id"`
		State string `json:"state"`
	}{e.ID, e.State.String()})
}

// history answers with the messages of a channel that come next after a number.
func (a *Agent) history(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	channel := q.Get("channel")
	after, err := number(q.Get("after"), 0)
	limit, err2 := number(q.Get("limit"), historyUsual)
	switch err := errors.Join(err, err2); {
	case err != nil:
		refuse(w, http.StatusBadRequest, codeBadRequest, err.Error())
		return
	case !slices.Contains(a.opts.Channels, channel):
		refuse(w, http.StatusNotFound, codeNotFound, fmt.Sprintf("channel %.64q isn't followed here", channel))
		return
	}
	messages, err := a.messagesAfter(r.Context(), channel, after, int(min(max(limit, 1), historyMost)))
	if err != nil {
		refuseFor(w, err)
		return
	}
	out := struct {
		Messages []Message `json:"messages"`
	}{[]Message{}}
	for _, m := range messages {
		out.Messages = append(out.Messages, messageOf(m))
	}
	answer(w, http.StatusOK, out)
}

func number(s string, otherwise uint64) (uint64, error) {
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%.20q is no number", s)
	}
	return n, nil
}

// messagesAfter reads forwards what the client reads backwards: numbers have no holes.
func (a *Agent) messagesAfter(ctx context.Context, channel string, after uint64, limit int) ([]chatsdk.Message, error) {
	known := a.client.State().Channels[channel]
	newest := max(known.Top, known.Target)
	if newest == 0 {
		last, err := a.client.History(ctx, channel, 0, 1)
		if err != nil || len(last) == 0 {
			return nil, err
		}
		newest = last[0].Seq
	}
	if after >= newest {
		return nil, nil
	}
	before := min(after+uint64(limit), newest) + 1
	messages, err := a.client.History(ctx, channel, before, int(before-1-after))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(messages, func(m chatsdk.Message) bool { return m.Seq <= after }), nil
}
