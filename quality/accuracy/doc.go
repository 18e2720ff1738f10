// Package accuracy plays a quality.Estimator through hours of bad networks and says how often it was right.
//
// The truth is what the simulated link is set to, never anything that was measured. The carrier is a model of TCP:
// segments are lost and sent again after doubling timeouts, what comes later waits for what was lost, and so loss shows as
// it does to programs: late answers, and counters. The client does what quality.Monitor does with a connection to ping by
// and a prober of its own. Beside the estimator two others stand on the same links: the first sketch's algorithm, as it was
// written, and whoever always says what is commonest.
//
// A run is made from a seed alone, and is the same each time. Seeds to tune by and seeds to report by are two sets that
// have none in common: see [Set].
//
// What the figures of [Matrix] are: a best case. Its links are what the estimator expects. Round trips vary by a standard
// deviation of 12%, which is also the estimator's prior, and stay as they are for one to three minutes, of which two are the
// estimator's mean time between changes of loss; its numbers were chosen on such links, though with other seeds. The truth
// keeps 20% away from the edges of levels (rates of loss 40%), where nobody could tell. Different seeds don't make up for
// that: real networks vary otherwise. [OffModel] plays links that the estimator doesn't expect, and its figures belong beside
// the others. What none of them has: a queue that fills, radio that sleeps, reordering, fast retransmission, acknowledgements
// that are lost, a server whose time is long more than rarely. The way up and the way down take equally long.
//
// For loss the table says what the best algorithm could reach ([Result.Best]), which is less than most expect: no cleverness
// names a rate from a few segments.
package accuracy
