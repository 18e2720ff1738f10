package token

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Bug and the bugs are what tests plant.
type Bug = bug

const (
	BugLateReplyCounts     = bugLateReplyCounts
	BugRefreshPerCaller    = bugRefreshPerCaller
	BugMarginOfFixedLength = bugMarginOfFixedLength
	BugNotWrittenAhead     = bugNotWrittenAhead
	BugPublishedBeforeSave = bugPublishedBeforeSave
	BugGrantDeadUnread     = bugGrantDeadUnread
	BugTroubleSignsOut     = bugTroubleSignsOut
	BugNewKeyOnRetry       = bugNewKeyOnRetry
	BugNoLoopGuard         = bugNoLoopGuard
	BugEndIsRefusal        = bugEndIsRefusal
	BugEndedIsNew          = bugEndedIsNew
	BugStaleFailsCaller    = bugStaleFailsCaller
	BugPortalBelieved      = bugPortalBelieved
	BugNoNegativeCache     = bugNoNegativeCache
	BugRefreshOffline      = bugRefreshOffline
	BugClockLookedAtOnce   = bugClockLookedAtOnce
	BugSentTwice           = bugSentTwice
	BugNoPeek              = bugNoPeek
	BugDamageIsSignOut     = bugDamageIsSignOut
	BugCopyOutlivesSession = bugCopyOutlivesSession
)

// Plant plants a bug for sources that are made from now on, and returns what takes it out again.
func Plant(b Bug) (remove func()) {
	planted = b
	return func() { planted = bugNone }
}

// Classify shows the judgement of a failed refresh.
func Classify(err error, more ...string) (class string, maybe bool, wait time.Duration) {
	o := classify(err, more)
	return o.class.String(), o.maybe, o.wait
}

// WindowOf shows when tokens are due and over.
func WindowOf(t Tokens, now time.Time, born bool, rng *rand.Rand) (due, over time.Time) {
	f := windowOf
	if born {
		f = windowOfNew
	}
	w := f(t, now, defaultMargin, rng)
	return w.due, w.over
}

// Anchored shows when tokens end that were asked for at sent.
func Anchored(t Tokens, sent, now time.Time) Tokens { return anchored(t, sent, now) }

// The state machine and its words.
type (
	Input  = input
	Action = action
)

const InputCount = int(inMisconfigured) + 1

func Next(s State, in Input) (State, []Action) { return next(s, in) }

// ParseReply, ParseRecord and OpenFile read what comes from outside.
func ParseReply(body []byte) (Tokens, error) { return parseReply(body) }

func ParseCode(body []byte) string { return parseCode(body) }

func ParseRecord(data []byte) (Tokens, error) {
	r, err := decode(data)
	return r.Tokens, err
}

func EncodeRecord(t Tokens) ([]byte, error) { return record{Epoch: 1, Gen: 1, Tokens: t}.encode() }

func OpenFile(content []byte) ([]byte, uint64, error) { return open(content) }

func Envelope(version uint64, data []byte) []byte { return envelope(version, data) }

// BreakWrites makes each write of a file end at the named point, until restore.
func BreakWrites(at string, err error) (restore func()) {
	was := reached
	reached = func(point string) error {
		if point == at {
			return err
		}
		return nil
	}
	return func() { reached = was }
}

// LockWrites holds the lock of a file store's swaps.
func LockWrites(t *testing.T, s Store) (unlock func()) {
	t.Helper()
	unlock, err := s.(*file).lock(t.Context(), ".write")
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

// BearerError is what a challenge says is wrong.
func BearerError(challenge string) string { return bearerError([]string{challenge}) }
