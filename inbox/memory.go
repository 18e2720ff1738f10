package inbox

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// memoryMessages is how many messages a memory store keeps for each channel: some hundred pages for a slow reader,
// beyond which it fetches again.
const memoryMessages = 8192

// Memory is a Store that forgets with the process. It keeps the newest 8,192 messages of each channel. Safe for
// concurrent use.
type Memory struct {
	mu       sync.Mutex // guards below
	marks    map[string]Mark
	messages map[string][]Message // contiguous, in order
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{marks: map[string]Mark{}, messages: map[string][]Message{}}
}

// Load returns what is kept.
func (m *Memory) Load(ctx context.Context) (map[string]Saved, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]Saved{}
	for ch, mark := range m.marks {
		out[ch] = Saved{Mark: mark}
	}
	for ch, kept := range m.messages {
		if len(kept) > 0 {
			out[ch] = Saved{Mark: m.marks[ch], First: kept[0].Seq, Last: kept[len(kept)-1].Seq}
		}
	}
	return out, nil
}

// Commit writes tx.
func (m *Memory) Commit(ctx context.Context, tx Tx) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range tx.Messages {
		kept := m.messages[v.Channel]
		switch {
		case len(kept) == 0 || v.Seq > kept[len(kept)-1].Seq+1:
			kept = []Message{v} // a hole: what lies before it is fetched again if somebody asks
		case v.Seq == kept[len(kept)-1].Seq+1:
			kept = append(kept, v)
		}
		if len(kept) > memoryMessages+memoryMessages/4 { // copied in one go, so that each message costs O(1)
			kept = slices.Clone(kept[len(kept)-memoryMessages:])
		}
		m.messages[v.Channel] = kept
	}
	maps.Copy(m.marks, tx.Marks)
	return nil
}

// Page returns kept messages.
func (m *Memory) Page(ctx context.Context, channel string, after uint64, limit int) ([]Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.messages[channel]
	i, _ := slices.BinarySearchFunc(kept, after+1, func(v Message, seq uint64) int {
		switch {
		case v.Seq < seq:
			return -1
		case v.Seq > seq:
			return 1
		}
		return 0
	})
	return slices.Clone(kept[i:min(i+limit, len(kept))]), nil
}

// Forget drops what comes after.
func (m *Memory) Forget(ctx context.Context, channel string, after uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages[channel] = slices.DeleteFunc(m.messages[channel], func(v Message) bool { return v.Seq > after })
	mark := m.marks[channel]
	m.marks[channel] = Mark{min(mark.Processed, after), min(mark.Shown, after)}
	return nil
}
