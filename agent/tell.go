package agent

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/quality"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	openEntries    = 100 // of the outbox that a snapshot names
	settledEntries = 20
	namedUploads   = 100
)

// TextRunes is how much of a text a snapshot has, in characters.
const TextRunes = 200

func sessionOf(s chatsdk.Status) Session {
	return Session{State: s.Session.State.String(), Reason: s.Session.Reason, User: s.User, Device: s.Device}
}

func qualityOf(r quality.Report) Quality {
	q := Quality{
		Level: r.Level.String(), Reach: r.Reach.String(), Reason: string(r.Reason),
		RTTMS: milliseconds(r.RTT.Median), VariationMS: milliseconds(r.RTT.Variation), TailMS: milliseconds(r.RTT.Tail),
		LoadedMS: milliseconds(r.RTT.Loaded), UpBPS: bits(r.Goodput.Up), DownBPS: bits(r.Goodput.Down),
		DropsAnHour: r.Drops, Confidence: rounded(r.Confidence, 100), AgeMS: r.Age.Milliseconds(), Since: Time{r.Since},
	}
	if r.Loss.Segments > 0 {
		q.LossPct, q.LossLowPct, q.LossHighPct = percent(r.Loss.Share), percent(r.Loss.Low), percent(r.Loss.High)
	}
	return q
}

// rounded keeps what a person can see, so that noise below it is no change.
func rounded(x, steps float64) float64 { return math.Round(x*steps) / steps }

func milliseconds(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	return new(rounded(float64(d)/float64(time.Millisecond), 10))
}

func percent(share float64) *float64 { return new(rounded(100*share, 100)) }

func bits(bytes float64) *float64 {
	if bytes <= 0 {
		return nil
	}
	return new(math.Round(8 * bytes))
}

func connectionOf(s chatsdk.Status, retryAt time.Time) Connection {
	c := Connection{
		State: s.Connection.State.String(), Since: Time{s.Connection.Since}, Reason: string(s.Connection.Reason),
		Attempt: s.Connection.Attempt, Circuit: s.Circuit.String(), Synced: s.Connection.State == realtime.Connected,
	}
	if err := s.Connection.Err; err != nil {
		c.Error = err.Error()
	}
	for _, ch := range s.Channels {
		c.Synced = c.Synced && ch.Synced
	}
	switch s.Connection.State {
	case realtime.Connecting, realtime.Reconnecting, realtime.Suspended:
		c.RetryAt = Time{retryAt}
	case realtime.Connected, realtime.Disconnected, realtime.Failed:
	}
	return c
}

// outboxOf lists open and parked entries, and settled ones, in the order of the queue.
func outboxOf(s chatsdk.Status, open, settled []outbox.Entry) Outbox {
	q := s.Queue
	o := Outbox{
		Durable: s.Durable, Queued: q.Queued, Sending: q.Sending, Parked: q.Parked, Bytes: q.Bytes,
		Blocked: map[string]int{}, Oldest: Time{q.Oldest}, NextTry: Time{q.NextTry}, Entries: []Entry{},
	}
	for what, n := range q.Blocked {
		o.Blocked[string(what)] = n
	}
	all := slices.Concat(settled, open)
	slices.SortStableFunc(all, func(a, b outbox.Entry) int { return cmp.Compare(a.Order, b.Order) })
	for _, e := range all {
		o.Entries = append(o.Entries, entryOf(e))
	}
	return o
}

func entryOf(e outbox.Entry) Entry {
	out := Entry{
		ID: e.ID, Channel: e.Channel, Text: firstRunes(e.Text, TextRunes), State: e.State.String(),
		Reason: cmp.Or(string(e.Blocked), e.Err), Seq: e.Seq, At: Time{e.CreatedAt},
	}
	if e.State == outbox.Sent {
		out.Reason = "" // that of an attempt before
	}
	return out
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// uploadsOf lists the newest, in the order of the queue. channelOf finds the channel of a message.
func uploadsOf(all map[string]upload.Upload, channelOf func(message string) string) []Upload {
	list := slices.SortedFunc(maps.Values(all), func(a, b upload.Upload) int { return cmp.Compare(a.Order, b.Order) })
	out := []Upload{}
	for _, u := range list[max(0, len(list)-namedUploads):] {
		one := Upload{
			ID: u.ID, Name: u.Name, Sent: u.Progress.Acked, Total: u.Progress.Total, ResumedFrom: max(0, u.Progress.ResumedFrom),
			State: uploadState(u.State), Error: u.Err,
		}
		if u.State == upload.Uploading {
			one.BPS = bits(u.Progress.Rate)
		}
		if message, ok := chatsdk.MessageOf(u); ok {
			one.Channel = channelOf(message)
		}
		if u.State == upload.Done {
			one.Error = "" // that of an attempt before
		}
		out = append(out, one)
	}
	return out
}

// uploadState is a state in the words of the API, which has fewer.
func uploadState(s upload.State) string {
	switch s {
	case upload.Uploading, upload.Verifying:
		return "sending"
	case upload.WaitingNetwork, upload.WaitingServer, upload.WaitingLock, upload.WaitingAuth, upload.Paused:
		return "waiting"
	case upload.Queued, upload.Done, upload.Failed, upload.Cancelled:
	}
	return s.String()
}

func channelsOf(all map[string]inbox.Snapshot) map[string]Channel {
	out := make(map[string]Channel, len(all))
	for name, s := range all {
		out[name] = Channel{Synced: s.Synced, Received: s.Top, Processed: s.Processed, Newest: max(s.Target, s.Top)}
	}
	return out
}

func messageOf(m chatsdk.Message) Message {
	out := Message{
		Channel: m.Channel, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text, Time: Time{m.Time},
		Attachments: m.Attachments, Replay: m.Replay,
	}
	if len(out.Attachments) == 0 {
		out.Attachments = []byte("[]")
	}
	return out
}
