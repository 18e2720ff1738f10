// Package realtime keeps one connection of the Centrifuge protocol and its subscriptions alive on a bad network.
//
// A [Client] dials, authenticates, subscribes and, whenever the connection is lost, comes back and recovers what was
// missed. Reconnecting costs TCP, (TLS), the WebSocket upgrade, and one more round trip for connect and every
// subscription together: 3 RTT on ws, 4 on wss.
//
// Layers, each in its own files:
//
//   - transport: one WebSocket with its reader, its writer and control pings. Nobody waits for a socket write.
//   - attempt: dial, TLS and upgrade of one future transport, stamped with a generation; several overlap.
//   - owner: one goroutine that holds all state. Everybody else sends it events, and it never blocks.
//   - dispatch: one goroutine that runs the application's handlers from a bounded queue. A handler that is slow makes
//     its subscription fall behind and be recovered later; it can't delay a reply, a pong or a verdict on the link.
//   - estimator and liveness: what is known of the path, and from it when a silent link is suspect and when dead.
//
// A link is probed with WebSocket control pings while nothing else proves that it works both ways. An unanswered probe
// makes it suspect: a second connection is dialled at once, without sending connect, and dropped silently if the first
// one shows life. Later the link is dead, and the second one takes over in a single round trip.
//
// States and what leads from one to the next (the table in state.go, checked row by row):
//
//	from \ input   connect     up         lost           attempt failed  suspend due  terminal  disconnect
//	disconnected   connecting  -          -              -               -            -         -
//	connecting     -           connected  -              (retry)         suspended    failed    disconnected
//	connected      -           -          reconnecting   -               -            failed    disconnected
//	reconnecting   (now)       connected  -              (retry)         suspended    failed    disconnected
//	suspended      (now)       connected  -              (retry)         -            failed    disconnected
//	failed         connecting  -          -              -               -            -         disconnected
//
// Positions (offset, epoch) live in memory only. A position moves when its publication enters the dispatch queue, and a
// publication that doesn't follow the position is never applied: the subscription is recovered again instead.
package realtime
