package main

import (
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/upload"
)

// status is everything that there is to know, without secrets.
func (c *chat) status() statusEvent { return statusOf(c.client.State()) }

func statusOf(s chatsdk.Status) statusEvent {
	conn := s.Connection
	e := statusEvent{
		head: now("status"), Schema: schema, User: s.User, Device: s.Device,
		Token: statusToken{s.Session.State.String(), s.Session.Reason},
		Connection: statusConnection{
			State: conn.State.String(), Since: stamp(conn.Since), Reason: string(conn.Reason), Attempt: conn.Attempt,
			RetryInMS: conn.RetryIn.Milliseconds(), RTTMS: inMS(conn.SRTT),
		},
		Queue:    queueStatus(s.Queue, s.Durable),
		Uploads:  uploadsStatus(s.Uploads),
		Channels: map[string]statusChannel{},
		Quality:  qualityOf(s.Quality),
	}
	if conn.Err != nil {
		e.Connection.Error = plainError(conn.Err)
	}
	for name, ch := range s.Channels {
		e.Channels[name] = statusChannel{Synced: ch.Synced, Received: ch.Top, Processed: ch.Processed, Newest: ch.Target}
	}
	return e
}

func queueStatus(q outbox.Snapshot, durable bool) statusQueue {
	s := statusQueue{
		Durable: durable, Account: q.Account, Queued: q.Queued, Sending: q.Sending, Parked: q.Parked, Aside: q.Aside,
		Bytes: q.Bytes, Paused: q.Paused, Blocked: map[string]int{}, Oldest: stampOf(q.Oldest), NextTry: stampOf(q.NextTry),
	}
	for what, n := range q.Blocked {
		s.Blocked[string(what)] = n
	}
	if q.Err != nil {
		s.Error = plainError(q.Err)
	}
	return s
}

func uploadsStatus(u upload.Snapshot) statusUploads {
	s := statusUploads{States: map[string]int{}, Acked: u.Acked, Total: u.Total, Aside: u.Aside}
	for state, n := range u.States {
		s.States[state.String()] = n
	}
	if u.Err != nil {
		s.Error = plainError(u.Err)
	}
	return s
}

// stampOf is a time, or nil for none.
func stampOf(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

func qualityOf(r quality.Report) statusQuality {
	return statusQuality{
		Level: r.Level.String(), Reach: r.Reach.String(), RTTMS: inMS(r.RTT.Median),
		LossPct: 100 * r.Loss.Share, Confidence: r.Confidence, Reason: string(r.Reason),
		Since: stampOf(r.Since), VariationMS: inMS(r.RTT.Variation), TailMS: inMS(r.RTT.Tail),
		LossLowPct: 100 * r.Loss.Low, LossHighPct: 100 * r.Loss.High,
		GoodputUp: r.Goodput.Up, GoodputDown: r.Goodput.Down, Drops: r.Drops,
	}
}

// inMS is a time in milliseconds, to the microsecond.
func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
