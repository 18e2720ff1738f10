package chatsdk

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/upload"
)

// uploads are the files on their way. A client that never had one runs nothing for them: they start with the first, or
// with Open where a former run left some.
type uploads struct {
	queue   *upload.Queue
	turn    chan struct{} // lock of starting, and of changing the account, both of which write to the store
	started atomic.Bool
	away    atomic.Bool   // the connection says that the server can't be reached
	chat    chan struct{} // 1-buffered: a message came or went
	poke    chan struct{} // 1-buffered: settled has something

	mu      sync.Mutex          // guards below
	adding  map[string]int      // messages whose files are being taken, by id
	settled map[string]struct{} // uploads that were settled before their message was queued
}

func (u *uploads) init() {
	u.turn, u.chat, u.poke = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	u.adding, u.settled = map[string]int{}, map[string]struct{}{}
}

// openUploads makes the queue, and starts it where a former run left something to do.
func (c *Client) openUploads(ctx context.Context) (err error) {
	o := c.opts
	store := o.Store.Uploads()
	opts := upload.Options{
		Endpoint: c.ep.url(uploadsPath), Store: store, Token: uploadTokens{c}, TLSConfig: o.TLSConfig,
		Rate: o.UploadRate, FirstChunk: c.firstChunk, OnChunk: c.onChunk, Rand: fork(o.Rand), Logger: c.log,
		DialContext: o.DialContext, Proxy: o.proxy, Header: o.keyHeader(),
	}
	if c.up.queue, err = upload.New(opts); err != nil {
		return err
	}
	saved, err := store.Load(ctx)
	if err != nil {
		return err
	}
	for _, u := range saved.Uploads {
		if !u.State.Settled() || len(u.Leftovers) > 0 || u.Forget {
			return c.startUploads(ctx)
		}
	}
	for _, e := range c.queue.Entries() {
		if len(fileNeeds(e)) > 0 {
			return c.startUploads(ctx)
		}
	}
	return nil
}

// startUploads starts them unless they run.
func (c *Client) startUploads(ctx context.Context) error {
	if c.up.started.Load() {
		return nil
	}
	release, err := c.uploadTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	if c.up.started.Load() {
		return nil
	}
	if err := c.up.queue.Start(); err != nil {
		return closedError(err)
	}
	if account := c.queue.State().Account; account != "" {
		if err := c.up.queue.SetAccount(ctx, account); err != nil {
			return closedError(err)
		}
	}
	f := newFileLink(c)
	if !c.spawn(f.run) {
		return ErrClosed
	}
	c.up.started.Store(true)
	return nil
}

// uploadTurn waits for the lock.
func (c *Client) uploadTurn(ctx context.Context) (release func(), err error) {
	select {
	case c.up.turn <- struct{}{}:
		return func() { <-c.up.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.ctx.Done():
		return nil, ErrClosed
	}
}

// useUploadAccount makes account's uploads the ones that go. Nothing of another one's is under way when it returns.
func (c *Client) useUploadAccount(ctx context.Context, account string) error {
	release, err := c.uploadTurn(ctx)
	if err != nil {
		return err
	}
	defer release()
	if !c.up.started.Load() || c.up.queue.State().Account == account || planted == bugSecondAccount {
		return nil // a start takes the account of the messages
	}
	return c.up.queue.SetAccount(ctx, account)
}

// uploadsAway holds uploads back: the server can't be reached.
func (c *Client) uploadsAway() {
	if !c.up.started.Load() {
		return
	}
	c.up.away.Store(true)
	c.up.queue.SetOnline(false)
}

// uploadsBack lets them try after an outage, at once and on new connections. Several parts notice its end one after the
// other: only the first counts, since what goes on by then must not be given up again.
func (c *Client) uploadsBack() {
	if c.up.away.CompareAndSwap(true, false) {
		c.kickUploads()
	}
}

// kickUploads gives up requests that may hang on a former path.
func (c *Client) kickUploads() {
	c.up.queue.SetOnline(true)
	c.up.queue.Kick()
}

// followReach holds uploads back while the connection says that the server can't be reached, and lets them try by
// themselves where it says nothing.
func (c *Client) followReach(change realtime.Change) {
	switch change.To {
	case realtime.Connecting, realtime.Reconnecting, realtime.Suspended:
		c.mu.Lock()
		http := c.path.http
		c.mu.Unlock()
		if unreachable(change.Reason) && !http && !c.connected() { // it may be old news
			c.uploadsAway()
		}
	case realtime.Connected, realtime.Disconnected, realtime.Failed:
		c.uploadsBack()
	}
}

// uploadsWait says whether something waits for the network that no message waits for.
func (c *Client) uploadsWait() bool {
	if !c.up.away.Load() {
		return false
	}
	for state, n := range c.up.queue.State().States {
		if n > 0 && !state.Settled() && state != upload.Paused {
			return true
		}
	}
	return false
}

// telling is dial that lets the uploads try as soon as the server is reached: two round trips later the connection is up.
func (c *Client) telling(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil {
			c.uploadsBack()
		}
		return conn, err
	}
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// unreachable says of a change's reason whether the path is what failed.
func unreachable(r realtime.Reason) bool {
	return r == realtime.ReasonUnreachable || r == realtime.ReasonLinkDead || r == realtime.ReasonLinkLost
}

// chatActive makes room for messages beside uploads.
func (c *Client) chatActive() {
	if c.up.started.Load() {
		poke(c.up.chat)
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// uploadTokens lends the session to uploads, but only to those of its own account: a new session is there a moment after
// its account, and requests of the one before must not go out with it.
type uploadTokens struct{ c *Client }

func (t uploadTokens) Token(ctx context.Context) (string, error) {
	access, err := t.c.tokens.Token(ctx)
	return t.c.ownToken(access, err)
}

func (t uploadTokens) Renew(ctx context.Context, stale string) (string, error) {
	access, err := t.c.tokens.Renew(ctx, stale)
	return t.c.ownToken(access, err)
}

func (c *Client) ownToken(access string, err error) (string, error) {
	if err != nil || planted == bugSecondAccount {
		return access, err
	}
	t, ok := c.tokens.Tokens()
	if !ok || t.Access.Reveal() != access || c.account(t.User) != c.up.queue.State().Account {
		return "", errors.New("chatsdk: the session isn't for the account of these uploads")
	}
	return access, nil
}

// uploadsPath is where uploads are created, and what they are named below.
const uploadsPath = "/api/uploads/"

// Upload takes a file that is to be uploaded, and returns once the store has it: it needs no connection, goes on after
// drops and restarts from the last byte that the server has, and is checked with SHA-256. The file has to stay where it is
// until then. SendFiles uploads files for a message. Errors are those of upload.Queue.Add, and ErrClosed.
func (c *Client) Upload(ctx context.Context, r upload.Request) (upload.Upload, error) {
	if strings.HasPrefix(r.Label, messageLabel) {
		return upload.Upload{}, &upload.InvalidError{Field: "label", Reason: "it may not begin with " + messageLabel}
	}
	if r.Account == "" {
		r.Account = c.queue.State().Account
	}
	var u upload.Upload
	err := c.withUploads(ctx, func(q *upload.Queue) (err error) { u, err = q.Add(ctx, r); return err })
	return u, err
}

// withUploads runs f with the uploads started.
func (c *Client) withUploads(ctx context.Context, f func(q *upload.Queue) error) error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	if err := c.startUploads(ctx); err != nil {
		return err
	}
	return closedError(f(c.up.queue))
}

func closedError(err error) error {
	if errors.Is(err, upload.ErrClosed) {
		return ErrClosed
	}
	return err
}

// WaitUpload returns when an upload is settled: done with no error, else why not; see upload.Queue.Wait.
func (c *Client) WaitUpload(ctx context.Context, id string) (upload.Upload, error) {
	var u upload.Upload
	err := c.withUploads(ctx, func(q *upload.Queue) (err error) { u, err = q.Wait(ctx, id); return err })
	return u, err
}

// GetUpload finds an upload in any state that is still remembered.
func (c *Client) GetUpload(ctx context.Context, id string) (u upload.Upload, ok bool, err error) {
	err = c.withUploads(ctx, func(q *upload.Queue) error { u, ok = q.Get(id); return nil })
	return u, ok, err
}

// Uploads returns all uploads in order, settled ones included as far as they are remembered.
func (c *Client) Uploads(ctx context.Context) (all []upload.Upload, err error) {
	err = c.withUploads(ctx, func(q *upload.Queue) error { all = q.Uploads(); return nil })
	return all, err
}

// WatchUploads delivers the open uploads at once and then their changes, until ctx or the client ends; see
// upload.Queue.Watch. Watch leaves them out, since they tell of progress ten times a second.
func (c *Client) WatchUploads(ctx context.Context) <-chan upload.Change { return c.up.queue.Watch(ctx) }

// PauseUpload stops an upload until ResumeUpload, also in later runs. What the server has stays there.
func (c *Client) PauseUpload(ctx context.Context, id string) error {
	return c.withUploads(ctx, func(q *upload.Queue) error { return q.Pause(ctx, id) })
}

// ResumeUpload lets a paused upload go on.
func (c *Client) ResumeUpload(ctx context.Context, id string) error {
	return c.withUploads(ctx, func(q *upload.Queue) error { return q.Resume(ctx, id) })
}

// CancelUpload takes an upload back; the server drops its copy. A message that waits for it is parked: it can't be sent as
// it was meant. Cancel takes back a message with all its files.
func (c *Client) CancelUpload(ctx context.Context, id string) error {
	return c.withUploads(ctx, func(q *upload.Queue) error { return q.Cancel(ctx, id) })
}

// RetryUpload tries a failed upload again. For a file of a message, Retry does it, with the message.
func (c *Client) RetryUpload(ctx context.Context, id string) error {
	return c.withUploads(ctx, func(q *upload.Queue) error { return q.Retry(ctx, id) })
}

// RemoveUpload forgets a settled upload.
func (c *Client) RemoveUpload(ctx context.Context, id string) error {
	return c.withUploads(ctx, func(q *upload.Queue) error { return q.Remove(ctx, id) })
}

// SetUploadRate bounds what uploads send together, in bytes a second; 0 is no bound. Without one they leave room for
// messages by themselves.
func (c *Client) SetUploadRate(bytesPerSecond int64) { c.up.queue.SetRate(bytesPerSecond) }
