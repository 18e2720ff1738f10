// Package cobra stands in for the library.
package cobra
