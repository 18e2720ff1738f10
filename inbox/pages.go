package inbox

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// roundBytes bounds what is asked for at once. More would wait in the server's queue for this client, which cuts
	// off whoever falls too far behind, and would hold up what people type.
	roundBytes = 512 << 10
	// messageBytes is what a message costs beside its text and attachments: names, id, time, quotes.
	messageBytes = 200
	// roundQuick and roundSlow are the times of a round after which the next one asks for more, or for less.
	roundQuick = time.Second
	roundSlow  = 3 * time.Second
)

// smallestPage is how few messages are asked for where not even one page comes in time: a link that needs longer for
// these than a fetch may take carries no conversation.
const smallestPage = 25

// pages learns how much history to ask for at once: a page at first, then twice as many as long as the answers come
// quickly, so that the number of round trips grows with the logarithm of what is missing and no thin link is flooded.
// Where one page alone takes long, the pages themselves become smaller.
type pages struct {
	most    int    // Options.Pages
	largest uint64 // Options.PageSize
	size    uint64 // messages to ask for in a page
	window  int    // pages to ask for side by side
	stride  uint64 // messages in a page: the server may send fewer than are asked for
}

func newPages(o Options) pages {
	size := uint64(o.PageSize)
	return pages{most: o.Pages, largest: size, size: size, window: 1, stride: size}
}

// plan is how many pages to ask for when n messages are known to be missing and room is there for some.
func (p *pages) plan(n uint64, room int) int {
	wanted := (n + p.stride - 1) / p.stride
	return int(max(1, min(wanted, uint64(p.window), uint64(room)/p.stride)))
}

// learn takes what a round brought in.
func (p *pages) learn(answers []answer, took time.Duration) {
	bytes, n := 0, 0
	for _, a := range answers {
		if a.err != nil {
			took = max(took, roundSlow)
			continue
		}
		for _, m := range a.msgs {
			bytes += len(m.Text) + len(m.Attachments) + messageBytes
		}
		n++
	}
	switch {
	case took >= roundSlow && p.window == 1:
		p.size = max(min(smallestPage, p.largest), p.size/2)
		p.stride = min(p.stride, p.size)
	case took >= roundSlow:
		p.window /= 2
	case took < roundQuick && p.size < p.largest:
		p.size = min(2*p.size, p.largest)
	case took < roundQuick && len(answers) == p.window:
		p.window *= 2
	}
	if n > 0 {
		p.window = min(p.window, max(1, roundBytes*n/max(1, bytes)))
	}
	p.window = min(p.window, p.most)
	for k, a := range answers {
		got := uint64(len(a.msgs))
		full := a.err == nil && got > 0 && a.last > a.msgs[got-1].Seq
		if full && (got < p.stride || k == len(answers)-1) && planted != bugShortPage {
			p.stride = min(got, p.size)
		}
	}
}

// answer is one page.
type answer struct {
	msgs []Message
	last uint64
	err  error
}

// round fetches what comes after a number, several pages at once where more than one is missing, and returns what came
// of it without a gap, and the newest number that the server has.
func (i *Inbox) round(ctx context.Context, p *pages, q question) ([]Message, uint64, error) {
	missing := uint64(0)
	if q.target > q.after {
		missing = q.target - q.after
	}
	answers := make([]answer, p.plan(missing, q.room))
	began := time.Now()
	var wg sync.WaitGroup
	for k := range answers {
		after, limit := q.after+uint64(k)*p.stride, int(p.stride)
		if k > 0 && planted == bugPageOffByOne {
			after++
		}
		if k == len(answers)-1 {
			limit = int(p.size) // the server may send more than it did
		}
		wg.Go(func() {
			a := &answers[k]
			a.msgs, a.last, a.err = i.page(ctx, q.name, after, limit)
		})
	}
	wg.Wait()
	p.learn(answers, time.Since(began))
	if err := answers[0].err; err != nil {
		return nil, 0, err
	}
	out := answers[0].msgs
	for _, a := range answers[1:] {
		if a.err != nil || len(a.msgs) == 0 || a.msgs[0].Seq != q.after+1+uint64(len(out)) {
			break // the page before was shorter than it should be
		}
		out = append(out, a.msgs...)
	}
	return out, answers[0].last, nil
}

// page fetches and checks what a server answered: a gap or a wrong channel in it is refused, since what is shown must
// have neither.
func (i *Inbox) page(ctx context.Context, name string, after uint64, limit int) ([]Message, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, i.opts.FetchTimeout)
	defer cancel()
	msgs, last, err := i.opts.Fetch(ctx, name, after, limit)
	if err != nil {
		return nil, 0, err
	}
	for k, m := range msgs {
		if m.Channel != name || m.Seq != after+1+uint64(k) {
			return nil, 0, fmt.Errorf("inbox: history of %s after %d has %s/%d at place %d", name, after, m.Channel, m.Seq, k)
		}
	}
	if n := len(msgs); n > 0 {
		last = max(last, msgs[n-1].Seq)
	}
	if len(msgs) == 0 && last > after {
		return nil, 0, fmt.Errorf("inbox: history of %s ends at %d but has nothing after %d", name, last, after)
	}
	return msgs, last, nil
}
