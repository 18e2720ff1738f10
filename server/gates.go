package server

import "hash/maphash"

// gates keeps a subscription and the publications of its channel apart.
//
// A subscriber is told the channel's newest Seq in the table. A message that is published after that was read and
// before the subscription is in the hub would be seen neither in the table nor in the stream. So both happen behind the
// channel's gate, and the relay passes the same gate with each publication. Gates are channels, not mutexes: the holder
// reads the store. They hold for this process; with several nodes a client finds such a message at the next one.
type gates struct {
	seed  maphash.Seed
	slots [64]chan struct{} // by hash of the name: a name more or less behind a gate does no harm
}

func newGates() *gates {
	g := &gates{seed: maphash.MakeSeed()}
	for i := range g.slots {
		g.slots[i] = make(chan struct{}, 1)
	}
	return g
}

// pass waits for the channel's gate and closes it until the returned function is called.
func (g *gates) pass(channel string) (leave func()) {
	slot := g.slots[maphash.String(g.seed, channel)%uint64(len(g.slots))]
	slot <- struct{}{}
	return func() { <-slot }
}
