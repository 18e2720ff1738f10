package main

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"
)

// cancelling ends a server with the first line that it writes.
type cancelling struct {
	bytes.Buffer

	cancel context.CancelFunc
}

func (c *cancelling) Write(p []byte) (int, error) {
	c.cancel()
	return c.Buffer.Write(p)
}

// TestStoppedWhileItStarts stops a server as soon as it says that it listens, which may be before it answers anybody.
func TestStoppedWhileItStarts(t *testing.T) {
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		out := &cancelling{cancel: cancel}
		o := serveOptions{data: t.TempDir(), listen: "127.0.0.1:0", accessTTL: time.Minute, refreshTTL: time.Hour}
		if err := serve(ctx, o, out, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatalf("%v, after %q", err, out)
		}
	}
}
