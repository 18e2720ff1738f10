// Package wire is planted and breaks nothing.
package wire
