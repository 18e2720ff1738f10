package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
)

// subject is a client under measurement.
type subject interface {
	link() *faultnet.Link
	progress() *progress
	close() error
}

// sdk is a chatsdk.Client with an application that reads the channel.
type sdk struct {
	chat   *chatsdk.Client
	way    *faultnet.Link
	seen   *progress
	entry  atomic.Pointer[func(outbox.Change)] // or nil
	up     atomic.Pointer[time.Time]           // when the last connection was made, by the client's word; or nil
	cancel context.CancelFunc
	wg     sync.WaitGroup // follow and read
}

func (s *sdk) link() *faultnet.Link { return s.way }
func (s *sdk) progress() *progress  { return s.seen }

// openSDK makes a user and connects a client of it through a proxy. It returns when the channel is caught up.
func openSDK(ctx context.Context, w *world, name string, rtt time.Duration, profile realtime.Profile) (*sdk, error) {
	link, addr, err := w.way(name, rtt)
	if err != nil {
		return nil, err
	}
	if err := w.srv.AddUser(ctx, name, password); err != nil {
		return nil, err
	}
	o := chatsdk.Options{Server: "http://" + addr, Profile: profile}
	if w.secure {
		o.Server, o.TLSConfig = "https://"+addr, &tls.Config{RootCAs: w.roots}
	}
	s := &sdk{way: link}
	return s, s.start(ctx, name, o)
}

// start opens, signs in, joins and connects; on an error the client is closed again.
func (s *sdk) start(ctx context.Context, name string, o chatsdk.Options) error {
	o.Store = chatsdk.InMemory()
	if err := s.open(ctx, name, o); err != nil {
		return err
	}
	if err := s.connect(ctx, name); err != nil {
		_ = s.close()
		return err
	}
	return nil
}

// open is all of start but the connection.
func (s *sdk) open(ctx context.Context, name string, o chatsdk.Options) (err error) {
	o.From = inbox.Start
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{}).DialContext
	}
	if s.chat, err = chatsdk.Open(ctx, o); err != nil {
		return err
	}
	s.seen = newProgress()
	life, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	updates := s.chat.Watch(life)
	s.wg.Go(func() { s.follow(updates) })
	if err := s.chat.SignIn(ctx, name, password); err != nil {
		_ = s.close()
		return fmt.Errorf("%s: %w", name, err)
	}
	s.wg.Go(func() { s.read(life) })
	return nil
}

// connect connects and returns when the channel is caught up.
func (s *sdk) connect(ctx context.Context, name string) error {
	s.chat.Connect()
	if err := s.seen.ready(ctx); err != nil {
		return fmt.Errorf("%s: connect: %w", name, err)
	}
	return nil
}

// onEntry sets what hears of each change of a queued message from now on.
func (s *sdk) onEntry(f func(outbox.Change)) { s.entry.Store(&f) }

func (s *sdk) close() error {
	err := s.chat.Close()
	s.cancel()
	s.wg.Wait()
	return err
}

// read is the application.
func (s *sdk) read(ctx context.Context) {
	for m, err := range s.chat.Messages(ctx, channel) {
		if err != nil {
			return
		}
		s.seen.noteShown(m.Seq)
	}
}

func (s *sdk) follow(updates <-chan chatsdk.Update) {
	for u := range updates {
		switch {
		case u.Connection != nil && u.Connection.To == realtime.Connected:
			s.up.Store(&u.Connection.At)
			s.seen.noteUp()
		case u.Connection != nil:
			s.seen.noteLost()
			if u.Connection.To == realtime.Failed {
				s.seen.noteTrouble(string(u.Connection.Reason))
			}
		case u.Channel != nil && u.Channel.Synced:
			s.seen.noteSynced()
		case u.Entry != nil:
			if f := s.entry.Load(); f != nil {
				(*f)(*u.Entry)
			}
		}
	}
}
