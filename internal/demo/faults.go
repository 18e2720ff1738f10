package demo

import (
	"fmt"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

const (
	// Bounds of a link: beyond them there is nothing more to see.
	maxLatencyMS = 10_000
	maxLossPct   = 90
	maxRateKbps  = 1_000_000
	// busyFor is how long the server has too much to do, busyRetry what it asks a client to wait meanwhile.
	busyFor   = 10 * time.Second
	busyRetry = 5 * time.Second
)

// What goes wrong with a client's requests.
var (
	portal = faultnet.HTTPFault{Kind: faultnet.HTTPCaptive, Upgrades: true}
	busy   = faultnet.HTTPFault{
		Kind: faultnet.HTTPStatus, Upgrades: true, Status: http.StatusTooManyRequests, RetryAfter: busyRetry,
		Header: http.Header{"Content-Type": {"application/problem+json"}},
		Body:   fmt.Sprintf(`{"title":"Too Many Requests","status":429,"code":"rate_limited","retryAfterMs":%d}`, busyRetry.Milliseconds()),
	}
)

// linkChange is a link of which only what is named changes.
type linkChange struct {
	LatencyMS *int     `json:"latencyMs"`
	LossPct   *float64 `json:"lossPct"`
	RateKbps  *int     `json:"rateKbps"`
	Cut       *bool    `json:"cut"`
	Portal    *bool    `json:"portal"`
}

// check says what is out of range.
func (v linkChange) check() error {
	switch {
	case v.LatencyMS != nil && (*v.LatencyMS < 0 || *v.LatencyMS > maxLatencyMS):
		return fmt.Errorf("latencyMs has to be from 0 to %d", maxLatencyMS)
	case v.LossPct != nil && !(*v.LossPct >= 0 && *v.LossPct <= maxLossPct):
		return fmt.Errorf("lossPct has to be from 0 to %d", maxLossPct)
	case v.RateKbps != nil && (*v.RateKbps < 0 || *v.RateKbps > maxRateKbps):
		return fmt.Errorf("rateKbps has to be from 1 to %d, or 0 for no bound", maxRateKbps)
	}
	return nil
}

// applied is the link after the change.
func (v linkChange) applied(l link) link {
	set(&l.LatencyMS, v.LatencyMS)
	set(&l.LossPct, v.LossPct)
	set(&l.RateKbps, v.RateKbps)
	set(&l.Cut, v.Cut)
	set(&l.Portal, v.Portal)
	return l
}

func set[T any](to, v *T) {
	if v != nil {
		*to = *v
	}
}

// change makes the link another one. A portal stands before what comes from now on, so what was there is reset.
func (c *client) change(next link) error {
	c.mu.Lock()
	before := c.link
	c.link = next
	switch {
	case next.Cut && c.over == nil:
		c.over = make(chan struct{})
	case !next.Cut && c.over != nil:
		close(c.over)
		c.over = nil
	}
	c.mu.Unlock()
	c.guest.Link.Set(next.conditions())
	switch {
	case next.Portal && !before.Portal:
		if err := c.guest.HTTP.Add(portal); err != nil {
			return err
		}
		c.guest.Link.Reset()
	case !next.Portal:
		c.guest.HTTP.Remove(string(portal.Kind))
	}
	return nil
}

// overload makes the server answer that it has too much to do, for a while.
func (c *client) overload() error {
	c.mu.Lock()
	c.busy = time.Now().Add(busyFor)
	err := c.guest.HTTP.Add(busy) // under the lock, so that the end of one before takes nothing away
	if c.calm == nil {
		c.calm = time.AfterFunc(busyFor, c.calmDown)
	} else {
		c.calm.Reset(busyFor)
	}
	c.mu.Unlock()
	c.guest.Link.Reset() // so that it is met
	return err
}

// calmDown ends that, unless it has begun anew.
func (c *client) calmDown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.busy) {
		return
	}
	c.busy = time.Time{}
	c.guest.HTTP.Remove(string(busy.Kind))
}

// heal makes the link what it was at the beginning.
func (c *client) heal() error {
	c.mu.Lock()
	c.busy = time.Time{}
	if c.calm != nil {
		c.calm.Stop()
	}
	next := startLink
	if planted(bugPortalStays) {
		next.Portal = c.link.Portal
	}
	c.mu.Unlock()
	c.guest.HTTP.Remove(string(busy.Kind))
	return c.change(next)
}
