package scenario

import (
	"maps"
	"slices"
)

// defaultReplayLimit is how many messages a run may show again after an unclean stop: the command line's contract.
const defaultReplayLimit = 64

// defaultExamples bounds the violations of each kind that a verdict tells in full; further ones are only counted.
const defaultExamples = 20

// CheckOptions says what the checker can't see in the history. The zero value checks safety alone.
type CheckOptions struct {
	// Final says that the faults were over, every client was running and had time enough. Then liveness counts too:
	// whatever was promised is stored, and every member has been shown everything. Without it a message that isn't
	// stored counts as lost only if the client called it sent.
	Final bool
	// Members are the clients of each channel that must be shown everything. nil means every client that was shown
	// anything of a channel, which overlooks one that is quite deaf.
	Members map[string][]string
	// Users maps a client to its user where the two names differ.
	Users map[string]string
	// MayBeStored lists those of KindParked, KindCancelled and KindExpired whose messages may be stored all the same.
	MayBeStored []Kind
	// ReplayLimit is how many messages of a channel a run may show again after an unclean stop. Defaults to 64;
	// negative allows none.
	ReplayLimit int
	// Begin is where a run starts to read whose Started event doesn't say. Defaults to BeginProcessed.
	Begin Begin
	// Acks also asks, if Final, that each promised message was reported as sent. A report can die with a process, so
	// leave it off where clients were killed.
	Acks bool
	// NoTable says that the history has no dump of the server's table. What was shown is then compared among the
	// clients alone, holes in the numbering can't be seen, and lost means shown to nobody.
	NoTable bool
	// Examples bounds the violations of each kind that the verdict tells in full. Defaults to 20.
	Examples int
}

func (o CheckOptions) withDefaults() CheckOptions {
	switch {
	case o.ReplayLimit == 0:
		o.ReplayLimit = defaultReplayLimit
	case o.ReplayLimit < 0:
		o.ReplayLimit = 0
	}
	if o.Begin == "" {
		o.Begin = BeginProcessed
	}
	if o.Examples <= 0 {
		o.Examples = defaultExamples
	}
	return o
}

// Check judges a history: what each client promised against what the server stored, and what the server stored
// against what each application was shown. The rules, for each kind of violation, are at ViolationKind. The same
// history always gets the same verdict. Events that are recorded meanwhile may be left out.
func Check(h *History, opts CheckOptions) Verdict {
	opts = opts.withDefaults()
	c := &checker{opts: opts, ix: buildIndex(h.view(), opts), reached: map[stream]uint64{}}
	c.verdict.Found = map[ViolationKind]int{}
	for _, k := range ViolationKinds() {
		c.verdict.Found[k] = 0
	}
	c.checkTables()
	c.checkPromises()
	for _, client := range slices.Sorted(maps.Keys(c.ix.clients)) {
		c.checkClient(client)
	}
	if opts.Final {
		c.checkUnshown()
	}
	c.verdict.Counts = c.ix.counts
	c.verdict.OK = len(c.verdict.Violations) == 0
	sortViolations(c.verdict.Violations)
	return c.verdict
}

// checker is one call of Check.
type checker struct {
	opts    CheckOptions
	ix      *index
	reached map[stream]uint64 // the highest seq each client was shown
	verdict Verdict
}

// report counts a violation and keeps it if it is among the first of its kind. tell makes its words only then.
func (c *checker) report(v Violation, tell func() string) {
	c.verdict.Found[v.Kind]++
	if c.verdict.Found[v.Kind] > c.opts.Examples {
		return
	}
	v.Detail = tell()
	c.verdict.Violations = append(c.verdict.Violations, v)
}

// userOf is the user whose messages the client sends.
func (c *checker) userOf(client string) string {
	if user, ok := c.opts.Users[client]; ok {
		return user
	}
	return client
}
