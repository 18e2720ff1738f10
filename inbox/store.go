package inbox

import "context"

// Store keeps received messages and how far the application got. The inbox makes one Commit or Forget at a time; it
// reads from any goroutine, also meanwhile. What a durable store has committed survives power loss.
type Store interface {
	// Load returns what is kept of each channel.
	Load(ctx context.Context) (map[string]Saved, error)
	// Commit writes all of tx or nothing. Writing the same again is no error.
	Commit(ctx context.Context, tx Tx) error
	// Page returns up to limit kept messages with Seq > after, in order and without a gap. It is a cache: the first may
	// come later than after+1, and then those between have to be fetched.
	Page(ctx context.Context, channel string, after uint64, limit int) ([]Message, error)
	// Forget drops a channel's messages with Seq > after and lowers its mark to after.
	Forget(ctx context.Context, channel string, after uint64) error
}

// Saved is what a store has of a channel.
type Saved struct {
	Mark
	First, Last uint64 // the kept messages, without a gap between; both 0 where there are none
}

// Mark is how far a channel's application got. What lies between the two may have been shown or not: the process ended
// before it could say.
type Mark struct {
	Processed uint64 // all up to here is done with
	Shown     uint64 // nothing above was shown; at least Processed
}

// Tx is one transaction.
type Tx struct {
	// Messages are of one channel, in order and without a gap. Those kept already stay as they are; where they begin
	// beyond the kept ones, these are dropped, and where they end before them, these aren't kept.
	Messages []Message
	Marks    map[string]Mark // they replace what is kept
}
