package scenario

import (
	"context"
	"errors"
)

// PlantBatchReversed makes the stores of worlds take batches in reverse until the returned function is called.
func PlantBatchReversed() (stop func()) {
	planted = bugBatchReversed
	return func() { planted = noBug }
}

// Bug is bug.
type Bug = bug

// The mistakes about uploads.
const (
	BugNoKeys         = bugNoKeys
	BugAckUnstored    = bugAckUnstored
	BugForgetFinished = bugForgetFinished
	BugForgetRenewed  = bugForgetRenewed
	BugKeepDropped    = bugKeepDropped
	BugSlowDials      = bugSlowDials
	BugRestless       = bugRestless
	BugLateHeal       = bugLateHeal
)

// Plant makes a mistake until the returned function is called.
func Plant(b Bug) (stop func()) {
	planted = b
	return func() { planted = noBug }
}

// InOrder is inOrder.
var InOrder = inOrder

// DemoVirtual is Demo in virtual time.
func DemoVirtual(ctx context.Context, o DemoOptions) (Report, error) {
	w, err := NewVirtualWorld(ctx, WorldOptions{Seed: o.Seed, Link: demoLink()})
	if err != nil {
		return Report{}, err
	}
	r, err := playDemo(ctx, w, o)
	r.Clock = "virtual"
	return r, errors.Join(err, w.Close())
}

// Settle is settle.
func (w *World) Settle(ctx context.Context) error { return settle(ctx, w) }

// ServerAddr is where the server of a world on real sockets listens, or did last.
func (w *World) ServerAddr() string { return w.carrier.(*real).addr }
