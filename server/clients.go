package server

import (
	"context"
	"sync"

	"github.com/centrifugal/centrifuge"
	"github.com/chatsdk/chatsdk/internal/wire"
)

var (
	disconnectReplaced = centrifuge.Disconnect{Code: wire.CloseReplaced, Reason: "a newer connection of this device took over"}
	disconnectLogout   = centrifuge.Disconnect{Code: wire.CloseLogout, Reason: "signed out"}
)

// connection is what the server knows of a realtime connection beside what Centrifuge knows.
type connection struct {
	identity
	arrival uint64 // place of its request among all others
}

// device names a device: the names that devices give themselves are only unique for a user.
type device struct{ user, name string }

// clients keeps the live connections by device and session. It may be used concurrently.
type clients struct {
	mu       sync.Mutex
	arrivals uint64                                     // guarded by mu
	live     map[device]liveClient                      // guarded by mu
	sessions map[string]map[*centrifuge.Client]struct{} // guarded by mu
	users    map[string]int                             // guarded by mu; devices of a user that are connected
	empty    chan struct{}                              // guarded by mu; closed when the last session goes, nil if nobody waits
	told     bool                                       // guarded by mu; drain was called
}

type liveClient struct {
	*centrifuge.Client
	arrival uint64
}

func newClients() *clients {
	return &clients{
		live: map[device]liveClient{}, sessions: map[string]map[*centrifuge.Client]struct{}{}, users: map[string]int{},
	}
}

// arrive gives a request its place.
func (c *clients) arrive() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrivals++
	return c.arrivals
}

// full tells whether the user has limit other devices connected.
func (c *clients) full(d device, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, again := c.live[d]
	return !again && c.users[d.user] >= limit
}

// add keeps a connection and says which one has to go: the device's older one, by the arrival of its request. That is
// cl itself if its connect command was held up on a bad network until its device had come back another way. late says
// that drain came before, and so hasn't returned it.
func (c *clients) add(cl *centrifuge.Client, conn connection) (loser *centrifuge.Client, late bool) {
	d := device{conn.user, conn.device}
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.sessions[conn.session]
	if set == nil {
		set = map[*centrifuge.Client]struct{}{}
		c.sessions[conn.session] = set
	}
	set[cl] = struct{}{}
	old, again := c.live[d]
	if again && old.arrival > conn.arrival {
		return cl, c.told
	}
	if !again {
		c.users[d.user]++
	}
	c.live[d] = liveClient{cl, conn.arrival}
	return old.Client, c.told
}

// drain returns all connections. Those that are added from now on are late, so that each is told once.
func (c *clients) drain() (all []*centrifuge.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = true
	for _, set := range c.sessions {
		for cl := range set {
			all = append(all, cl)
		}
	}
	return all
}

// remove forgets a connection.
func (c *clients) remove(cl *centrifuge.Client, conn connection) {
	d := device{conn.user, conn.device}
	c.mu.Lock()
	defer c.mu.Unlock()
	if set := c.sessions[conn.session]; set != nil {
		delete(set, cl)
		if len(set) == 0 {
			delete(c.sessions, conn.session)
		}
	}
	if len(c.sessions) == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
	if c.live[d].Client != cl {
		return
	}
	delete(c.live, d)
	if c.users[d.user]--; c.users[d.user] == 0 {
		delete(c.users, d.user)
	}
}

// endSession disconnects the connections of a session.
func (c *clients) endSession(session string) {
	c.mu.Lock()
	var gone []*centrifuge.Client
	for cl := range c.sessions[session] {
		gone = append(gone, cl)
	}
	c.mu.Unlock()
	for _, cl := range gone {
		cl.Disconnect(disconnectLogout)
	}
}

// ofUser returns the connections of a user.
func (c *clients) ofUser(user string) (all []*centrifuge.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, set := range c.sessions {
		for cl := range set {
			if cl.UserID() == user {
				all = append(all, cl)
			}
		}
	}
	return all
}

// none waits until no client is connected: each has been told. Its answer is for netConns to wait for.
func (c *clients) none(ctx context.Context) error {
	c.mu.Lock()
	if len(c.sessions) == 0 {
		c.mu.Unlock()
		return nil
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	empty := c.empty
	c.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
