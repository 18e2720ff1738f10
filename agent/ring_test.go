package agent

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// seedOf is the run's seed: SEED, or a new one.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	return seed
}

// reader is a client that goes by the rules of the API alone.
type reader struct {
	last     uint64
	state    map[string]string
	messages []int
}

// take takes what a stream brings; an error says which rule was broken.
func (r *reader) take(id uint64, kind string, data []byte) error {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(data, &body); err != nil {
		return fmt.Errorf("event %d: %w: %s", id, err, data)
	}
	after := id - 1
	if raw, ok := body["after"]; ok {
		if err := json.Unmarshal(raw, &after); err != nil {
			return err
		}
		delete(body, "after")
	}
	if id <= r.last || after > r.last {
		return fmt.Errorf("event %d after %d follows on %d", id, after, r.last)
	}
	r.last = id
	if kind == eventMessage {
		var m struct{ Seq int }
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		r.messages = append(r.messages, m.Seq)
		return nil
	}
	for k, v := range body {
		r.state[k] = string(v)
	}
	return nil
}

// model plays a random run: changes, messages, and readers that read a little now and then, or are cut off and go on.
func model(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := newRing()
	readers := []*reader{{state: map[string]string{}}, {state: map[string]string{}}, {state: map[string]string{}}}
	truth, sent, gaps := map[string]string{}, 0, 0
	slow := 1 + rng.IntN(400) // how seldom somebody reads
	for range 4000 {
		if rng.IntN(10) == 0 {
			sent++
			r.message(fmt.Appendf(nil, `{"channel":"x","seq":%d}`, sent))
		} else {
			var v values
			for p := range v {
				if rng.IntN(3) == 0 {
					v[p] = strconv.AppendInt(nil, rng.Int64N(50), 10)
					truth[partNames[p]] = string(v[p])
				}
			}
			r.change(v)
		}
		if rng.IntN(slow) == 0 {
			n, err := read(r, readers[rng.IntN(len(readers))], 1+rng.IntN(2000), truth, sent)
			if err != nil {
				return err
			}
			gaps += n
		}
	}
	for _, c := range readers {
		n, err := read(r, c, 1<<30, truth, sent)
		if err == nil && n == 0 && (!maps.Equal(c.state, truth) || c.last != r.seq) {
			err = fmt.Errorf("at %d of %d a reader knows %v, and it is %v", c.last, r.seq, c.state, truth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read brings a reader at most so many bytes. After a gap it knows everything, as by the whole state.
func read(r *ring, c *reader, most int, truth map[string]string, sent int) (gaps int, err error) {
	events, ok := r.after(c.last)
	if !ok {
		*c = reader{last: r.seq, state: maps.Clone(truth), messages: []int{sent}}
		return 1, nil
	}
	if len(events) > ringEvents+int(partCount) {
		return 0, fmt.Errorf("%d events wait", len(events))
	}
	for size := 0; len(events) > 0 && size < most; events = events[1:] {
		e := events[0]
		text := e.text(nil, c.last)
		size += len(text)
		data := text[slices.Index(text, '{') : len(text)-2]
		if err := c.take(e.id, e.kind, data); err != nil {
			return 0, err
		}
		if n := len(c.messages); n > 1 && c.messages[n-1] != c.messages[n-2]+1 || n == 1 && c.last < r.seq && e.kind == eventMessage && c.messages[0] != 1 {
			return 0, fmt.Errorf("messages %v: one is missing", c.messages[max(0, n-3):])
		}
	}
	return 0, nil
}

func TestReadersOfAnySpeedMissNothing(t *testing.T) {
	seed := seedOf(t)
	for n := range uint64(60) {
		if err := model(seed + n); err != nil {
			t.Fatalf("SEED=%d: %v", seed+n, err)
		}
	}
}

func TestPlantedMistakesOfTheRingAreFound(t *testing.T) {
	for name, b := range map[string]bug{"merge half": bugMergeHalf, "no gap": bugNoGap} {
		t.Run(name, func(t *testing.T) {
			planted = b
			defer func() { planted = bugNone }()
			for seed := range uint64(60) {
				if model(seed) != nil {
					return
				}
			}
			t.Error("60 random runs didn't find it")
		})
	}
}

func TestRingKeepsAtMostItsBytes(t *testing.T) {
	r := newRing()
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = '7'
	}
	for range 20 {
		r.message(fmt.Appendf(nil, `{"text":"%s"}`, big))
	}
	if len(r.kept) != 7 || r.bytes > ringBytes || r.lost != 13 {
		t.Errorf("kept %d events of %d bytes, the last gone is %d", len(r.kept), r.bytes, r.lost)
	}
	if _, ok := r.after(12); ok {
		t.Error("a message is gone, and nobody says so")
	}
	if events, ok := r.after(13); !ok || len(events) != 7 {
		t.Errorf("%d events wait, %v", len(events), ok)
	}
	r.message(fmt.Appendf(nil, `{"text":"%s"}`, make([]byte, ringBytes)))
	if len(r.kept) != 1 {
		t.Errorf("kept %d events; the newest is always there, alone if it is that long", len(r.kept))
	}
}
