// Package rto is the arithmetic of RFC 6298, section 2: a smoothed time and its variation. What is a sample, and what is made
// of the two, is each package's own business.
package rto

import "time"

// First returns smoothed time and variation after the first sample.
func First(sample time.Duration) (smooth, vary time.Duration) { return sample, sample / 2 }

// Next returns them after one more, which counts an eighth, and its distance a quarter.
func Next(smooth, vary, sample time.Duration) (time.Duration, time.Duration) {
	vary += ((smooth - sample).Abs() - vary) / 4
	return smooth + (sample-smooth)/8, vary
}
