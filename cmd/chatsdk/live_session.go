package main

import (
	"context"
	"errors"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// firstNotice is when a sign-in that doesn't get through is told for the first time: after the slowest one that
	// is still a success. The pauses between further notices double up to lastNotice.
	firstNotice = 10 * time.Second
	lastNotice  = time.Minute
)

// identify finds out who the run is for, and whether there is a way in.
func (l *liveClient) identify() (err error) {
	if l.user, err = l.home.userFor(l.ctx, l.server, l.opts.user); err != nil {
		return err
	}
	_, _, in := l.client.Session()
	l.kept.Store(in)
	switch {
	case in:
	case l.opts.passwordFile == "":
		return &codedError{exitSignedOut, errors.New("not signed in"), "give --user and --password-file"}
	default:
		_, err = readPassword(l.opts.passwordFile) // now, while a person looks
	}
	return err
}

// begin connects with the session that is kept, or signs in.
func (l *liveClient) begin() {
	if !l.kept.Load() {
		l.signIn()
		return
	}
	l.client.Connect()
}

// signIn signs in with the password and connects. It tries for as long as the run lasts, unless the server says no.
func (l *liveClient) signIn() {
	password, err := readPassword(l.opts.passwordFile)
	if err != nil {
		l.end(err)
		return
	}
	for patience := firstNotice; ; patience = min(2*patience, lastNotice) {
		ctx, cancel := context.WithTimeout(l.ctx, patience)
		err := l.client.SignIn(ctx, l.user, password)
		late := ctx.Err() != nil
		cancel()
		var refused *chatsdk.ServerError
		switch {
		case err == nil:
			l.client.Connect()
			return
		case l.ctx.Err() != nil:
			return
		case late:
			l.tell(errorEvent{
				head: now("error"), Code: "network", Op: "signin",
				Message: "can't sign in yet, trying on: " + plainError(lastOf(err)),
			})
		case errors.As(err, &refused):
			l.tell(errorEvent{head: now("error"), Code: refused.Code, Op: "signin", Message: plainError(err)})
			if refused.Status == 401 || refused.Status == 403 {
				l.end(&codedError{exitSignedOut, err, "check --user and --password-file"})
			} else {
				l.end(failure(err, "check --server"))
			}
			return
		default:
			l.end(failure(err, ""))
			return
		}
	}
}

// lastOf leaves the end of our own patience out of an error, where it has another cause.
func lastOf(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	for _, e := range joined.Unwrap() {
		if e != nil && !errors.Is(e, context.DeadlineExceeded) {
			return e
		}
	}
	return err
}

// moved tells what the client tells of the connection, the session, the disk and the network.
func (l *liveClient) moved(u chatsdk.Update) {
	switch {
	case u.Connection != nil:
		l.connectionMoved(*u.Connection)
	case u.Session != nil:
		l.sessionMoved(*u.Session)
	case u.Store != nil:
		l.tell(diskOf(*u.Store))
	case u.Quality != nil:
		l.tell(qualityEvent{now("quality"), qualityOf(u.Quality.Report)})
	}
}

func (l *liveClient) connectionMoved(m realtime.Change) {
	e := stateEvent{
		head: now("state"), From: m.From.String(), To: m.To.String(), Reason: string(m.Reason),
		Attempt: m.Attempt, RetryInMS: m.RetryIn.Milliseconds(),
	}
	if m.Err != nil {
		e.Error = plainError(m.Err)
	}
	if m.To == realtime.Connected {
		l.kept.Store(false)
	}
	l.tell(e)
	if m.To == realtime.Failed && !l.lasts {
		l.end(failure(errors.Join(errors.New("the connection ended for good: "+string(m.Reason)), m.Err), ""))
	}
}

func (l *liveClient) sessionMoved(m token.Change) {
	l.tell(tokenEvent{head: now("token"), State: m.State.String(), Reason: m.Reason})
	if m.State != token.ReauthRequired {
		return
	}
	if l.kept.Swap(false) && l.opts.passwordFile != "" { // it died while nobody was here: as good as none
		l.wg.Go(l.signIn)
		return
	}
	if !l.lasts {
		why := token.ErrSignedOut
		if errors.Is(m.Err, token.ErrDamaged) {
			why = m.Err
		}
		l.end(&codedError{exitSignedOut, why, "start again to sign in"})
	}
}

func diskOf(s outbox.StoreChange) diskEvent {
	e := diskEvent{head: now("disk"), OK: s.Err == nil}
	if s.Err != nil {
		e.Message = plainError(s.Err)
	}
	return e
}

// followUploads tells what becomes of files. Progress is told as the client tells it, ten times a second at most.
func (l *liveClient) followUploads(changes <-chan upload.Change) {
	for u := range changes {
		l.tell(uploadEvent{head: now("upload"), uploadJSON: uploadOf(u.Upload)})
	}
}
