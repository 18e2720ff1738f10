package quality

import "time"

// Report is what is known of the network at a time. It is a copy: nobody changes it later.
type Report struct {
	At     time.Time // the time that was asked for
	Since  time.Time // when Level or Reach changed last
	Level  Level
	Reach  Reach
	Reason Reason

	RTT     RTT
	Loss    Loss
	Goodput Goodput
	// Drops of connections in the last hour. More than 32 aren't counted.
	Drops int

	// Confidence is the probability that Level and Reach are right, 0 to 1. It is 0 if both are unknown.
	Confidence float64
	// Age of the newest evidence; 0 if there is none.
	Age time.Duration
}

// RTT is the round-trip time to the server, over the last minute at most. Zero is unknown.
type RTT struct {
	Median    time.Duration // with newer samples counting for more
	Variation time.Duration // how far a sample is from it usually (a standard deviation, without outliers)
	Tail      time.Duration // what one sample in 20 exceeds
	Loaded    time.Duration // the median beside transfers, which wait in the same queues
	Samples   int
}

// Loss is the share of segments lost, 0 to 1, and the interval in which it lies with 95% probability. Where both ways are
// counted, up by our sockets and down by the server's, it is that of the worse one. It says nothing if Segments is 0.
type Loss struct {
	Share, Low, High float64
	Segments         int
	// Inferred says that no counters were told: late answers are taken for losses.
	Inferred bool
}

// Goodput is what transfers achieved, in bytes a second. Zero is unknown.
type Goodput struct {
	Up, Down float64
}

// Metrics is the Report in the words of the first sketch's NetworkMetrics, as its JSON had it.
type Metrics struct {
	Quality Level `json:"quality"`
	// Latency is the median round-trip time in milliseconds, left out of the JSON while unknown.
	Latency float64 `json:"latency,omitzero"`
	// PacketLoss is in percent, 0 to 100.
	PacketLoss float64 `json:"packetLoss"`
	// IsOnline says whether there is a network: also behind a portal, and if the server is down.
	IsOnline bool `json:"isOnline"`
	// Timestamp of the last change, in milliseconds since 1970; 0 before the first.
	Timestamp int64 `json:"timestamp"`
}

// Metrics returns the report in the sketch's words.
func (r Report) Metrics() Metrics {
	m := Metrics{
		Quality:    r.Level,
		Latency:    float64(r.RTT.Median) / float64(time.Millisecond),
		PacketLoss: 100 * r.Loss.Share,
		IsOnline:   r.Reach == ReachOnline || r.Reach == ReachCaptive || r.Reach == ReachServerDown,
	}
	if !r.Since.IsZero() {
		m.Timestamp = r.Since.UnixMilli()
	}
	return m
}

// Advice is what others may set their bounds by.
type Advice struct {
	// Known says whether round trips were measured; else the numbers are what suits most networks.
	Known bool
	// RTO is SRTT + 4·RTTVAR (RFC 6298), at least 200 ms: an answer that comes later was held up by something.
	RTO time.Duration
	// Attempt is how long to wait for an answer on an open connection. It leaves room for a loss each way.
	Attempt time.Duration
	// Handshake is how long to wait for a new connection with TLS, from the first segment to the answer of a request.
	Handshake time.Duration
	// ChunkUp and ChunkDown are sizes in bytes that take some 2 s.
	ChunkUp, ChunkDown int64
}
