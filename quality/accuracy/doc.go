// Package accuracy plays a quality.Estimator through hours of bad networks and says how often it was right.
//
// The truth is what the simulated link is set to, never anything that was measured. The carrier is a model of TCP:
// segments are lost and sent again after doubling timeouts, what comes later waits for what was lost, and so loss shows as
// it does to programs: late answers, and counters. Beside the estimator two others stand on the same links: the
// first sketch's algorithm, as it was written, and whoever always says what is commonest.
//
// A run is made from a seed alone, and is the same each time. Seeds to tune by and seeds to report by are two sets that
// have none in common: see [Set].
package accuracy
