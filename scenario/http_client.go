package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/token"
)

const (
	// httpDeadline bounds one call: longer than any fault of a scenario, since nobody is better off with an error.
	httpDeadline = 90 * time.Second
	// httpConns bounds the connections of a client: what has waited for a server goes out in a few round trips, and no
	// end drowns in handshakes.
	httpConns = 64
	// httpLook is how often a client looks for a server that is down: all has to be done 2 s after its return, and the
	// rest of that is for what has waited.
	httpLook = 500 * time.Millisecond
	// httpAgain is the wait before a message is offered again whose call was given up, as an outbox would.
	httpAgain = time.Second
)

// httpMistake is a mistake that clients make, planted by a test to see that a scenario finds it. Zero fields are none.
type httpMistake struct {
	newID   bool // a message gets a new id with each call
	lastTry bool // a call that failed is the last word
	way     func(http.RoundTripper) http.RoundTripper
	options func(*api.Options, *token.Source)
}

// plantedHTTP is set by tests alone, before a scenario is run.
var plantedHTTP httpMistake

// httpClient is a user of a world that talks by HTTP requests alone: an api.Client with a token.Source, as the facade
// wires them.
type httpClient struct {
	*Client
	requests  *api.Client // with tokens, to the endpoints of messages
	session   *token.Source
	record    *HTTPRecord
	transport *http.Transport
	calls     sync.WaitGroup
	watches   sync.WaitGroup // of the session
}

// addHTTPClient makes a user and signs it in.
func (w *World) addHTTPClient(ctx context.Context, name string) (*httpClient, error) {
	if w.opts.Record == nil {
		return nil, errors.New("scenario: addHTTPClient needs WorldOptions.Record")
	}
	r, err := w.join(ctx, name)
	if err != nil {
		return nil, err
	}
	c := &httpClient{
		Client: &Client{Name: name, Link: r.link, HTTP: r.http, run: w.History.StartRun(name, BeginStart)},
		record: w.opts.Record, transport: &http.Transport{
			DialContext: r.dial, MaxConnsPerHost: httpConns, MaxIdleConnsPerHost: httpConns,
		},
	}
	var way http.RoundTripper = c.transport
	if !r.proxied {
		way = r.http.RoundTripper(way)
	}
	if err := c.signIn(ctx, w, r.url, way); err != nil {
		return nil, errors.Join(fmt.Errorf("sign in %s: %w", name, err), c.close())
	}
	if plantedHTTP.way != nil {
		way = plantedHTTP.way(way)
	}
	o := api.Options{
		BaseURL: r.url, Token: c.session, Transport: way, Deadline: httpDeadline, MaxAttempts: -1,
		Breaker: api.BreakerOptions{OpenMin: httpLook, OpenMax: httpLook}, Rand: w.fork(), Logger: w.log,
		OnStateChange: func(v api.CircuitChange) {
			c.record.note(func(h *HTTPView) {
				h.Circuits = append(h.Circuits, HTTPCircuit{v.At, name, v.From.String(), v.To.String(), v.Reason})
			})
		},
	}
	if plantedHTTP.options != nil {
		plantedHTTP.options(&o, c.session)
	}
	c.requests, err = api.New(o)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// close ends the client.
func (c *httpClient) close() error {
	var errs []error
	if c.requests != nil {
		errs = append(errs, c.requests.Close())
	}
	c.calls.Wait()
	if c.session != nil {
		errs = append(errs, c.session.Close())
	}
	c.watches.Wait()
	c.transport.CloseIdleConnections()
	c.run.Stopped(true)
	return errors.Join(errs...)
}

// messageReply is the server's answer to a message.
type messageReply struct {
	ID  string `json:"id"`
	Seq uint64 `json:"seq"`
}

// offer sends a text until the server has it or ctx ends, in a goroutine of its own.
func (c *httpClient) offer(ctx context.Context, text string) {
	c.calls.Go(func() {
		id := uuid.NewString()
		c.run.Offered(Channel, id, text)
		ended := c.record.began(c.Name, id)
		for {
			out, err := c.post(ctx, id, text)
			if err == nil {
				c.run.Accepted(Channel, id, text, true)
				c.run.Acked(Channel, id, out.Seq)
				ended(out.Seq, nil)
				return
			}
			at, ok := again(err)
			if !ok || ctx.Err() != nil || plantedHTTP.lastTry {
				ended(0, err)
				return
			}
			pause(ctx, max(httpAgain, time.Until(at)))
			if plantedHTTP.newID {
				id = uuid.NewString()
			}
		}
	})
}

// again says when a call that failed may be made again, if it may. One that found no token while a refresh is held back
// is worth it too, which api, that knows no tokens, can't say.
func again(err error) (at time.Time, ok bool) {
	var held *token.RetryError
	var failed *api.Error
	switch {
	case errors.As(err, &held):
		return held.At, true
	case errors.As(err, &failed):
		return failed.RetryAt, failed.Retryable()
	}
	return time.Time{}, false
}

// post is one call.
func (c *httpClient) post(ctx context.Context, id, text string) (messageReply, error) {
	return api.Do[messageReply](ctx, c.requests, api.Request{
		Method: http.MethodPost, Path: "/api/channels/" + Channel + "/messages",
		Body: map[string]string{"id": id, "text": text},
		Call: api.Call{Idempotent: true}, // the server knows the message by its id, at any age
	})
}
