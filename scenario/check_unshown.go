package scenario

import (
	"fmt"
	"maps"
	"slices"
)

// stream is one client's view of one channel.
type stream struct{ client, channel string }

// checkUnshown asks of each member whether it has been shown everything up to the newest message.
func (c *checker) checkUnshown() {
	members := c.opts.Members
	if members == nil {
		members = map[string][]string{}
		for s := range c.reached {
			members[s.channel] = append(members[s.channel], s.client)
		}
	}
	for _, channel := range slices.Sorted(maps.Keys(members)) {
		t := c.ix.tables[channel]
		if t == nil {
			continue
		}
		for _, client := range slices.Sorted(slices.Values(members[channel])) {
			c.checkReached(client, channel, t)
		}
	}
}

func (c *checker) checkReached(client, channel string, t *table) {
	reached := c.reached[stream{client, channel}]
	begin := c.firstNeeded(client, channel)
	var lacking []*Event
	for _, row := range t.rows {
		if row.Seq > reached && c.offered(row) >= begin {
			lacking = append(lacking, row)
		}
	}
	if len(lacking) == 0 {
		return
	}
	row := lacking[0]
	v := Violation{Kind: ViolationUnshown, Client: client, Channel: channel, Seq: row.Seq, ID: row.ID}
	c.report(v, func() string {
		return fmt.Sprintf("the newest %d of %d stored were never shown, the first is %s", len(lacking), len(t.rows), name(row))
	})
}

// firstNeeded is the index in the history from which on messages count for a client: 0, or for one that only ever
// read from now on, where it first said that it had caught up (until then nobody can say what "now" was).
func (c *checker) firstNeeded(client, channel string) int {
	runs := c.ix.clients[client]
	if len(runs) == 0 {
		return 0
	}
	needed := never
	for _, r := range runs {
		if r.begin != BeginNow || len(r.shown[channel]) > 0 {
			return 0
		}
		if at, ok := r.synced[channel]; ok {
			needed = min(needed, at)
		}
	}
	return needed
}

// never is an index beyond every history.
const never = int(^uint(0) >> 1)

// offered is the index of the message's first mention; 0 if only the table knows it.
func (c *checker) offered(row *Event) int {
	if m := c.ix.messages[row.ID]; m != nil {
		return m.offered
	}
	return 0
}
