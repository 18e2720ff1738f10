package accuracy

import (
	"container/heap"
	"time"
)

// event is something that will happen.
type event struct {
	at  time.Duration
	seq int // events of one time happen in the order in which they were planned
	do  func()
}

// queue holds events, the next one first.
type queue struct {
	events eventHeap
	seq    int
}

func (q *queue) plan(at time.Duration, do func()) {
	if at == lostTime {
		return
	}
	q.seq++
	heap.Push(&q.events, event{at, q.seq, do})
}

// next is the time of the next event, or lostTime.
func (q *queue) next() time.Duration {
	if len(q.events) == 0 {
		return lostTime
	}
	return q.events[0].at
}

func (q *queue) pop() event { return heap.Pop(&q.events).(event) }

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }

func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
