// Package netns runs tests in a network of their own, in which they may take links up and down.
//
// Only tests import it, and only on Linux there is anything in it.
package netns
