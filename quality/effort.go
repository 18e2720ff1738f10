package quality

import "time"

// Profile says how much effort knowing the network is worth. The zero value is Foreground.
type Profile int

const (
	// Foreground is for somebody who waits: a blackout is seen in less than 2 s up to an RTT of 300 ms.
	Foreground Profile = iota
	// Background is thrifty: a blackout is seen in less than 13 s.
	Background
)

// String returns the profile's name in lower case.
func (p Profile) String() string {
	if p == Background {
		return "background"
	}
	return "foreground"
}

// Effort holds the numbers of a profile. Fields that are zero or negative are those of Foreground.
type Effort struct {
	// ProbeInterval is how long nothing may be heard while online before a probe is asked for.
	ProbeInterval time.Duration
	// OfflineInterval is the time between probes while nothing is reached, in the first OfflineFor. After that each wait is
	// half as long again as the one before, up to OfflineMost.
	OfflineInterval, OfflineFor, OfflineMost time.Duration
	// AwayInterval, AwayFor and AwayMost are the same behind a portal and without a server. A monitor gives or takes up to
	// a third of each wait after the first few, so that the clients of a server that fell over don't ask all at once.
	AwayInterval, AwayFor, AwayMost time.Duration
	// Patience is how long silence beyond the time of an answer is borne, at least, before it is called offline.
	Patience time.Duration
	// StaleAfter is the age of evidence from which on nothing is known.
	StaleAfter time.Duration
}

// Effort returns the profile's numbers. This is the only place where they are written down.
func (p Profile) Effort() Effort {
	if p == Background {
		return Effort{
			ProbeInterval:   10 * time.Second,
			OfflineInterval: time.Second,
			OfflineFor:      3 * time.Minute,
			OfflineMost:     10 * time.Second,
			AwayInterval:    10 * time.Second,
			AwayFor:         10 * time.Second,
			AwayMost:        time.Minute,
			Patience:        2 * time.Second,
			StaleAfter:      time.Minute,
		}
	}
	return Effort{
		ProbeInterval:   500 * time.Millisecond,
		OfflineInterval: 500 * time.Millisecond,
		OfflineFor:      10 * time.Minute, // as long as the connection's attempts stay close to each other
		OfflineMost:     time.Second,
		AwayInterval:    time.Second,
		AwayFor:         10 * time.Second,
		AwayMost:        10 * time.Second,
		// Two losses in a row at an RTT of 100 ms end within it. What is lost more often is told from a blackout by
		// probes on another connection, which are made meanwhile.
		Patience:   time.Second,
		StaleAfter: 30 * time.Second,
	}
}

func (e Effort) filled() Effort {
	f := Foreground.Effort()
	for _, field := range [...]struct {
		d *time.Duration
		f time.Duration
	}{
		{&e.ProbeInterval, f.ProbeInterval},
		{&e.OfflineInterval, f.OfflineInterval},
		{&e.OfflineFor, f.OfflineFor},
		{&e.OfflineMost, f.OfflineMost},
		{&e.AwayInterval, f.AwayInterval},
		{&e.AwayFor, f.AwayFor},
		{&e.AwayMost, f.AwayMost},
		{&e.Patience, f.Patience},
		{&e.StaleAfter, f.StaleAfter},
	} {
		if *field.d <= 0 {
			*field.d = field.f
		}
	}
	return e
}
