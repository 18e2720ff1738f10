package chatsdk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

// errCrashed is what a process that was killed would be told.
var errCrashed = errors.New("the process is gone")

// crashing is a store whose process is killed at one of its writes: before that write is kept, or just after.
type crashing struct {
	chatsdk.Store
	once *crash
}

type crash struct {
	mu    sync.Mutex // guards below
	left  int        // writes until then
	after bool
	gone  bool
}

// write says whether a write is to be made, and what its caller is told.
func (c *crash) write(commit func() error) error {
	c.mu.Lock()
	c.left--
	dies, gone := c.left == 0, c.gone
	c.gone = gone || dies
	c.mu.Unlock()
	if gone || dies && !c.after {
		return errCrashed
	}
	if err := commit(); err != nil || !dies {
		return err
	}
	return errCrashed
}

func (c *crash) dead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func (s crashing) Outbox() outbox.Store  { return crashingOutbox{s.Store.Outbox(), s.once} }
func (s crashing) Uploads() upload.Store { return crashingUploads{s.Store.Uploads(), s.once} }

type crashingOutbox struct {
	outbox.Store
	once *crash
}

func (s crashingOutbox) Commit(ctx context.Context, tx outbox.Tx) error {
	return s.once.write(func() error { return s.Store.Commit(ctx, tx) })
}

type crashingUploads struct {
	upload.Store
	once *crash
}

func (s crashingUploads) Commit(ctx context.Context, tx upload.Tx) error {
	return s.once.write(func() error { return s.Store.Commit(ctx, tx) })
}

// crashesAtEachWrite sends a message with two files, again and again, with a crash at another write each time, until there
// is no such write any more. After each crash a new process has to end with the message sent once and with its files, or,
// where SendFiles hadn't returned, with nothing at all; and the server holds no file that no message has.
func crashesAtEachWrite(t *testing.T, h *host) error {
	one, _ := writeFile(t, "one", 200_000)
	two, _ := writeFile(t, "two", 3000)
	store, posted := chatsdk.InMemory(), 0
	for n := 2; ; n++ {
		cut := &crash{left: n / 2, after: n%2 == 1}
		told, err := sendAndCrash(t, h, crashing{store, cut}, one, two)
		if err != nil {
			return fmt.Errorf("crash at write %d: %w", n/2, err)
		}
		now, err := afterCrash(t, h, store)
		if err != nil {
			return fmt.Errorf("crash at write %d, after it: %v: %w", n/2, cut.after, err)
		}
		if now-posted > 1 || told && now == posted {
			return fmt.Errorf("crash at write %d, after it: %v: %d messages, and SendFiles had returned: %v", n/2, cut.after, now-posted, told)
		}
		posted = now
		if !cut.dead() {
			if n < 20 {
				return fmt.Errorf("only %d writes: nothing was tried", n/2)
			}
			t.Logf("%d writes, each cut before and after", n/2-1)
			return nil
		}
	}
}

// sendAndCrash runs one process; told says that SendFiles returned.
func sendAndCrash(t *testing.T, h *host, store crashing, files ...string) (told bool, err error) {
	c, err := h.openWith(t, store, nil)
	if err != nil {
		if store.once.dead() {
			return false, nil
		}
		return false, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // without its store it would try for ever
	defer cancel()
	if err := c.SignIn(ctx, "ada", password); err != nil && !store.once.dead() {
		return false, err
	}
	c.Connect()
	_, err = c.SendFiles(t.Context(), outbox.Entry{Channel: "general", Text: "look"}, chatsdk.File{Path: files[0]}, chatsdk.File{Path: files[1]})
	if err != nil && !store.once.dead() {
		return false, err
	}
	until(store.once.dead, 20*time.Second)
	return err == nil, nil
}

// afterCrash runs the next process and returns the number of messages that are stored.
func afterCrash(t *testing.T, h *host, store chatsdk.Store) (posted int, err error) {
	c := h.open(t, store, nil)
	defer c.Close()
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		return 0, err
	}
	c.Connect()
	idle := func() bool {
		s := c.State()
		open := 0
		for state, n := range s.Uploads.States {
			if !state.Settled() {
				open += n
			}
		}
		return s.Queue.Queued+s.Queue.Sending+open+s.Uploads.Drops == 0
	}
	time.Sleep(time.Second)
	if !until(idle, time.Minute) {
		return 0, fmt.Errorf("left: %+v, %+v", c.State().Queue, c.State().Uploads)
	}
	if n := c.State().Queue.Parked; n > 0 {
		return 0, fmt.Errorf("%d messages parked: %+v", n, c.Entries())
	}
	files := map[string]bool{}
	for m, err := range h.db.AllMessages(t.Context(), "general") {
		if err != nil {
			return 0, err
		}
		posted++
		all := chatsdk.Attachments(chatsdk.Message{Attachments: m.Attachments})
		if len(all) != 2 || all[0].Name != "one" || all[1].Name != "two" {
			return 0, fmt.Errorf("a message without its files: %+v", m)
		}
		files[all[0].ID], files[all[1].ID] = true, true
	}
	for _, u := range h.held(t) {
		if !files[u.ID] {
			return 0, fmt.Errorf("the server holds a file that nobody wants: %+v", u)
		}
	}
	return posted, nil
}

func TestFilesSurviveCrashes(t *testing.T) { holds(t, crashesAtEachWrite) }

// failureIsTold has a file change before it is uploaded, and the process die when its message is to be told: the next
// one parks the message, and sends no other file than was chosen.
func failureIsTold(t *testing.T, h *host) error {
	path, _ := writeFile(t, "one", 200_000)
	store := chatsdk.InMemory()
	outboxDies := &crash{left: 3} // after the account and the message
	c, err := h.openWith(t, crashingOutboxOnly{store, outboxDies}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SignIn(t.Context(), "ada", password); err != nil {
		return err
	}
	h.link.Cut()
	e, err := c.SendFiles(t.Context(), outbox.Entry{Channel: "general", Text: "look"}, chatsdk.File{Path: path})
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := os.WriteFile(path, []byte("another file"), 0o600); err != nil {
		return err
	}
	h.link.Heal()
	id, _ := chatsdk.UploadOf(e.Needs[0])
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if u, err := c.WaitUpload(ctx, id); !errors.Is(err, upload.ErrSourceChanged) {
		return fmt.Errorf("a file that changed: %+v, %w", u, err)
	}
	if !until(outboxDies.dead, 10*time.Second) {
		return errors.New("nothing was written: nothing was tried")
	}
	_ = c.Close()
	c = h.signedIn(t, store, "ada")
	time.Sleep(30 * time.Second)
	if e, _ = c.Entry(e.ID); e.State != outbox.Parked || len(h.stored(t, "general")) != 0 {
		return fmt.Errorf("in the next process: %+v, %q stored", e, h.stored(t, "general"))
	}
	if err := c.Retry(t.Context(), e.ID); err != nil { // now somebody wants the file as it is
		return err
	}
	if !until(func() bool { e, _ = c.Entry(e.ID); return e.State == outbox.Sent }, time.Minute) {
		return fmt.Errorf("tried again: %+v", e)
	}
	return nil
}

// crashingOutboxOnly is a store that dies at a write of the outbox; uploads are written on.
type crashingOutboxOnly struct {
	chatsdk.Store
	once *crash
}

func (s crashingOutboxOnly) Outbox() outbox.Store { return crashingOutbox{s.Store.Outbox(), s.once} }

func TestFailureIsToldAfterACrash(t *testing.T) { holds(t, failureIsTold) }

// TestPlantedBugsAreFound turns each mistake on and wants the check of the named test to see it.
func TestPlantedBugsAreFound(t *testing.T) {
	for _, row := range []struct {
		name, test string
		bug        chatsdk.Bug
		check      func(*testing.T, *host) error
	}{
		{"resolve early", "TestDamagedFileParksItsMessage", chatsdk.ResolveEarly, damagedFile},
		{"second account", "TestSecondAccountLeavesUploads", chatsdk.SecondAccount, secondAccount},
		{"message first", "TestFilesSurviveCrashes", chatsdk.MessageFirst, crashesAtEachWrite},
		{"orphans stay", "TestFilesSurviveCrashes", chatsdk.OrphansStay, crashesAtEachWrite},
		{"retry failed", "TestFailureIsToldAfterACrash", chatsdk.RetryFailed, failureIsTold},
		{"cancel message alone", "TestCancelledMessageCancelsItsUploads", chatsdk.CancelMessageAlone, cancelledMessage},
		{"append blindly", "TestDownloadGoesOn", chatsdk.AppendBlindly, downloadGoesOn},
		{"deaf uploads", "TestChatBesideUpload", chatsdk.DeafUploads, besideUpload},
		{"trust download", "TestDownloadCompares", chatsdk.TrustDownload, downloadCompares},
		{"promise anything", "TestEveryWayIntoTheQueueIsChecked", chatsdk.PromiseAnything, everyWayIn},
		{"unclaimed", "TestProfileIsOneUsers", chatsdk.Unclaimed, oneUsersProfile},
		{"echo all", "TestTimelineIsOneAccounts", chatsdk.EchoAll, oneAccountsTimeline},
		{"one socket", "TestCountersBelongToTheirSocket", chatsdk.OneSocket, countersOfEach},
		{"quiet dials", "TestDialTimeoutsAreTold", chatsdk.QuietDials, dialTimeouts},
		{"fresh calls", "TestFirstCallOfAConnectionIsNoRoundTrip", chatsdk.FreshCalls, callsOnNewConnections},
		{"gate stays", "TestCallsGoOnAtTheEndOfAnOutage", chatsdk.GateStays, calledInAnOutage},
		{"gate over connection", "TestFalseOfflineCostsNothing", chatsdk.GateOverConnection, falseOffline},
		{"edge kicks live", "TestFalseOfflineCostsNothing", chatsdk.EdgeKicksLive, falseOffline},
		{"offline disconnects", "TestFalseOfflineCostsNothing", chatsdk.OfflineDisconnects, falseOffline},
		{"stale way", "TestHTTPIsKnownToWorkOnlySinceTheLoss", chatsdk.StaleWay, wordFromBefore},
		{"herd", "TestClientsOfACrashedServerComeBackApart", chatsdk.Herd, herd},
		{"old advice", "TestAdviceIsOfThisNetwork", chatsdk.OldAdvice, adviceOfThisNetwork},
		{"http holds", "TestConnectionTakesOverFromHTTP", chatsdk.HTTPHolds, takenOver},
	} {
		t.Run(row.name, func(t *testing.T) {
			withHost(t, func(t *testing.T, h *host) {
				defer chatsdk.Plant(row.bug)()
				err := row.check(t, h)
				if err == nil {
					t.Fatalf("%s doesn't see it", row.test)
				}
				t.Logf("%s: %v", row.test, err)
			})
		})
	}
}
