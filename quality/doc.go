// Package quality says how good the network is, how sure that is, and what would be worth probing.
//
// A [Monitor] is what programs use: it has a goroutine that takes samples of what happens anyway ([Monitor.Observe]),
// probes the server where nobody tells anything, and tells watchers of each [Change]. The rest of this page is about what
// is inside.
//
// An [Estimator] is pure: it has no goroutine and no clock, and knows nothing but the [Sample]s it is told, each with
// its time. So hours can be played through it in milliseconds, which is what package quality/accuracy does. Whoever
// runs one gives it what happens anyway (calls, acks, pings, counters of sockets, transfers, dials, the operating
// system's notices), asks for its [Report], makes the probes that [Estimator.WantProbe] asks for, and comes back at
// [Estimator.Next] at the latest:
//
//	e := quality.NewEstimator(quality.Foreground.Effort())
//	e.Observe(quality.Sample{Kind: quality.KindBegin, At: now, ID: 1, Source: quality.SourcePing})
//	e.Observe(quality.Sample{Kind: quality.KindRoundTrip, At: later, ID: 1, Source: quality.SourcePing, RTT: later.Sub(now)})
//	r := e.Report(later) // r.Level, r.Reach, r.Confidence, …
//
// Two questions are kept apart. Reach: do we get through to the server, and if not, who stands in the way? Level: how
// well does it go while we do? A slow network isn't an absent one, and a server that is down says nothing about the
// network, so captive portals and dead servers are never called offline.
//
// What is known of the level comes from two axes, and the worse one decides. Latency takes a handful of round trips.
// Loss takes hundreds of segments, since over TCP nothing is ever seen of it but retransmissions and late answers; so
// each answer says how sure it is, and where nothing was measured, or too long ago, the answer is [Unknown].
//
// There is one method for all input, and one struct for all samples: a sample can then be queued, recorded and replayed
// without a type for each.
package quality
