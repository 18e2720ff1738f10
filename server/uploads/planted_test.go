package uploads_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/uploads"
)

// TestPlanted makes a mistake at a time: the test whose check is named beside it finds it.
func TestPlanted(t *testing.T) {
	plain := func(f func(*house) error) func(*testing.T) error {
		return func(*testing.T) error { return run(f, nil) }
	}
	random := func(*testing.T) error { // seeds that a fixed run begins with, so that the finding is the same each time
		for n := range uint64(10) {
			if err := run(powerLoss(n), nil); err != nil {
				return err
			}
		}
		return nil
	}
	inTime := func(f func(*house, *faultnet.Network) error, change func(*server.Config)) func(*testing.T) error {
		return live(f, change)
	}
	for _, c := range []struct {
		name  string
		bug   uploads.Bug
		check func(*testing.T) error
	}{
		{"TestCrashAtOnce: acknowledged before the sync", uploads.AckBeforeSync, plain(crashAtOnce)},
		{"TestPowerLoss: acknowledged before the sync", uploads.AckBeforeSync, random},
		{"TestCrashAtOnce: the name isn't synced", uploads.NoDirSync, plain(crashAtOnce)},
		{"TestBadChunks: a bad chunk is kept", uploads.KeepBadChunk, plain(badChunks)},
		{"TestPowerLoss: a bad chunk is kept", uploads.KeepBadChunk, random},
		{"TestBadChunks: the hash keeps a discarded chunk", uploads.HashNotReset, plain(badChunks)},
		{"TestBadChunks: half a chunk is taken unchecked", uploads.SumIncomplete, plain(badChunks)},
		{"TestTail: bytes beyond the end", uploads.KeepTail, plain(tail)},
		{"TestFailedSyncs: the next sync is believed", uploads.SyncAgain, plain(failedSyncs)},
		{"TestLastDigest: a digest that comes with the last chunk isn't compared", uploads.NoLastDigest, plain(lastDigest)},
		{"TestUnfinished: a part is served", uploads.ServeUnfinished, plain(unfinished)},
		{"TestOwnersOnly: anybody may use it", uploads.AnyOwner, plain(ownersOnly)},
		{"TestRepeatedCreation: another upload under the key", uploads.FirstReplyOnly, plain(repeats)},
		{"TestHandover: the holder isn't asked", uploads.NoHandover, inTime(handover, nil)},
		{"TestExpiry: used after its time", uploads.ServeExpired, inTime(expire, shortLived)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t); err != nil {
				t.Fatalf("without it: %v", err)
			}
			defer uploads.Plant(c.bug)()
			err := c.check(t)
			if err == nil {
				t.Fatal("not found")
			}
			t.Log(err)
		})
	}
}
