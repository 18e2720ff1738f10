// Package faultnet is a network that breaks on demand.
//
// A [Link] holds what the path between a client and a server is like: delay, jitter, rate, loss, cuts, resets, silence
// in one direction, refusals. Two carriers put real byte streams on such a link:
//
//   - [Network] connects goroutines in memory. All its waits are timers and channels of package time, so inside a
//     testing/synctest bubble an hour of outage costs milliseconds. It starts no goroutine.
//   - [Proxy] stands between real sockets. [Control] drives a set of proxies over HTTP with the API of Toxiproxy, so
//     that existing clients of that API work unchanged.
//
// Beside what happens to bytes there is what happens to HTTP requests: [HTTPFaults] answers with a status, loses a request
// or a reply, plays a captive portal or a token that has run out, slows or cuts a body, moves a Date. It has three
// carriers of its own: an http.RoundTripper, an http.Handler, and the Proxy, which then understands HTTP/1.x.
//
// Both carriers of a link run the same model. A connection has two directions, each a queue of segments in order. A segment takes
// the direction's delay plus jitter after the line has sent it. A lost segment is sent again after a retransmission
// timeout that doubles, and holds up everything behind it; when a retransmission gets through, the rest follows at once.
// A cut (Flow.Down) loses what is in flight, so after a heal data arrives with the next retransmission and not at once.
// Opening a connection costs one round trip and has its own back-off of 1 s, 2 s, 4 s and so on.
//
// Every direction of every connection draws from a random source of its own, seeded from the network's seed, the two
// host names, the number of the connection on its link and the direction. What one direction draws never depends on
// what the others do: the same seed gives the same arrival times, in virtual time to the nanosecond.
//
// Each end of a connection in memory has what a kernel counts of a socket: segments sent and sent again, bytes, round-trip
// times ([Conn.TransportStats]), so that whoever reads a kernel's counters can be tested on known losses.
//
// What the model leaves out: congestion control, fast retransmit, retransmissions in vain, segments that overtake each other
// within a connection, and IP fragmentation. Acknowledgements only tell: a direction works or fails by itself, and what
// arrived is never sent again because its acknowledgement was lost.
package faultnet
