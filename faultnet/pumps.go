package faultnet

import "sync"

// pumps are the goroutines of a session that move bytes. One goroutine uses it.
type pumps struct {
	wait    sync.WaitGroup
	ended   chan pumped // one for each that ended; holds all of them
	running int
	pulls   int // of those running, how many read from a socket
}

// pumped says which kind of pump ended.
type pumped struct{ pull bool }

func (p *pumps) start(kind pumped, f func()) {
	p.running++
	if kind.pull {
		p.pulls++
	}
	p.wait.Go(func() {
		f()
		p.ended <- kind
	})
}

func (p *pumps) note(kind pumped) {
	p.running--
	if kind.pull {
		p.pulls--
	}
}

// first waits until any of them ends, or over closes.
func (p *pumps) first(over <-chan struct{}) {
	select {
	case kind := <-p.ended:
		p.note(kind)
	case <-over:
	}
}
