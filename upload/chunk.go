package upload

import "time"

const (
	maxStream   = 1 << 30   // the most in one request without checksums
	firstStream = 1 << 20   // the first request's, while no rate is known
	firstChunk  = 256 << 10 // the same with checksums: 2 s at 1 Mbit/s
	growth      = 4         // a chunk is at most so many times the one before
	rateWeight  = 0.3       // of the newest chunk's rate in the mean
)

// chunks decides how much goes into one request: what takes Options.ChunkTime at the measured rate, more only step by
// step, and half after a failure.
type chunks struct {
	least, most int64
	want        time.Duration
	size        int64 // of the next one
	limit       int64 // the server took no more (413); 0 is none
	rate        float64
}

// newChunks begins with a rate that was measured before, or 0: then with what somebody else knows.
func newChunks(o *Options, checksums bool, rate float64) chunks {
	c := chunks{least: o.ChunkMin, most: maxStream, want: o.ChunkTime, size: firstStream, rate: rate}
	if checksums {
		c.most, c.size = o.ChunkMax, firstChunk
	}
	if rate > 0 {
		c.size = c.fitting()
	} else if o.FirstChunk != nil && planted != bugChunkUntold {
		if told := o.FirstChunk(); told > 0 {
			c.size = told
		}
	}
	c.size = c.bounded(c.size)
	return c
}

func (c *chunks) fitting() int64 { return int64(min(c.rate*c.want.Seconds(), maxStream)) }

func (c *chunks) bounded(n int64) int64 {
	n = max(min(n, c.most), c.least)
	if c.limit > 0 {
		n = min(n, c.limit)
	}
	return n
}

// end is where the chunk at from ends, in a file of the given size. A small rest goes along.
func (c *chunks) end(from, size int64) int64 {
	n := c.size
	if rest := size - from; rest < n+n/4 && (c.limit == 0 || rest <= c.limit) && rest <= c.most {
		n = rest
	}
	return min(from+n, size)
}

// took learns from a chunk of n bytes that was acknowledged after d. A short one tells nothing of the rate.
func (c *chunks) took(n int64, d time.Duration) {
	if n < c.least && n < c.size || d <= 0 {
		return
	}
	c.measured(float64(n) / d.Seconds())
	c.size = c.bounded(min(c.fitting(), max(n, c.size)*growth))
}

func (c *chunks) measured(rate float64) {
	if c.rate == 0 {
		c.rate = rate
	}
	c.rate += rateWeight * (rate - c.rate)
}

// failed halves the next chunk.
func (c *chunks) failed() { c.size = c.bounded(c.size / 2) }

// refused learns that the server takes less than n bytes; false if it could hardly take less.
func (c *chunks) refused(n int64) bool {
	if n <= c.least {
		return false
	}
	c.limit = max(n/2, c.least)
	c.size = c.bounded(c.size)
	return true
}
