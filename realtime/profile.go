package realtime

import "time"

// Profile says how much effort keeping the connection is worth. The zero value is Foreground.
type Profile int

const (
	// Foreground is for somebody who waits: a silent drop is noticed and repaired in less than 2 s up to an RTT of 300 ms.
	// The exceptions are a path that is new, or changed, in its first 5 s (up to 4.8 s), one that loses segments (7 to 16 s at
	// 5%), and one whose uplink is slow, while it uploads (up to 30 s more).
	Foreground Profile = iota
	// Background is thrifty: few probes, few retries.
	Background
)

// String returns the profile's name in lower case.
func (p Profile) String() string {
	if p == Background {
		return "background"
	}
	return "foreground"
}

// Effort holds the numbers of a profile.
type Effort struct {
	// ProbeInterval is how long a link may go without proof of both directions before a control ping is sent. One
	// ping and its pong are some 120 bytes with all headers on the wire.
	ProbeInterval time.Duration
	// RetryBase and RetryCap bound the pause before attempt n: uniform in [0, min(RetryCap, RetryBase·2ⁿ)).
	RetryBase, RetryCap time.Duration
	// PatientAfter is the length of an outage after which RetryCap gives way to PatientCap and attempts no longer
	// overlap.
	PatientAfter time.Duration
	// PatientCap bounds pauses in long outages.
	PatientCap time.Duration
	// Spread is the window over which clients come back after the server closed on them all.
	Spread time.Duration
	// Overlap is the shortest time after which another dial is started beside one that has no answer yet. 0 means
	// that attempts never overlap.
	Overlap time.Duration
	// Dials is the most dials alive at a time.
	Dials int
	// WakeInterval is how often the clock is looked at for a sleep of the machine, while anything is waited for.
	WakeInterval time.Duration
	// StandbyInterval is the shortest time between two standby dials on suspicion.
	StandbyInterval time.Duration
}

// Effort returns the profile's numbers. This is the only place where they are written down.
func (p Profile) Effort() Effort {
	if p == Background {
		return Effort{
			ProbeInterval:   25 * time.Second, // under the 30 s to 60 s after which mobile NATs forget idle flows
			RetryBase:       time.Second,
			RetryCap:        30 * time.Second,
			PatientAfter:    10 * time.Minute,
			PatientCap:      2 * time.Minute,
			Spread:          5 * time.Second,
			Overlap:         0,
			Dials:           1,
			WakeInterval:    10 * time.Second, // each look wakes the processor
			StandbyInterval: time.Minute,
		}
	}
	return Effort{
		ProbeInterval:   500 * time.Millisecond,
		RetryBase:       100 * time.Millisecond,
		RetryCap:        750 * time.Millisecond, // with 3 RTT at 300 ms the end of an outage is caught up within 2 s
		PatientAfter:    10 * time.Minute,
		PatientCap:      30 * time.Second,
		Spread:          time.Second,
		Overlap:         500 * time.Millisecond, // a dial that began before the heal sits in SYN back-off: start a fresh one
		Dials:           4,
		WakeInterval:    time.Second,
		StandbyInterval: 10 * time.Second,
	}
}
