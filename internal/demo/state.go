package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/scenario"
)

// schema is the version of the API.
const schema = 1

// state is all that the demo tells, but who tells it.
type state struct {
	Talk      bool            `json:"talk"`
	Server    serverState     `json:"server"`
	Clients   []clientState   `json:"clients"`
	Scenarios []scenarioState `json:"scenarios"`
	Play      *playState      `json:"play"`
}

// serverState is what the server does.
type serverState struct {
	Running bool   `json:"running"`
	Stored  uint64 `json:"stored"` // messages in its table
}

// clientState is what a client's network is like.
type clientState struct {
	Name      string     `json:"name"`
	Path      string     `json:"path"`  // of its agent
	Shown     uint64     `json:"shown"` // seq up to which its agent has told messages
	Link      link       `json:"link"`
	BusyUntil agent.Time `json:"busyUntil"` // null while the server has time
}

// scenarioState is a scenario that can be played.
type scenarioState struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Why  string `json:"why"`
	Of   string `json:"of,omitempty"` // the scenario that it is a sibling of
}

// playState is what is played, or was last.
type playState struct {
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	State    string       `json:"state"`
	Began    agent.Time   `json:"began"`
	TookMS   int64        `json:"tookMs"`
	Lines    []string     `json:"lines"`
	Clients  []playClient `json:"clients"`
	Counts   playCounts   `json:"counts"`
	Problems []string     `json:"problems"`
}

// playClient is a client of the scenario's own.
type playClient struct {
	Name  string   `json:"name"`
	State string   `json:"state"` // of its connection; "stopped" while its program is down
	Level string   `json:"level"`
	RTTMS *float64 `json:"rttMs"` // null where it isn't known
	Sent  int      `json:"sent"`
	Shown int      `json:"shown"`
}

// playCounts are of the whole world.
type playCounts struct {
	Sent       int `json:"sent"`
	Stored     int `json:"stored"`
	Shown      int `json:"shown"`
	Violations int `json:"violations"` // when it is over
}

// look gathers the state.
func (d *Demo) look(ctx context.Context) (state, error) {
	stored, err := d.world.Last(ctx)
	if err != nil {
		return state{}, err
	}
	s := state{Server: serverState{Running: d.world.Running(), Stored: stored}, Scenarios: d.listed}
	for _, c := range d.clients {
		s.Clients = append(s.Clients, c.look())
	}
	d.mu.Lock()
	s.Talk = d.talk != nil
	p := d.play
	d.mu.Unlock()
	if p != nil {
		s.Play = p.look(ctx)
	}
	return s, nil
}

// tell is the state as JSON, and its tag, which changes with it.
func (d *Demo) tell(ctx context.Context) (body []byte, tag string, err error) {
	s, err := d.look(ctx)
	if err != nil {
		return nil, "", err
	}
	rest, err := json.Marshal(s)
	if err != nil {
		return nil, "", err
	}
	d.mu.Lock()
	if !bytes.Equal(rest, d.told) && !planted(bugTagStays) {
		d.told, d.seq = rest, d.seq+1
	}
	seq := d.seq
	d.mu.Unlock()
	body = fmt.Appendf(nil, `{"schema":%d,"run":%q,"seq":%d,`, schema, d.run, seq)
	return append(body, rest[1:]...), fmt.Sprintf("%s-%d", d.run, seq), nil
}

func (c *client) look() clientState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clientState{
		Name: c.name, Path: "/" + c.name, Shown: c.chat.State().Channels[scenario.Channel].Processed,
		Link: c.link, BusyUntil: agent.Time{Time: c.busy},
	}
}

// listed are scenarios in the order of their ids, siblings behind all others.
func listed(all []scenario.Scenario) []scenarioState {
	list := []scenarioState{}
	for _, s := range all {
		one := scenarioState{ID: s.ID, Name: s.Name, Why: s.Why}
		if of, _, sibling := strings.Cut(s.ID, "-"); sibling {
			one.Of = of
		}
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b scenarioState) int { return min(len(a.Of), 1) - min(len(b.Of), 1) })
	return list
}

// tellLocked is the play as the API tells it.
func (p *play) tellLocked() *playState {
	took := p.took
	if p.state == playRunning {
		took = time.Since(p.began)
	}
	s := &playState{
		ID: p.of.ID, Name: p.of.Name, State: p.state, Began: agent.Time{Time: p.began}, TookMS: took.Milliseconds(),
		Lines: append([]string{}, p.lines...), Clients: []playClient{}, Problems: append([]string{}, p.problems...),
		Counts: playCounts{Sent: p.seen.Sent, Stored: p.seen.Stored, Shown: p.seen.Shown, Violations: p.broken},
	}
	for _, c := range p.seen.Clients {
		one := playClient{Name: c.Name, State: "stopped", Sent: c.Sent, Shown: c.Shown}
		if c.Running {
			one.State, one.Level = c.Status.Connection.State.String(), c.Status.Quality.Level.String()
			if rtt := c.Status.Quality.RTT.Median; rtt > 0 {
				ms := float64(rtt.Round(100*time.Microsecond)) / float64(time.Millisecond)
				one.RTTMS = &ms
			}
		}
		s.Clients = append(s.Clients, one)
	}
	return s
}
