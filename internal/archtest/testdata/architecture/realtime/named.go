// Package realtime is planted: goroutines in four places.
package realtime

func named() { go func() {}() }
