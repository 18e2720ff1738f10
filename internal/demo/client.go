package demo

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/scenario"
)

// connectLimit bounds the first connection, over a link where it takes a third of a second.
const connectLimit = 20 * time.Second

// client is a client of the demo: a profile, a chatsdk.Client on it, its agent, and the link under it.
type client struct {
	name  string
	guest scenario.Guest
	prof  *profile.Profile
	chat  *chatsdk.Client
	agent *agent.Agent

	mu   sync.Mutex // guards below
	link link
	over chan struct{} // closed when a cut is over; nil while there is none
	busy time.Time     // until then the server has too much to do
	calm *time.Timer   // ends that; nil before the first
}

// newClient makes a user and a client, signs it in and waits until it is connected.
func (d *Demo) newClient(ctx context.Context, i int, name string) (c *client, err error) {
	c = &client{name: name, link: startLink}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.guest, err = d.world.Attach(ctx, name); err != nil {
		return c, err
	}
	dir := filepath.Join(d.dir, name)
	if c.prof, err = profile.Open(dir); err != nil {
		return c, err
	}
	log := d.opts.Logger.With(slog.String("who", name))
	c.chat, err = chatsdk.Open(ctx, chatsdk.Options{
		Server: c.guest.URL, Store: c.prof, From: inbox.Start, DialContext: c.dial,
		Rand: rand.New(rand.NewPCG(d.opts.Seed, uint64(i))), Logger: log,
	})
	if err != nil {
		return c, err
	}
	c.agent, err = agent.New(agent.Options{
		Client: c.chat, Channels: []string{scenario.Channel}, Version: d.opts.Version, Token: d.token,
		Dir: filepath.Join(dir, "files"), Logger: log,
	})
	if err != nil {
		return c, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	return c, c.connect(ctx)
}

// dial is the client's way out. The system takes a connection to a proxy at once, whatever the link: a cut would look like a server
// that takes connections and is silent. So a dial waits for its end, as one whose SYN is lost does.
func (c *client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	for {
		c.mu.Lock()
		over := c.over
		c.mu.Unlock()
		if over == nil || planted(bugDialsCut) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
		select {
		case <-over:
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
		}
	}
}

// connect signs in, connects and waits until that is done.
func (c *client) connect(ctx context.Context) error {
	if err := c.chat.SignIn(ctx, c.guest.User, c.guest.Password); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := c.chat.Watch(ctx)
	c.chat.Connect()
	for u := range updates {
		if u.Connection != nil && u.Connection.To == realtime.Connected {
			return nil
		}
	}
	return context.Cause(ctx)
}

// close ends the client, as far as it was made.
func (c *client) close() error {
	c.mu.Lock()
	if c.calm != nil {
		c.calm.Stop()
	}
	c.mu.Unlock()
	var errs []error
	if c.agent != nil {
		errs = append(errs, c.agent.Close())
	}
	if c.chat != nil {
		errs = append(errs, c.chat.Close())
	}
	if c.prof != nil {
		errs = append(errs, c.prof.Close())
	}
	return errors.Join(errs...)
}

// link is what a client's link is like, as the API tells it.
type link struct {
	LatencyMS int     `json:"latencyMs"` // round trip
	LossPct   float64 `json:"lossPct"`   // of the segments, each way
	RateKbps  int     `json:"rateKbps"`  // kilobits a second, each way; 0 is unlimited
	Cut       bool    `json:"cut"`
	Portal    bool    `json:"portal"`
}

var startLink = link{LatencyMS: int(startRTT / time.Millisecond)}

// conditions are those of the link.
func (l link) conditions() faultnet.Conditions {
	c := faultnet.Symmetric(time.Duration(l.LatencyMS) * time.Millisecond)
	for _, f := range []*faultnet.Flow{&c.Up, &c.Down} {
		f.Loss, f.Rate, f.Down = l.LossPct/100, int64(l.RateKbps)*1000/8, l.Cut
	}
	return c
}
