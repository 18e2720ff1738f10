package uploads

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// sweepInterval is how often what has expired is deleted.
	sweepInterval = time.Minute
	// sweepBatch is how many uploads are deleted in one go.
	sweepBatch = 100
)

// recover deletes the files that no upload has: the end of the server came between a row's deletion and the file's.
func (h *Handler) recover(ctx context.Context) error {
	names, err := h.o.FS.Names()
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for _, name := range names {
		if !idPattern.MatchString(name) {
			continue // not ours
		}
		row, err := h.o.Store.Upload(ctx, name)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && row.State == Gone:
			h.remove(name)
		case err != nil:
			return fmt.Errorf("read upload: %w", err)
		}
	}
	return nil
}

// Run deletes what a former run left, and then what has expired, until ctx ends.
func (h *Handler) Run(ctx context.Context) {
	if err := h.recover(ctx); err != nil && ctx.Err() == nil { // such files only take room
		h.o.Log.Warn("delete files without an upload", "error", err)
	}
	t := time.NewTicker(sweepInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := h.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			h.o.Log.Warn("delete expired uploads", "error", err)
		}
	}
}

// Sweep deletes what has expired at t. That an upload has gone is known for as long again as it would have been kept.
func (h *Handler) Sweep(ctx context.Context, t time.Time) error {
	for ctx.Err() == nil {
		sctx, cancel := storeContext()
		ids, err := h.o.Store.ExpireUploads(sctx, t, sweepBatch)
		cancel()
		if err != nil {
			return err
		}
		for _, id := range ids {
			h.remove(id)
		}
		if len(ids) > 0 {
			h.o.Count("expired", int64(len(ids)))
		}
		if len(ids) < sweepBatch {
			break
		}
	}
	sctx, cancel := storeContext()
	defer cancel()
	return h.o.Store.ForgetUploads(sctx, t.Add(-h.o.OpenTTL))
}
