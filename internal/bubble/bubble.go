// Package bubble runs tests in virtual time next to libraries that pool timers and channels for the whole process.
//
// Only tests import it.
package bubble

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Run calls f in a testing/synctest bubble of its own.
//
// A timer or channel made in one bubble and taken from a sync.Pool in another kills the process ("select on synctest
// channel from outside bubble"); centrifuge and net/http pool such things. Two collections empty every pool (the
// first moves its content to the victim cache), so Run collects before and after, outside the bubble. Tests that use
// Run must not call t.Parallel.
func Run(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	drain()
	defer drain()
	synctest.Test(t, f)
}

func drain() {
	runtime.GC()
	runtime.GC()
}
