package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// echoEvery is between two echoes.
const echoEvery = 100 * time.Millisecond

// watchRTT measures round trips over a link that is set like the clients', until the returned function is called.
func watchRTT(rtt time.Duration) (stop func() (spread3, error), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if c, err := ln.Accept(); err == nil {
			_, _ = io.Copy(c, c) // until the other end closes
			_ = c.Close()
		}
	})
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{Upstream: ln.Addr().String()})
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	p.Link().Set(faultnet.Symmetric(rtt))
	if err := p.Start(); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return nil, errors.Join(err, p.Close(), ln.Close())
	}
	done := make(chan struct{})
	var took []time.Duration
	var failed error
	wg.Go(func() { took, failed = echoes(c, done) })
	return func() (spread3, error) {
		close(done)
		err := errors.Join(c.SetDeadline(time.Now()), p.Close(), ln.Close())
		wg.Wait()
		return spreadOf(took), errors.Join(err, failed, c.Close())
	}, nil
}

// echoes sends a byte again and again and waits for it.
func echoes(c net.Conn, done <-chan struct{}) (took []time.Duration, err error) {
	b := []byte{1}
	for {
		began := time.Now()
		if _, err = c.Write(b); err == nil {
			_, err = io.ReadFull(c, b)
		}
		select {
		case <-done: // whatever came of the last one
			return took, nil
		default:
		}
		if err != nil {
			return took, err
		}
		took = append(took, time.Since(began))
		select {
		case <-done:
			return took, nil
		case <-time.After(echoEvery):
		}
	}
}
