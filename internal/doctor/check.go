package doctor

import (
	"fmt"
	"math"
	"time"
)

// Name is what a check looks at.
type Name string

// The checks, in the order in which they are told. What comes later mostly needs what comes before.
const (
	DNS       Name = "dns"       // the server's name has addresses
	TCP       Name = "tcp"       // they can be reached, over IPv4 and IPv6
	TLS       Name = "tls"       // the certificate is one to trust, for this name, now
	Proxy     Name = "proxy"     // HTTP calls go directly, or through a proxy
	Portal    Name = "portal"    // the server itself answers, not a login page of the network
	Server    Name = "server"    // it is ready
	WebSocket Name = "websocket" // the upgrade, and a first command over it
	Clock     Name = "clock"     // this machine's, compared with the server's
	Session   Name = "session"   // the profile has one, and the server takes its token
	Disk      Name = "disk"      // the profile's folder can be used
)

var order = []Name{DNS, TCP, TLS, Proxy, Portal, Server, WebSocket, Clock, Session, Disk}

// Outcome is what became of a check.
type Outcome string

// Outcomes of checks.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning" // it works; somebody should look at it all the same
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // not looked at: something that it needs failed, or isn't there
)

// Fault says whose matter a failed check is.
type Fault string

// Faults of failed checks.
const (
	FaultNetwork Fault = "network"
	FaultConfig  Fault = "configuration" // of this machine or this command: an address, a clock, a folder
	FaultSession Fault = "signed-out"
	FaultOther   Fault = "other" // the server's, or the disk's
)

// Check is what became of one thing that was looked at.
type Check struct {
	Name    Name    `json:"name"`
	Outcome Outcome `json:"outcome"`
	Fault   Fault   `json:"fault,omitempty"`  // of a failed one
	Seen    string  `json:"seen"`             // on one line; parts of it may be written by others
	Advice  string  `json:"advice,omitempty"` // what a person can do
	TookMS  float64 `json:"tookMs"`
	Figures

	because Name // the failed check that a skipped one needs
}

// Figures are what a check measured. Which of them are there depends on the check.
type Figures struct {
	Addresses   []string     `json:"addresses,omitempty"`   // dns
	Dials       []Dial       `json:"dials,omitempty"`       // tcp: one for each address
	Certificate *Certificate `json:"certificate,omitempty"` // tls
	Proxy       string       `json:"proxy,omitempty"`       // proxy: scheme and host
	Status      int          `json:"status,omitempty"`      // portal, server, websocket: of the HTTP answer
	Captive     bool         `json:"captive,omitempty"`     // portal: a login page stands in the way
	RTTMS       float64      `json:"rttMs,omitempty"`       // portal, websocket: from question to answer
	Offset      *Offset      `json:"offset,omitempty"`      // clock
	Session     *Kept        `json:"session,omitempty"`     // session
	Disk        *Room        `json:"disk,omitempty"`        // disk
}

// Dial is one attempt to connect to an address.
type Dial struct {
	Address string  `json:"address"`
	Family  string  `json:"family"` // IPv4 or IPv6
	OK      bool    `json:"ok"`
	MS      float64 `json:"ms"`
	Error   string  `json:"error,omitempty"`

	err error
}

// Certificate is what the server showed.
type Certificate struct {
	Protocol  string    `json:"protocol"` // such as TLS 1.3
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"` // those that it is for, the first ten
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Trusted   bool      `json:"trusted"` // by this machine
	Named     bool      `json:"named"`   // it is for the server's name
	InTime    bool      `json:"inTime"`  // by this machine's clock
}

// Offset is by how much the server's clock is ahead of this machine's; negative if it is behind.
type Offset struct {
	MS   int64 `json:"ms"`
	Give int64 `json:"uncertaintyMs"` // it may be as much more or less
}

// Kept is the session that a profile keeps, without its secrets.
type Kept struct {
	State   string     `json:"state"` // none, fresh, expired, ended or damaged
	Server  string     `json:"server,omitempty"`
	User    string     `json:"user,omitempty"`
	Device  string     `json:"device,omitempty"`
	Expires *time.Time `json:"expires,omitempty"` // of the access token, which is renewed
	Ends    *time.Time `json:"ends,omitempty"`    // of the session, unless it is renewed before
	Taken   *bool      `json:"taken,omitempty"`   // whether the server takes the access token; nil if it wasn't asked
}

// Room is what a profile's folder offers.
type Room struct {
	Dir       string  `json:"dir"`
	FreeBytes int64   `json:"freeBytes,omitempty"` // 0 if it isn't known
	WriteMS   float64 `json:"writeMs,omitempty"`   // a block, until the disk has it
}

func ok(f Figures, seen string, args ...any) Check {
	return Check{Outcome: OK, Seen: fmt.Sprintf(seen, args...), Figures: f}
}

func warn(f Figures, advice, seen string, args ...any) Check {
	return Check{Outcome: Warning, Advice: advice, Seen: fmt.Sprintf(seen, args...), Figures: f}
}

func fail(fault Fault, f Figures, advice, seen string, args ...any) Check {
	return Check{Outcome: Failed, Fault: fault, Advice: advice, Seen: fmt.Sprintf(seen, args...), Figures: f}
}

func skip(seen string, args ...any) Check {
	return Check{Outcome: Skipped, Seen: fmt.Sprintf(seen, args...)}
}

// Report is what was found.
type Report struct {
	Server  string  `json:"server,omitempty"`
	Profile string  `json:"profile,omitempty"`
	Checks  []Check `json:"checks"`
}

// Decisive is the failed check that says most: a captive portal, since it explains what else fails, or else the first.
// ok is false if none failed.
func (r Report) Decisive() (c Check, ok bool) {
	for _, c := range r.Checks {
		if c.Outcome == Failed && c.Captive {
			return c, true
		}
	}
	for _, c := range r.Checks {
		if c.Outcome == Failed {
			return c, true
		}
	}
	return Check{}, false
}

// Count is how many checks have an outcome.
func (r Report) Count(o Outcome) (n int) {
	for _, c := range r.Checks {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// ms is a duration in milliseconds, to a tenth.
func ms(d time.Duration) float64 { return math.Round(float64(d)/1e5) / 10 }

// inMS is a duration for people.
func inMS(d time.Duration) string {
	if d < time.Millisecond {
		return "<1 ms"
	}
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

// inUnits is a number of bytes in units, to a tenth.
func inUnits(n, unit int64, name string) string {
	return fmt.Sprintf("%.1f %s", float64(n)/float64(unit), name)
}
