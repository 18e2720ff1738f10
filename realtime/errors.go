package realtime

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Errors that callers branch on.
var (
	// ErrNotConnected is returned at once by RPC while there is no connection. Nothing was sent: trying again is safe.
	ErrNotConnected = errors.New("realtime: not connected")
	// ErrConnectionLost ends an RPC whose connection was lost before the answer. It may have been applied.
	ErrConnectionLost = errors.New("realtime: connection lost before the answer; the call may have been applied")
	// ErrTimeout ends an RPC that wasn't answered in Options.CommandTimeout. It may have been applied.
	ErrTimeout = errors.New("realtime: no answer in time; the call may have been applied")
	// ErrBusy says that a queue is full. Nothing was sent: trying again later is safe.
	ErrBusy = errors.New("realtime: too much waiting to be sent or answered")
	// ErrTooLarge says that a command doesn't fit into Options.FrameLimit.
	ErrTooLarge = errors.New("realtime: command exceeds the frame limit")
	// ErrInvalidData says that the JSON protocol was given bytes that are not JSON.
	ErrInvalidData = errors.New("realtime: data is not valid JSON")
	// ErrAlreadySubscribed says that the channel has a subscription.
	ErrAlreadySubscribed = errors.New("realtime: already subscribed to this channel")
	// ErrUnauthorized is for token sources: an error that wraps it is final, the client goes to Failed.
	ErrUnauthorized = errors.New("realtime: no token can be had for this session")
	// ErrLinkDead is the cause when a link was silent for too long.
	ErrLinkDead = errors.New("realtime: link silent for too long")
	// ErrProtocol says that the other side doesn't speak the Centrifuge protocol over WebSocket.
	ErrProtocol = errors.New("realtime: the server doesn't speak the Centrifuge protocol here")
	// ErrAttempts says that Options.AttemptLimit attempts failed.
	ErrAttempts = errors.New("realtime: attempt limit reached")
)

// ErrClosed is returned after Close. It matches net.ErrClosed.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "realtime: client closed" }
func (closedError) Is(target error) bool { return target == net.ErrClosed }

// RPCError is the server's answer to a call that it refused.
type RPCError struct {
	Code      uint32
	Message   string
	Temporary bool // the same call may succeed later
}

func (e *RPCError) Error() string {
	return fmt.Sprintf("realtime: server error %d: %s", e.Code, e.Message)
}

// Retryable says whether the same call may succeed later.
func (e *RPCError) Retryable() bool { return e.Temporary }

// CloseError is the server's end of a connection: a WebSocket close frame or a disconnect push.
type CloseError struct {
	Code   uint32
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("realtime: closed by the server with code %d: %s", e.Code, e.Reason)
}

// ConnectError is the server's refusal of the connect command.
type ConnectError struct {
	Code      uint32
	Message   string
	Temporary bool
}

func (e *ConnectError) Error() string {
	return fmt.Sprintf("realtime: connect refused with code %d: %s", e.Code, e.Message)
}

// HTTPError is an answer to the upgrade request that was no upgrade.
type HTTPError struct {
	Status     int
	RetryAfter time.Duration // 0 if the server didn't say
}

func (e *HTTPError) Error() string {
	return fmt.Sprintf("realtime: upgrade answered with HTTP status %d", e.Status)
}

// Is makes statuses that a Centrifuge endpoint doesn't give match ErrProtocol.
func (e *HTTPError) Is(target error) bool {
	return target == ErrProtocol && e.Status != 401 && e.Status != 403 && e.Status != 429 && e.Status < 500
}
