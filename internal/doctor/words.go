package doctor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// maxWords bounds what is repeated of a text that somebody else wrote.
const maxWords = 200

// plainly says what is wrong with a connection in a few words, without the address, which stands beside it.
func plainly(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset by the other side"
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed by the other side without an answer"
	case noRoute(err):
		return "no route from here"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable, says the network"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case timedOut(err):
		return "no answer in time"
	}
	var u *url.Error
	if errors.As(err, &u) { // repeats the address
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return short(err.Error())
}

// short cuts a text that somebody else wrote, and keeps it on one line.
func short(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > maxWords {
		return string(r[:maxWords]) + "…"
	}
	return s
}
