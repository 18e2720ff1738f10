package inbox

import (
	"context"
	"errors"
	"fmt"
)

// historyMost bounds one call of History.
const historyMost = 1000

// ErrOffline says that older messages aren't kept here and that there is no network to fetch them with.
var ErrOffline = errors.New("inbox: the messages asked for aren't kept and there is no network; try again when connected")

// History returns the messages before a number, the newest limit of them (at most 1,000) in order, for paging
// backwards: the Seq of the first is the next before. A before of 0 stands for the newest. None means that the channel
// begins there. They come from the store if it has them all, else from the server; without a network, what the store
// has of them directly before the number, or ErrOffline. Nothing is marked as processed.
func (i *Inbox) History(ctx context.Context, name string, before uint64, limit int) ([]Message, error) {
	limit = max(1, min(limit, historyMost))
	i.mu.Lock()
	top, up := i.saved[name].Last, i.up
	if ch := i.channels[name]; ch != nil {
		top = ch.top
	}
	i.mu.Unlock()
	if before == 0 && top > 0 {
		before = top + 1
	}
	if before == 1 {
		return nil, nil
	}
	if before > 0 {
		kept, err := i.keptBefore(ctx, name, before, limit)
		if err != nil {
			return nil, err
		}
		if whole := min(uint64(limit), before-1); uint64(len(kept)) == whole || !up && len(kept) > 0 {
			return kept, nil
		}
	}
	if !up {
		return nil, ErrOffline
	}
	return i.serverBefore(ctx, name, before, limit)
}

// pageBefore is the number after which a page that ends before the given one begins.
func pageBefore(before uint64, limit int) uint64 {
	if planted == bugHistoryBoundary {
		before++
	}
	return before - 1 - min(uint64(limit), before-1)
}

// keptBefore returns what the store has directly before a number.
func (i *Inbox) keptBefore(ctx context.Context, name string, before uint64, limit int) ([]Message, error) {
	kept, err := i.opts.Store.Page(ctx, name, pageBefore(before, limit), limit)
	if err != nil {
		return nil, fmt.Errorf("read kept messages: %w", err)
	}
	for n := len(kept); n > 0 && kept[n-1].Seq >= before; n = len(kept) {
		kept = kept[:n-1] // the page began before what is kept, and so reached too far
	}
	if n := len(kept); n == 0 || kept[n-1].Seq != before-1 {
		return nil, nil
	}
	return kept, nil
}

// serverBefore asks the server.
func (i *Inbox) serverBefore(ctx context.Context, name string, before uint64, limit int) ([]Message, error) {
	if before == 0 {
		_, last, err := i.page(ctx, name, 0, 1)
		if err != nil || last == 0 {
			return nil, err
		}
		before = last + 1
	}
	var out []Message
	for after := pageBefore(before, limit); after < before-1; {
		wanted := before - 1 - after
		msgs, _, err := i.page(ctx, name, after, int(min(wanted, uint64(i.opts.PageSize))))
		if err != nil {
			return nil, err
		}
		if len(msgs) == 0 {
			break // the server has fewer than it had
		}
		out = append(out, msgs[:min(uint64(len(msgs)), wanted)]...)
		after = out[len(out)-1].Seq
	}
	return out, nil
}
