package api

// Fault says whose fault the outcome of an attempt was.
type Fault int

// Faults. Only the two of the server charge its circuit and the retry budget.
const (
	FaultNone     Fault = iota
	FaultCaller         // cancelled, out of time, or a request that can't be right: 4xx
	FaultPath           // no answer, or somebody else's
	FaultOverload       // the server has too much to do: 429, 503
	FaultServer         // the server is broken or absent: 500, 502, 504, connection refused
	FaultAuth           // 401
)

// String names the fault.
func (f Fault) String() string {
	switch f {
	case FaultNone:
		return "none"
	case FaultCaller:
		return "caller"
	case FaultPath:
		return "path"
	case FaultOverload:
		return "overload"
	case FaultServer:
		return "server"
	case FaultAuth:
		return "auth"
	}
	return "unknown"
}

// Sent says what the server can have done with a request that failed.
type Sent int

// What is known of a request.
const (
	SentMaybe    Sent = iota // it may have been processed, or not
	SentNothing              // it was certainly not processed
	SentAnswered             // the server answered it
)

// String names what is known.
func (s Sent) String() string {
	switch s {
	case SentMaybe:
		return "maybe processed"
	case SentNothing:
		return "not processed"
	case SentAnswered:
		return "answered"
	}
	return "unknown"
}
