package upload

import (
	"sync"
	"time"
)

// meter is an upload's progress. The transport's goroutine tells it what was sent.
type meter struct {
	mu       sync.Mutex // guards below
	p        Progress
	told     time.Time
	measured time.Time // when Acked was last looked at for the rate
	from     int64     // and what it was
}

const rateEvery = 500 * time.Millisecond // the least time over which a rate is computed

func newMeter(u *Upload) *meter {
	return &meter{p: Progress{Total: u.Source.Size, Acked: u.Offset, Sent: u.Offset, ResumedFrom: -1, Left: -1}}
}

func (m *meter) get() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.p
}

// at begins anew at an offset: there is no rate over a gap.
func (m *meter) at(offset, total int64, resumed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.Acked, m.p.Sent, m.p.Total = offset, offset, total
	m.measured, m.from = time.Now(), offset
	if resumed && m.p.ResumedFrom < 0 {
		m.p.ResumedFrom = offset
	}
}

// acked takes an acknowledged offset.
func (m *meter) acked(offset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.Acked, m.p.Sent = offset, max(offset, m.p.Sent)
	if d := time.Since(m.measured); d >= rateEvery || m.p.Rate == 0 && d > 0 {
		rate := float64(offset-m.from) / d.Seconds()
		if m.p.Rate == 0 {
			m.p.Rate = rate
		}
		m.p.Rate += rateWeight * (rate - m.p.Rate)
		m.measured, m.from = time.Now(), offset
	}
	m.p.Left = -1
	if m.p.Rate > 0 {
		m.p.Left = time.Duration(float64(m.p.Total-offset) / m.p.Rate * float64(time.Second))
	}
}

// sent takes a position up to which bytes were handed to the network.
func (m *meter) sent(pos int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.p.Sent = max(m.p.Sent, pos)
}

// due says whether progress may be told again, and counts it as told.
func (m *meter) due(every time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Sub(m.told) < every {
		return false
	}
	m.told = now
	return true
}
