package quality_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/quality"
)

// TestCountsOfOneMomentLeaveARate: so many segments that arrived rule out what so many others, counted at the same moment,
// then say. What remains is a probability all the same, and the last ones decide.
func TestCountsOfOneMomentLeaveARate(t *testing.T) {
	post := quality.LossOf([2]int{1_000_000, 0}, [2]int{100_000, 50_000})
	sum := 0.0
	for _, p := range post {
		sum += p
	}
	if worst := post[len(post)-1]; !(sum > 0.999 && sum < 1.001 && worst > 0.9) { // so that NaN is found, too
		t.Errorf("%v", post)
	}
}
