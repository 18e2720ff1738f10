package upload

import (
	"context"
	"errors"
	"strings"
)

// show lets readers see what a transaction changed, in one step: an upload of Watch's beginning is never ahead of the
// changes that follow.
func (q *Queue) show(t *txn, kept bool, account string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.account = account
	for _, id := range t.order {
		if s := t.staged[id]; kept || !s.keep {
			q.shown[id] = s.Upload
		}
	}
	for _, id := range t.remove {
		delete(q.shown, id)
	}
	for _, c := range t.moved {
		c.Upload = c.Upload.clone()
		q.hub.Publish(c)
	}
}

// Get finds an upload in any state that is still remembered.
func (q *Queue) Get(id string) (Upload, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	u, ok := q.shown[strings.ToLower(id)]
	if !ok || u.Forget {
		return Upload{}, false
	}
	return u.clone(), true
}

// Uploads returns all uploads in order, settled ones included.
func (q *Queue) Uploads() []Upload {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Upload, 0, len(q.shown))
	for _, u := range q.shown {
		if !u.Forget {
			out = append(out, u.clone())
		}
	}
	sortByOrder(out)
	return out
}

// State returns a snapshot.
func (q *Queue) State() Snapshot {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Snapshot{Online: q.online, Busy: q.busy, Account: q.account, States: map[State]int{}, Aside: len(q.aside), Err: q.storeErr}
	for _, u := range q.shown {
		s.Drops += len(u.Leftovers)
		if u.Forget {
			continue
		}
		s.States[u.State]++
		if !u.State.Settled() {
			s.Acked += u.Offset
			s.Total += u.Source.Size
		}
	}
	return s
}

// Watch returns a channel that gets the open uploads at once, in order, and then every change. Changes of one upload that
// a slow reader hasn't taken are merged; the newest state of each always arrives. It is closed when ctx ends or by Close.
func (q *Queue) Watch(ctx context.Context) <-chan Change {
	q.mu.Lock()
	defer q.mu.Unlock()
	var open []Upload
	for _, u := range q.shown {
		if !u.State.Settled() {
			open = append(open, u.clone())
		}
	}
	sortByOrder(open)
	present := make([]Change, len(open))
	for i, u := range open {
		present[i] = Change{Upload: u, From: u.State, To: u.State, Reason: ReasonPresent}
	}
	return q.hub.WatchFrom(ctx, present...)
}

// Wait returns when the upload is settled: it, and the *FailedError if it failed, or an error that matches
// context.Canceled if it was cancelled. Other errors: ErrNotFound, ErrClosed, ctx's.
func (q *Queue) Wait(ctx context.Context, id string) (Upload, error) {
	id = strings.ToLower(id)
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := q.Watch(watching) // before the first look, so that nothing falls between
	for {
		u, ok := q.Get(id)
		switch {
		case !ok:
			return Upload{}, ErrNotFound
		case u.State.Settled():
			return u, outcome(u)
		}
		select {
		case _, open := <-changes:
			if !open {
				if err := ctx.Err(); err != nil {
					return u, err
				}
				return u, ErrClosed
			}
		case <-ctx.Done():
			return u, ctx.Err()
		}
	}
}

// errCancelled is Wait's answer for what was cancelled.
var errCancelled error = cancelledError{}

type cancelledError struct{}

func (cancelledError) Error() string        { return "upload: cancelled" }
func (cancelledError) Is(target error) bool { return target == context.Canceled }

// outcome is how a settled upload ended.
func outcome(u Upload) error {
	switch u.State {
	case Failed:
		return &FailedError{Code: u.Code, Reason: strings.TrimPrefix(u.Err, "upload: ")}
	case Cancelled:
		return errCancelled
	case Done:
		return nil
	case Queued, Uploading, Verifying, WaitingNetwork, WaitingServer, WaitingLock, WaitingAuth, Paused:
		return errors.New("upload: still on its way")
	}
	return nil
}
