package realtime

import (
	"context"
	"time"
)

const (
	// tokenAge is how long a fetched token waits for a dial to get through before it is asked for again.
	tokenAge = 10 * time.Second
	// tokenUse is how old a token may be that a connection is begun with: in an outage it may have run out since, and
	// the source, which mostly answers from what it holds, knows. A dial that takes no longer still has the fetch beside it.
	tokenUse = time.Second
	// tokenLasted is how long a connection must last for its token to have been good, however soon that runs out: then
	// another one is what is missing, and no pause. Where a server ends each connection at once there have to be pauses.
	tokenLasted = time.Second
)

// tokenState is the owner's one fetch of a token, and its result.
type tokenState struct {
	gen     uint64
	cancel  context.CancelFunc // of the fetch under way, or nil
	refresh bool               // the fetch is for the live connection
	have    bool
	failed  bool // there is none, and the dial that runs beside decides whether to ask once more
	value   string
	at      time.Time
	renew   bool // the server refused value
}

// stop gives up the fetch under way: its result belongs to nobody any more.
func (t *tokenState) stop() {
	if t.cancel != nil {
		t.cancel()
		t.cancel = nil
	}
	t.gen++
	t.refresh = false
}

// needToken makes sure that a fetch for the next connect is under way, or done no longer than age ago.
func (o *owner) needToken(now time.Time, age time.Duration) {
	t := &o.tok
	if o.o.Token == nil {
		t.have, t.at = true, now
		return
	}
	if t.cancel != nil && !t.refresh {
		return
	}
	if t.have && !t.renew && now.Sub(t.at) < age {
		return
	}
	if t.refresh {
		o.timers[tRefresh] = now.Add(refreshRetry) // the live connection still needs its own
	}
	stale, renew := t.value, t.renew && t.value != ""
	t.stop()
	t.have, t.failed, t.renew = false, false, false
	o.fetchToken(func(ctx context.Context) (string, error) {
		if renew {
			return o.o.Token.Renew(ctx, stale)
		}
		return o.o.Token.Token(ctx)
	})
}

// fetchToken runs get on a goroutine of its own and sends what it returns, with the present generation.
func (o *owner) fetchToken(get func(context.Context) (string, error)) {
	ctx, cancel := context.WithTimeout(o.c.ctx, o.o.TokenTimeout)
	o.tok.cancel = cancel
	gen := o.tok.gen
	o.c.wg.Go(func() {
		defer cancel()
		value, err := get(ctx)
		o.c.post(event{kind: evToken, gen: gen, token: value, err: err, at: time.Now()})
	})
}

func (o *owner) tokenArrived(e event) {
	t := &o.tok
	if e.gen != t.gen {
		return
	}
	refresh := t.refresh
	t.cancel, t.refresh = nil, false
	if refresh {
		o.refreshArrived(e)
		return
	}
	if e.err != nil {
		c := tokenCause(e.err)
		if c.class != classTerminal && o.link == nil && o.waiting == nil && len(o.attempts) > 0 {
			// A source that holds back after failures knows nothing of the network's return; the dial is about to learn
			// of it. To give the dial up for the token would keep both from ever knowing.
			t.failed = true
			return
		}
		o.tokenFailed(c)
		return
	}
	t.have, t.value, t.at = true, e.token, e.at
	if o.waiting != nil {
		o.begin(time.Now())
	}
}

// tokenAccepted tells the source that the server took the link's token.
func (o *owner) tokenAccepted() {
	if w, ok := o.o.Token.(TokenWatcher); ok {
		w.Accepted(o.link.token)
	}
}

// tokenFailed ends the round: a socket without a token is of no use.
func (o *owner) tokenFailed(c cause) {
	switch o.state {
	case Connecting, Reconnecting, Suspended:
		o.stopAttempts()
		o.attemptFailed(c)
	case Connected, Disconnected, Failed: // it was for a standby
	}
}

// refreshMargin is how long before its end a token is replaced: a fifth of its life, a minute at most. A margin that is
// fixed would refresh without end where tokens live shorter than it.
func refreshMargin(ttl time.Duration) time.Duration { return min(ttl/5, time.Minute) }

// refreshRetry is the pause after a failed refresh. The server waits some 25 s beyond the end for it.
const refreshRetry = 5 * time.Second

// scheduleRefresh plans the refresh of the live connection's token. ttl is relative: clocks may differ.
func (o *owner) scheduleRefresh(expires bool, ttl uint32) {
	o.timers[tRefresh] = time.Time{}
	if expires && ttl > 0 && o.o.Token != nil {
		d := time.Duration(ttl) * time.Second
		o.timers[tRefresh] = time.Now().Add(d - refreshMargin(d))
	}
}

// refreshToken gets another token than the one the connection was made with.
func (o *owner) refreshToken() {
	l := o.link
	if l == nil || !l.up || o.tok.cancel != nil {
		return
	}
	used := l.token
	o.tok.stop()
	o.tok.refresh = true
	o.fetchToken(func(ctx context.Context) (string, error) {
		if v, err := o.o.Token.Token(ctx); err != nil || v != used {
			return v, err
		}
		return o.o.Token.Renew(ctx, used)
	})
}

func (o *owner) refreshArrived(e event) {
	l := o.link
	if l == nil || !l.up {
		return
	}
	if e.err != nil {
		// The connection goes on as long as the server lets it. If it ends, the reconnect asks for a token again.
		o.timers[tRefresh] = time.Now().Add(refreshRetry + time.Duration(o.o.Rand.Int64N(int64(refreshRetry))))
		return
	}
	o.tok.value, o.tok.at = e.token, e.at
	o.sendRefresh(e.token)
}
