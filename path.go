package chatsdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/api"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
)

// path is how messages may leave: over the connection, or by HTTP where there is none and HTTP works. Guarded by
// Client.mu.
type path struct {
	sender  string      // whose messages are sent; "" while nobody is known
	account string      // whose the connection is
	http    bool        // HTTP got through since the connection was lost
	single  bool        // the server knows no batches over HTTP
	limits  wire.Limits // as the server told them last; zero before
}

const (
	// httpAfter is how long the connection has been away before messages try another way: longer than getting it back
	// takes, since two ways at once help nobody.
	httpAfter = 3 * time.Second
	// httpEvery is the time between tries. They are made only while something waits, and nothing is sent for them where the
	// monitor knows.
	httpEvery = 5 * time.Second
	// httpAfterWay is how long HTTP waits when the server is reached again: the connection is told of it too, and needs no
	// longer at round trips of 300 ms.
	httpAfterWay = time.Second
)

// account names a user of this client's server to the queue.
func (c *Client) account(user string) string { return user + "@" + c.ep.base.String() }

// userOf is the user of an account that account named.
func (c *Client) userOf(account string) string {
	return strings.TrimSuffix(account, "@"+c.ep.base.String())
}

// openAccount begins with the account of a session that was kept, or with the one that the queue kept.
func (c *Client) openAccount(ctx context.Context) error {
	c.setSender(c.queue.State().Account)
	t, ok := c.tokens.Tokens()
	if !ok {
		return nil
	}
	if err := c.claim(ctx, t.User); err != nil { // an older program may have left that out
		return err
	}
	c.setSender(c.account(t.User))
	if err := c.queue.SetAccount(ctx, c.account(t.User)); err != nil {
		return fmt.Errorf("open queue: %w", err)
	}
	return nil
}

// setSender notes whose messages are sent from now on and returns whose were.
func (c *Client) setSender(account string) (was string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, c.path.sender = c.path.sender, account
	return was
}

// sender is the account whose messages are sent, "" while nobody is known.
func (c *Client) sender() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path.sender
}

// useAccount makes user's messages the ones that are sent. Where that is another user than before, the connection of the
// former one is given up first, and nothing is under way any more when it returns.
func (c *Client) useAccount(ctx context.Context, user string) error {
	account := c.account(user)
	if c.queue.State().Account != account {
		c.Disconnect()
		was := c.setSender(account) // before the queue tells which messages have become this account's
		if err := c.queue.SetAccount(ctx, account); err != nil {
			c.setSender(was)
			return err
		}
	}
	return c.useUploadAccount(ctx, account)
}

// onConnected settles with the queue what the server took before, and lets it send. It runs on the connection's
// dispatch goroutine, before any event of the new connection.
func (c *Client) onConnected(data []byte) {
	var d wire.ConnectData
	if err := json.Unmarshal(data, &d); err != nil {
		c.log.Warn("connect reply without the server's data; not a chatsdk server, or an old one")
	}
	if d.User == "" {
		d.User, _, _ = c.Session()
	}
	c.peer.connected(d.Capabilities)
	account := c.account(d.User)
	c.mu.Lock()
	c.path.account, c.path.http, c.path.limits = account, false, d.Limits
	c.mu.Unlock()
	if c.queue.State().Account == account {
		c.queue.SetPace(outbox.Pace{PerSecond: float64(d.Limits.MessagesPerSecond), Burst: d.Limits.MessageBurst})
		for ch, last := range d.DeviceSeqs {
			c.queue.Settle(ch, last)
		}
	}
	c.ep.api.ServerUp()
	c.updateReady()
	c.onReached()   // also where the dial had its token: a refresh may still wait on a connection that is dead
	c.uploadsBack() // followConnection may be waiting for a ping on such a one
}

// followConnection holds the queue and the inbox back while there is no connection, and looks for another way for what
// is queued when that takes long.
func (c *Client) followConnection() {
	changes := c.rt.Watch(c.ctx)
	retry := time.NewTimer(httpAfter)
	defer retry.Stop()
	wasUp, lost := false, time.Now()
	asked, asking := make(chan bool, 1), false
	for {
		select {
		case change, ok := <-changes:
			if !ok {
				return
			}
			if unreachable(change.Reason) {
				c.cutOff.Store(true)
			}
			c.followReach(change)
			if change.To == realtime.Failed { // there will be no other attempt
				c.wantServer(false)
			}
			c.probing.follow(change)
			up := c.updateReady()
			c.loop.gate.setUp(up)
			switch {
			case up:
				retry.Stop()
				wasUp = true
			case wasUp:
				retry.Reset(httpAfter)
				wasUp, lost = false, time.Now()
			}
		case <-c.loop.way:
			if !wasUp {
				retry.Reset(max(httpAfter-time.Since(lost), httpAfterWay))
			}
		case <-retry.C:
			next, ask := c.tryHTTP()
			retry.Reset(next)
			if ask && !asking { // not here: a silent server takes 10 s, and the connection comes and goes meanwhile
				asking = true
				c.wg.Go(func() { asked <- c.ep.ping(c.ctx) == nil })
			}
		case works := <-asked:
			asking = false
			c.heardOfHTTP(works)
		}
	}
}

// connected says whether there is a connection now.
func (c *Client) connected() bool { return c.rt.State().State == realtime.Connected }

// connectionAccount says whose the connection is.
func (c *Client) connectionAccount() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.path.account
}

// updateReady tells queue and inbox what works now, and says whether there is a connection. It looks and tells under one
// lock: a look from before a reconnect, told after it, would hold both back until the next one. Nothing is sent without
// a session, though a connection outlives its end by a moment.
func (c *Client) updateReady() bool {
	c.ready.Lock()
	defer c.ready.Unlock()
	up := c.connected()
	c.mu.Lock()
	if up {
		c.path.http = false
	}
	p := c.path
	c.mu.Unlock()
	c.inbox.NetworkUp(up)
	window := 0
	if !up {
		window = 1 // for HTTP
	}
	c.queue.SetWindow(window)
	_, session := c.tokens.Tokens()
	c.queue.SetSession(session)
	ready := session && (up && p.account == c.queue.State().Account || !up && p.http)
	if ready && up && c.byHTTP && planted != bugHTTPHolds {
		c.queue.SetReady(false) // what is under way by HTTP goes again over the connection, which doesn't wait for it
	}
	c.queue.SetReady(ready)
	c.byHTTP = ready && !up
	return up
}

// connecting says whether there is no connection, and one is tried.
func (c *Client) connecting() bool {
	switch c.rt.State().State {
	case realtime.Connecting, realtime.Reconnecting, realtime.Suspended:
		return true
	case realtime.Disconnected, realtime.Connected, realtime.Failed:
	}
	return false
}

// tryHTTP takes what is known of HTTP, if something waits and somebody wants it sent. It returns when to look again, and
// whether the server has to be asked because nobody knows.
func (c *Client) tryHTTP() (next time.Duration, ask bool) {
	if !c.connecting() {
		c.setHTTP(false)
		return httpEvery, false
	}
	if c.queue.Len() == 0 && !c.uploadsWait() {
		return httpEvery, false
	}
	if _, ok := c.tokens.Tokens(); !ok {
		return httpEvery, false
	}
	works, known, age := c.httpKnown()
	if !known {
		return httpEvery, true
	}
	c.setHTTP(works)
	return httpEvery - age, false
}

// heardOfHTTP takes what came of asking the server, unless somebody knows better by now.
func (c *Client) heardOfHTTP(works bool) {
	if works { // the monitor doesn't ask often behind a portal, and without a server
		c.observe(quality.Sample{Kind: quality.KindRoundTrip, Source: quality.SourcePing, RTT: 1, Fresh: true})
	} else if _, known, _ := c.httpKnown(); known {
		return
	}
	if c.connecting() {
		c.setHTTP(works)
	}
}

func (c *Client) setHTTP(works bool) {
	c.mu.Lock()
	changed := c.path.http != works
	c.path.http = works
	c.mu.Unlock()
	if changed {
		c.updateReady()
	}
	if works {
		c.uploadsBack()
	}
}

// lostHTTP notes that HTTP doesn't get through either.
func (c *Client) lostHTTP() { c.setHTTP(false) }

// sendOverHTTP sends a batch without the connection. A server that knows no batches gets one message at a time. One batch
// is under way at a time: side by side, on connections of their own, they overtake each other, and the server refuses
// what came too early (see updateReady).
func (c *Client) sendOverHTTP(ctx context.Context, account string, in wire.BatchRequest) ([]outbox.Result, error) {
	access, err := c.tokens.Token(ctx)
	if err != nil {
		return nil, err
	}
	if t, ok := c.tokens.Tokens(); !ok || t.Access.Reveal() != access || c.account(t.User) != account {
		return nil, errors.New("chatsdk: the session isn't for the account of these messages")
	}
	c.mu.Lock()
	single := c.path.single
	c.mu.Unlock()
	if !single {
		out, err := c.ep.sendBatch(ctx, access, in)
		var se *ServerError
		switch {
		case err == nil:
			c.tokens.Accepted(access)
			return resultsOf(in, out)
		case !errors.As(err, &se) || se.Status != http.StatusNotFound && se.Status != http.StatusMethodNotAllowed:
			return c.wholeRefused(ctx, access, in, err)
		}
		c.mu.Lock()
		c.path.single = true
		c.mu.Unlock()
	}
	return c.sendSingly(ctx, access, in)
}

// wholeRefused gives each entry what the server said of all: it took none. Anything but a server's word is handed back.
func (c *Client) wholeRefused(ctx context.Context, access string, in wire.BatchRequest, err error) ([]outbox.Result, error) {
	results := make([]outbox.Result, len(in.Messages))
	if held := heldBack(err); held != nil {
		return refuseAll(results, held), nil
	}
	var se *ServerError
	if !errors.As(err, &se) || se.Code == "" {
		return nil, err
	}
	if se.Status == http.StatusUnauthorized {
		if _, err := c.tokens.Renew(ctx, access); err != nil {
			return nil, err
		}
	}
	return refuseAll(results, &outbox.Refusal{Code: se.Code, RetryAfter: se.RetryAfter}), nil
}

func refuseAll(results []outbox.Result, r *outbox.Refusal) []outbox.Result {
	for i := range results {
		results[i].Err = r
	}
	return results
}

// heldBack is what became of messages that weren't sent, since the server had asked for a pause that is longer than they
// could wait, or its circuit is open; nil for any other error. To the queue it is the server's own no: the path is good.
func heldBack(err error) *outbox.Refusal {
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Count > 0 {
		return nil
	}
	r := &outbox.Refusal{}
	switch {
	case errors.Is(e.Kind, api.ErrRateLimited):
		r.Code = wire.CodeRateLimited
	case errors.Is(e.Kind, api.ErrCircuitOpen):
		r.Code = wire.CodeUnavailable
	default:
		return nil
	}
	if !e.RetryAt.IsZero() {
		r.RetryAfter = max(time.Until(e.RetryAt), 0)
	}
	return r
}

// sendSingly sends one message at a time, in order. One that is refused doesn't stop those behind it: they may be of other
// channels, and the server's count keeps the order of its own.
func (c *Client) sendSingly(ctx context.Context, access string, in wire.BatchRequest) ([]outbox.Result, error) {
	results := make([]outbox.Result, len(in.Messages))
	for i, m := range in.Messages {
		out, err := c.ep.send(ctx, access, m.Channel, m.SendRequest)
		var se *ServerError
		held := heldBack(err)
		switch {
		case held != nil: // and those behind it, with the same no
			refuseAll(results[i:], held)
			return results, nil
		case err == nil && out.ID == m.ID && out.Seq != 0:
			c.tokens.Accepted(access)
			results[i] = outbox.Result{Seq: out.Seq, Time: out.Time}
		case errors.As(err, &se) && se.Code != "":
			r := refusal(&wire.Problem{Status: se.Status, Code: se.Code, Expected: se.expected, RetryAfterMS: se.RetryAfter.Milliseconds()})
			r.RetryAfter = se.RetryAfter
			results[i].Err = r
			if se.Status == http.StatusUnauthorized {
				if _, err := c.tokens.Renew(ctx, access); err != nil {
					return nil, err
				}
			}
		default:
			return nil, errors.Join(err, errors.New("chatsdk: outcome of a message isn't known"))
		}
	}
	return results, nil
}
