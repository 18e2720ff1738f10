package quality_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/quality"
)

// TestConfidenceWhileNothingIsDue keeps a fault that a cellular trace showed: once the exchange that the silence was seen by has
// ended, what is outstanding may be due later than now, and the confidence in the silence was no number.
func TestConfidenceWhileNothingIsDue(t *testing.T) {
	p := play(quality.Foreground)
	p.pings(40, second, 100*ms)
	id := p.begin()
	p.wait(3 * second)
	if got := p.report(); got.Reach != quality.ReachOffline || got.Reason != quality.ReasonSilence {
		t.Fatalf("%+v", got)
	}
	p.tell(quality.Sample{Kind: quality.KindEnd, ID: id})
	p.tell(quality.Sample{Kind: quality.KindBegin, ID: 1 << 40, Source: quality.SourceCall, Fresh: true})
	if got := p.report(); got.Reach != quality.ReachOffline || !(got.Confidence >= 0 && got.Confidence <= 1) {
		t.Errorf("%s with confidence %v", got.Reach, got.Confidence)
	}
}
