// Package inbox is planted: its test draws from the global source.
package inbox
