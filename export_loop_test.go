package chatsdk

import (
	"time"

	"github.com/chatsdk/chatsdk/quality"
)

// DialTime and AnswerTime are what the connection and the API go by where they have no measure of their own.
func (c *Client) DialTime() time.Duration   { return c.dialTime() }
func (c *Client) AnswerTime() time.Duration { return c.answerTime() }

// Turn draws when to try a server that is back and was down for a time.
func (c *Client) Turn(down time.Duration) time.Duration { return c.turn(down) }

// ObserveUpload tells the monitor of a transfer on the way up.
func (c *Client) ObserveUpload(bytes int64, took time.Duration) {
	c.quality.Observe(quality.Sample{Kind: quality.KindTransfer, Bytes: bytes, Took: took})
}

// Probes is how many probes the monitor has begun.
func (c *Client) Probes() int64 { return int64(c.quality.Stats().Probes) } //nolint:gosec // a test makes a few thousand

// Reconnects is how many connections were made after the first.
func (c *Client) Reconnects() float64 { return float64(c.rt.Stats().Reconnects) }

// Misled has clients that are opened until end follow what tell says instead of their monitor, which hears too much to be
// wrong by itself.
func Misled() (tell func(quality.Reach), end func()) {
	said, own := make(chan quality.Change), watchQuality
	watchQuality = func(c *Client) <-chan quality.Change {
		heard := make(chan quality.Change)
		c.wg.Go(func() {
			defer close(heard)
			for {
				select {
				case change := <-said:
					heard <- change
				case <-c.ctx.Done():
					return
				}
			}
		})
		return heard
	}
	from := quality.ReachOnline
	return func(r quality.Reach) {
		said <- quality.Change{Report: quality.Report{At: time.Now(), Reach: r}, FromReach: from}
		from = r
	}, func() { watchQuality = own }
}
