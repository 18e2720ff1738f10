package upload_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// modelStep is how exact the model of a link is.
const modelStep = time.Millisecond

// modelLink is a link that an upload and a chat share, with one queue in front of it, and before that the upload's socket.
// It is a fluid, in steps of a millisecond: the same at each run.
type modelLink struct {
	rate  float64       // bytes a second
	rtt   time.Duration // while the queue is empty
	room  time.Duration // of the queue, at the rate
	cross float64       // bytes a second of others
	noise func(rng *rand.Rand) time.Duration
	rng   *rand.Rand
	brake *upload.Brake
	idle  bool        // nothing is uploaded
	blind func() bool // or nil; says that no round trip is told

	now             time.Time
	queue, socket   float64 // bytes in them
	entered, passed float64 // bytes that came into the queue, and left it
	ours            float64 // bytes of the upload that came into the queue

	chunks    *upload.Chunks
	left      float64 // of the chunk
	size      float64
	began     time.Time
	let       float64 // through at its beginning, or -1
	free      time.Time
	last      float64   // entered when the chunk's end was in the queue; 0 until it is
	answer    time.Time // when the chunk's answer comes; zero until it is under way
	probed    time.Time
	pong      time.Time // when the answer to the probe comes
	unsettled bool      // a probe is under way

	delays []time.Duration // that a message met in the queue
	used   float64         // part of the link that the upload had
}

const modelSocket = 4e6 // bytes that a socket takes before it makes its writer wait

// run goes on for d, and forgets what it measured before.
func (l *modelLink) run(d time.Duration) {
	l.delays = nil
	from := l.ours
	for end := l.now.Add(d); l.now.Before(end); l.now = l.now.Add(modelStep) {
		l.hand()
		l.move()
		l.answers()
		l.probe()
		if l.now.UnixMilli()%10 == 0 {
			l.delays = append(l.delays, l.delay())
		}
	}
	l.used = (l.ours - from) / d.Seconds() / l.rate
}

func (l *modelLink) delay() time.Duration {
	return time.Duration(l.queue / l.rate * float64(time.Second))
}

// hand gives the socket what the brake lets through.
func (l *modelLink) hand() {
	if l.idle {
		return
	}
	if l.size == 0 { // the next chunk
		l.size = float64(l.chunks.Size())
		l.left, l.began, l.let, l.last, l.answer = l.size, l.now, -1, 0, time.Time{}
		if l.brake.Limit(l.now) > 0 {
			l.let = l.brake.Through(l.now)
		}
	}
	for l.left > 0 && l.socket < modelSocket {
		n := min(l.left, 32<<10)
		if limit := l.brake.Limit(l.now); limit > 0 {
			if l.free.After(l.now) {
				return
			}
			n = min(n, max(limit*upload.PaceSlice.Seconds(), upload.PaceLeast))
			if late := l.now.Add(-upload.PaceSlice); l.free.Before(late) {
				l.free = late
			}
			l.free = l.free.Add(time.Duration(n / limit * float64(time.Second)))
		}
		l.brake.Sent(l.now, int(n))
		l.left -= n
		l.socket += n
	}
}

// move brings bytes from the socket into the queue, and over the link.
func (l *modelLink) move() {
	s := modelStep.Seconds()
	room := l.rate*l.room.Seconds() - l.queue
	if others := min(l.cross*s, room); others > 0 {
		l.queue += others
		l.entered += others
		room -= others
	}
	if n := min(l.socket, room); n > 0 {
		l.socket -= n
		l.queue += n
		l.entered += n
		l.ours += n
	}
	n := min(l.queue, l.rate*s)
	l.queue -= n
	l.passed += n
}

// answers to chunks.
func (l *modelLink) answers() {
	switch {
	case l.size == 0 || l.left > 0 || l.socket > 0:
	case l.last == 0:
		l.last = l.entered
	case l.answer.IsZero() && l.passed >= l.last-1:
		l.answer = l.now.Add(l.rtt + 8*time.Millisecond) // the server writes it down
	case !l.answer.IsZero() && !l.now.Before(l.answer):
		took, let := l.now.Sub(l.began), 0.0
		if l.let >= 0 && l.brake.Limit(l.now) > 0 {
			let = l.brake.Through(l.now) - l.let
		}
		l.brake.Acked(l.now, int64(l.size), took, let)
		l.chunks.Took(int64(l.size), took)
		l.size = 0
	}
}

// probe sends what the connection of the chat sends twice a second, and tells how long it took.
func (l *modelLink) probe() {
	if l.unsettled && !l.now.Before(l.pong) {
		l.unsettled = false
		if l.blind == nil || !l.blind() {
			l.brake.Observe(l.now, l.now.Sub(l.probed))
		}
	}
	if !l.unsettled && l.now.Sub(l.probed) >= 500*time.Millisecond {
		l.probed, l.unsettled = l.now, true
		l.pong = l.now.Add(l.rtt + l.delay() + l.noise(l.rng))
	}
}

var modelEpoch = time.Unix(1_700_000_000, 0)

func newModelLink(seed uint64, rate float64, rtt, room time.Duration) *modelLink {
	return &modelLink{
		rate: rate, rtt: rtt, room: room, rng: rand.New(rand.NewPCG(seed, 1)), brake: &upload.Brake{},
		now: modelEpoch, chunks: upload.NewChunks(true), noise: quiet,
	}
}

// quiet is a processor that has time: up to 2 ms late.
func quiet(rng *rand.Rand) time.Duration {
	return time.Duration(rng.Int64N(int64(2 * time.Millisecond)))
}

func percentile(d []time.Duration, part float64) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[int(part*float64(len(d)-1))]
}
