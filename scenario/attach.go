package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
)

// Guest is a new user's way to the server of a world, for a client that isn't the world's: nobody records what it does.
type Guest struct {
	User, Password string
	URL            string // of the server, by the user's own link
	// Dial is chatsdk.Options.DialContext for it, or nil on real sockets, where any dial to URL goes over the link.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Link *faultnet.Link
	// HTTP goes wrong on the way. In virtual time nothing brings it about but a RoundTripper of it.
	HTTP *faultnet.HTTPFaults
}

// Attach makes a user and its link. It needs a running server.
func (w *World) Attach(ctx context.Context, name string) (Guest, error) {
	r, err := w.join(ctx, name)
	return Guest{User: name, Password: password, URL: r.url, Dial: r.dial, Link: r.link, HTTP: r.http}, err
}

// errStopped says that there is no server to ask.
var errStopped = errors.New("scenario: the world's server isn't running")

// join makes a user and its way to the server.
func (w *World) join(ctx context.Context, name string) (route, error) {
	srv, err := w.running()
	if err != nil {
		return route{}, err
	}
	if err := srv.AddUser(ctx, name, password); err != nil {
		return route{}, fmt.Errorf("add user %s: %w", name, err)
	}
	r, err := w.carrier.attach(name)
	if err != nil {
		return route{}, fmt.Errorf("attach %s: %w", name, err)
	}
	return r, nil
}

// ExpireTokens makes the access tokens run out that the server has issued to a user until now. It needs a running server.
func (w *World) ExpireTokens(user string) error {
	srv, err := w.running()
	if err == nil {
		srv.ExpireTokens(user)
	}
	return err
}

// Running says whether the server is started.
func (w *World) Running() bool {
	_, err := w.running()
	return err == nil
}

// running is the server, if it is started.
func (w *World) running() (*server.Server, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.srv == nil {
		return nil, errStopped
	}
	return w.srv, nil
}
