package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Exit codes. They are part of the command line's contract.
const (
	exitOK        = 0
	exitFailure   = 1
	exitUsage     = 2
	exitConfig    = 3
	exitSignedOut = 4
	exitNetwork   = 5
	exitTimeout   = 6
	exitSignal    = 128 // and the signal's number
)

// codedError is an error with the exit code that the program ends with, and what the person can do about it.
type codedError struct {
	code int
	err  error
	hint string // or ""
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// line is the error as the one line that goes to stderr.
func (e *codedError) line() string {
	s := "chatsdk: " + plainError(e.err)
	if e.hint != "" {
		s += " (" + e.hint + ")"
	}
	return s
}

// plainError is an error's text on one line, without the program's own name in front.
func plainError(err error) string {
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	return strings.ReplaceAll(printable(s), "chatsdk: ", "")
}

func failure(err error, hint string) *codedError { return &codedError{exitFailure, err, hint} }
func usage(err error, hint string) *codedError   { return &codedError{exitUsage, err, hint} }
func config(err error, hint string) *codedError  { return &codedError{exitConfig, err, hint} }

// signalError is the cause of a context that a signal ended.
type signalError struct{ number int }

func (e signalError) Error() string { return "stopped by a signal" }

// untilSignal returns a context that the first interrupt or SIGTERM ends. A second one ends the program at once, for
// when stopping in order takes too long.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case s := <-signals:
				number := int(syscall.SIGINT)
				if s, ok := s.(syscall.Signal); ok {
					number = int(s)
				}
				if n > 0 {
					os.Exit(exitSignal + number)
				}
				cancel(signalError{number})
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-gone
		cancel(nil)
	}
}

// stopped is the error of a command that the end of its context stopped before it was done.
func stopped(ctx context.Context) *codedError {
	cause := context.Cause(ctx)
	var s signalError
	if errors.As(cause, &s) {
		return &codedError{exitSignal + s.number, s, ""}
	}
	return failure(cause, "")
}
