package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// homeRate is 10 Mbit/s, homeRTT the round trip of that link while nothing else is on it.
	homeRate, homeRTT = 10_000_000 / 8, 40 * time.Millisecond
	// homeQueue is the router's queue in packets: 0.3 s at that rate, as an upload that nothing holds back would fill it.
	homeQueue = 256
	// chatOften is between two messages of a conversation, chatSeldom between two now and then: longer than a client takes
	// a conversation for going on.
	chatOften, chatSeldom = 500 * time.Millisecond, 4 * time.Second
	// chatMessages and chatFew are how many of them are sent for each figure.
	chatMessages, chatFew = 60, 20
	// uploadAhead is how long an upload runs before the first message.
	uploadAhead = 8 * time.Second
	// chatGoal is what the round trip may become beside an upload, in those of the idle link.
	chatGoal = 2.0
)

// chatBeside is the round trip of messages, from Send to the report that the server took it. Milliseconds.
type chatBeside struct {
	What string `json:"what"`
	N    int    `json:"n"`
	spread3
	Queue  float64 `json:"meanQueueMs"`              // that packets met before the link
	Upload float64 `json:"uploadMegabytesPerSecond"` // acknowledged meanwhile
	Times  float64 `json:"timesIdleP95,omitempty"`
	Goal   string  `json:"goal,omitempty"`
	Met    bool    `json:"goalMet,omitempty"`
}

// chatter is a client that chats over the link at home.
type chatter struct {
	*sdk
	link *bottleneck
	sent chan time.Time
}

// measureChats measures the chat beside an upload.
func measureChats(ctx context.Context, c config, dir string, r *report) (err error) {
	dir, w, err := fileWorld(ctx, dir, "chat")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	file := filepath.Join(dir, "file")
	if err := fill(file, uploadBytes, c.seed); err != nil {
		return err
	}
	return measureChatBeside(ctx, c, w, file, r)
}

// measureChatBeside measures messages on an idle link and beside an upload of the same client.
func measureChatBeside(ctx context.Context, c config, w *world, path string, r *report) (err error) {
	often, few := chatMessages, chatFew
	if c.quick {
		often, few = 10, 2
	}
	_, far, err := w.way("home", homeRTT)
	if err != nil {
		return err
	}
	link, err := newBottleneck(far, homeRate, homeQueue)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, link.close()) }()
	if err := w.srv.AddUser(ctx, "chatter", password); err != nil {
		return err
	}
	s := &chatter{sdk: &sdk{}, link: link, sent: make(chan time.Time, 1)}
	if err := s.start(ctx, "chatter", chatsdk.Options{Server: "http://" + link.addr()}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.onEntry(func(v outbox.Change) {
		if v.To == outbox.Sent {
			s.sent <- time.Now()
		}
	})
	idle, err := s.talk(ctx, "a conversation, idle link", often, chatOften)
	if err != nil {
		return err
	}
	r.Chats = append(r.Chats, idle)
	u, err := s.chat.Upload(ctx, upload.Request{Path: path})
	if err != nil {
		return err
	}
	pause(ctx, uploadAhead)
	for _, x := range []struct {
		what  string
		n     int
		every time.Duration
	}{{"a conversation, beside an upload", often, chatOften}, {"now and then, beside an upload", few, chatSeldom}} {
		got, err := s.beside(ctx, u.ID, x.what, x.n, x.every)
		if err != nil {
			return err
		}
		got.Times = got.P95 / idle.P95
		got.Goal, got.Met = fmt.Sprintf("p95 below %.0f times idle", chatGoal), got.Times < chatGoal
		r.Chats = append(r.Chats, got)
	}
	return s.chat.CancelUpload(ctx, u.ID)
}

// beside is talk while an upload is under way, with what that reached meanwhile.
func (s *chatter) beside(ctx context.Context, id, what string, n int, every time.Duration) (chatBeside, error) {
	before, _, err := s.chat.GetUpload(ctx, id)
	if err != nil {
		return chatBeside{}, err
	}
	began := time.Now()
	out, err := s.talk(ctx, what, n, every)
	if err != nil {
		return out, err
	}
	after, ok, err := s.chat.GetUpload(ctx, id)
	if err == nil && (!ok || after.State.Settled()) {
		err = fmt.Errorf("the upload ended before the measurement did: %v, %s", after.State, after.Err)
	}
	out.Upload = float64(after.Progress.Acked-before.Progress.Acked) / 1e6 / time.Since(began).Seconds()
	return out, err
}

// talk sends messages one by one and measures each.
func (s *chatter) talk(ctx context.Context, what string, n int, every time.Duration) (chatBeside, error) {
	var took []time.Duration
	queued := 0
	for range n {
		queued += s.link.queued()
		began := time.Now()
		if _, err := s.chat.Send(ctx, channel, "how far is it?"); err != nil {
			return chatBeside{}, err
		}
		select {
		case at := <-s.sent:
			took = append(took, at.Sub(began))
		case <-time.After(openLimit):
			return chatBeside{}, fmt.Errorf("%s: a message wasn't sent in %v", what, openLimit)
		case <-ctx.Done():
			return chatBeside{}, ctx.Err()
		}
		pause(ctx, every-time.Since(began))
	}
	mean := time.Duration(queued) * s.link.interval / time.Duration(n)
	return chatBeside{What: what, N: n, spread3: spreadOf(took), Queue: ms(mean)}, nil
}

func (r *report) writeChats(out io.Writer) {
	if len(r.Chats) == 0 {
		return
	}
	w := table(out)
	fmt.Fprintf(w, "\nround trip of a message in ms over %.0f Mbit/s that all connections share, RTT %.0f ms\n",
		float64(homeRate)*8/1e6, ms(homeRTT))
	fmt.Fprint(w, "what\tn\tp50\tp95\tmax\tqueue\tupload MB/s\ttimes idle\tgoal\t\t\n")
	for _, x := range r.Chats {
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t%.1f\t%s\t%s\t\n",
			x.What, x.N, x.P50, x.P95, x.Max, x.Queue, x.Upload, x.Times, x.Goal, met(x.Goal, x.Met))
	}
	_ = w.Flush() // to standard output: nobody is there to tell
	fmt.Fprintln(out)
}
