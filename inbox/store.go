package inbox

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Store keeps received messages and the processed marks. The inbox makes one Commit or Forget at a time; it reads from
// any goroutine, also meanwhile.
type Store interface {
	// Load returns the processed mark of each channel.
	Load(ctx context.Context) (processed map[string]uint64, err error)
	// Commit writes all of tx or nothing. Writing the same again is no error.
	Commit(ctx context.Context, tx Tx) error
	// Page returns up to limit kept messages with Seq > after, in order. It is a cache: the first may come later than
	// after+1, and then those between have to be fetched.
	Page(ctx context.Context, channel string, after uint64, limit int) ([]Message, error)
	// Forget drops a channel's messages with Seq > after and lowers its processed mark to after.
	Forget(ctx context.Context, channel string, after uint64) error
}

// Tx is one transaction.
type Tx struct {
	Messages  []Message         // of one channel, in order and without a gap
	Processed map[string]uint64 // marks to raise; a lower one changes nothing
}

// memoryMessages is how many messages a memory store keeps for each channel: some hundred pages for a slow reader,
// beyond which it fetches again.
const memoryMessages = 4096

// Memory is a Store that forgets with the process. It keeps the newest 4,096 messages of each channel. Safe for
// concurrent use.
type Memory struct {
	mu        sync.Mutex // guards below
	processed map[string]uint64
	messages  map[string][]Message // contiguous, in order
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{processed: map[string]uint64{}, messages: map[string][]Message{}}
}

// Load returns the processed marks.
func (m *Memory) Load(context.Context) (map[string]uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.processed), nil
}

// Commit writes tx.
func (m *Memory) Commit(_ context.Context, tx Tx) error {
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
		if len(kept) > 2*memoryMessages { // copied in one go, so that each message costs O(1)
			kept = slices.Clone(kept[len(kept)-memoryMessages:])
		}
		m.messages[v.Channel] = kept
	}
	for ch, seq := range tx.Processed {
		m.processed[ch] = max(m.processed[ch], seq)
	}
	return nil
}

// Page returns kept messages.
func (m *Memory) Page(_ context.Context, channel string, after uint64, limit int) ([]Message, error) {
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
func (m *Memory) Forget(_ context.Context, channel string, after uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages[channel] = slices.DeleteFunc(m.messages[channel], func(v Message) bool { return v.Seq > after })
	m.processed[channel] = min(m.processed[channel], after)
	return nil
}
