package chatsdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/server/uploads"
	"github.com/chatsdk/chatsdk/upload"
)

// writeFile makes a file of so many random bytes, the same for the same size.
func writeFile(t *testing.T, name string, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rng := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = rng.Read(content)
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// signedIn opens a client of user's, connected.
func (h *host) signedIn(t *testing.T, store chatsdk.Store, user string) *chatsdk.Client {
	t.Helper()
	c := h.open(t, store, nil)
	if err := c.SignIn(t.Context(), user, password); err != nil {
		t.Fatal(err)
	}
	c.Connect()
	return c
}

// held are the uploads that the server has, also those without a byte: they count against the quota. No file may be there
// that none of them has.
func (h *host) held(t *testing.T) []uploads.Upload {
	t.Helper()
	all, err := h.db.AllUploads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.ContainsFunc(all, func(u uploads.Upload) bool { return u.ID == f.Name() }) {
			t.Fatalf("file %s has no row", f.Name())
		}
	}
	return all
}

// holds wants a check to find nothing. Planted bugs have the same checks find something.
func holds(t *testing.T, check func(*testing.T, *host) error) {
	t.Helper()
	withHost(t, func(t *testing.T, h *host) {
		if err := check(t, h); err != nil {
			t.Error(err)
		}
	})
}

func until(what func() bool, within time.Duration) bool {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if what() {
			return true
		}
	}
	return what()
}

// TestMessageBringsItsFiles sends two files with a message, and has another user read and download them.
func TestMessageBringsItsFiles(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		ada, bob := h.signedIn(t, chatsdk.InMemory(), "ada"), h.signedIn(t, chatsdk.InMemory(), "bob")
		defer func() { _ = errors.Join(ada.Close(), bob.Close()) }()
		if bob.UploadsRun() {
			t.Error("a client without uploads runs something for them")
		}
		one, oneBytes := writeFile(t, "one.txt", 300_000)
		two, _ := writeFile(t, "two.bin", 0)
		e, err := ada.SendFiles(t.Context(), outbox.Entry{Channel: "general", Text: "look"}, chatsdk.File{Path: one}, chatsdk.File{Path: two, Name: "empty"})
		if err != nil || len(e.Needs) != 2 {
			t.Fatalf("%+v, %v", e, err)
		}
		again, err := ada.SendFiles(t.Context(), outbox.Entry{ID: e.ID, Channel: "general", Text: "look"}, chatsdk.File{Path: one}, chatsdk.File{Path: two})
		if err != nil || again.Order != e.Order {
			t.Errorf("the same id again: %+v, %v", again, err)
		}
		for m, err := range bob.Messages(t.Context(), "general") {
			if err != nil {
				t.Fatal(err)
			}
			files := chatsdk.Attachments(m)
			if m.Text != "look" || len(files) != 2 || files[0].Name != "one.txt" || files[1].Name != "empty" || files[0].Size != 300_000 || files[0].Type == "" {
				t.Fatalf("%+v: %+v", m, files)
			}
			dir := t.TempDir()
			d, err := bob.Download(t.Context(), chatsdk.DownloadRequest{Attachment: files[0], Dir: dir})
			if got, _ := os.ReadFile(d.Path); err != nil || !bytes.Equal(got, oneBytes) || d.Path != filepath.Join(dir, "one.txt") {
				t.Errorf("%+v, %v", d, err)
			}
			d, err = bob.Download(t.Context(), chatsdk.DownloadRequest{Attachment: chatsdk.Attachment{ID: files[1].ID}, Dir: dir})
			if info, err2 := os.Stat(d.Path); err != nil || err2 != nil || info.Size() != 0 || filepath.Base(d.Path) != "empty" {
				t.Errorf("the empty one: %+v, %v, %v", d, err, err2)
			}
			break
		}
		if n := len(h.stored(t, "general")); n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// filesOffline sends files without a network and wants them sent when it is back, before the messages queued after them.
func filesOffline(t *testing.T, h *host) error {
	ada := h.signedIn(t, chatsdk.InMemory(), "ada")
	defer ada.Close()
	time.Sleep(2 * time.Second)
	h.link.Cut()
	path, _ := writeFile(t, "a", 100_000)
	e, err := ada.SendFiles(t.Context(), outbox.Entry{Channel: "general"}, chatsdk.File{Path: path})
	if err != nil {
		return err
	}
	if _, err := ada.Send(t.Context(), "general", "after"); err != nil {
		return err
	}
	time.Sleep(30 * time.Second)
	if e, _ := ada.Entry(e.ID); e.State != outbox.Queued || e.Blocked != outbox.BlockedDependency {
		return fmt.Errorf("offline: %+v", e)
	}
	if s := ada.State().Uploads; s.Online {
		return fmt.Errorf("uploads think that there is a network: %+v", s)
	}
	h.link.Heal()
	began := time.Now()
	if !until(func() bool { return ada.State().Queue.Queued+ada.State().Queue.Sending == 0 }, time.Minute) {
		return fmt.Errorf("not sent: %+v, %+v", ada.State().Queue, ada.State().Uploads)
	}
	t.Logf("all sent %v after the link was back", time.Since(began))
	if got := h.stored(t, "general"); fmt.Sprint(got) != "[ada:  ada: after]" {
		return fmt.Errorf("stored %q", got)
	}
	return nil
}

func TestFilesSentOffline(t *testing.T) { holds(t, filesOffline) }

// wrongSum is a server that tells its SHA-256 only when it is asked, and then another than what it has.
func wrongSum(w http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(&sumWriter{w, r.Method == http.MethodHead}, r)
}

type sumWriter struct {
	http.ResponseWriter
	tell bool
}

func (w *sumWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *sumWriter) WriteHeader(status int) {
	if head := w.Header(); head.Get("Upload-Sha256") != "" {
		head.Del("Upload-Sha256")
		head.Del("Repr-Digest")
		if w.tell {
			head.Set("Upload-Sha256", strings.Repeat("0", 64))
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// damagedFile has the server hold something else than the file: the message that waits for it is parked, not sent. Once
// the server is well, Retry sends both.
func damagedFile(t *testing.T, h *host) error {
	h.door = wrongSum
	ada := h.signedIn(t, chatsdk.InMemory(), "ada")
	defer ada.Close()
	path, _ := writeFile(t, "a", 100_000)
	e, err := ada.SendFiles(t.Context(), outbox.Entry{Channel: "general", Text: "look"}, chatsdk.File{Path: path})
	if err != nil {
		return err
	}
	until(func() bool { e, _ = ada.Entry(e.ID); return e.State.Settled() }, 10*time.Minute)
	if e.State != outbox.Parked || !strings.Contains(e.Err, "a: ") {
		return fmt.Errorf("with a damaged file: %+v; %q stored", e, h.stored(t, "general"))
	}
	h.door = nil
	if err := ada.Retry(t.Context(), e.ID); err != nil {
		return err
	}
	if !until(func() bool { e, _ = ada.Entry(e.ID); return e.State == outbox.Sent }, time.Minute) {
		return fmt.Errorf("tried again: %+v", e)
	}
	return nil
}

func TestDamagedFileParksItsMessage(t *testing.T) { holds(t, damagedFile) }

// slow is a link on which 4 MiB take half a minute.
func slow() faultnet.Conditions {
	c := faultnet.Symmetric(100 * time.Millisecond)
	c.Up.Rate, c.Down.Rate = 128<<10, 128<<10
	return c
}

// secondAccount signs another user in while a file of the first is half way.
func secondAccount(t *testing.T, h *host) error {
	c := h.signedIn(t, chatsdk.InMemory(), "ada")
	defer c.Close()
	h.link.Set(slow())
	path, _ := writeFile(t, "a", 4<<20)
	e, err := c.SendFiles(t.Context(), outbox.Entry{Channel: "general", Text: "ada's"}, chatsdk.File{Path: path})
	if err != nil {
		return err
	}
	id, _ := chatsdk.UploadOf(e.Needs[0])
	time.Sleep(15 * time.Second)
	sign := func(user string) error {
		if err := c.SignIn(t.Context(), user, password); err != nil {
			return err
		}
		c.Connect()
		return nil
	}
	if err := sign("bob"); err != nil {
		return err
	}
	half, _, err := c.GetUpload(t.Context(), id)
	if err != nil || half.Offset == 0 || half.State.Settled() {
		return fmt.Errorf("when bob came: %+v, %w", half, err)
	}
	mine, err := c.Upload(t.Context(), upload.Request{Path: path, Name: "bob's"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	mine, waited := c.WaitUpload(ctx, mine.ID)
	time.Sleep(time.Minute)
	for _, u := range h.held(t) {
		if (u.User == "bob") != strings.HasSuffix(mine.URL, u.ID) {
			return fmt.Errorf("%s has %+v", u.User, u)
		}
	}
	if u, _, _ := c.GetUpload(t.Context(), id); u.Offset != half.Offset || u.State != upload.WaitingAuth {
		return fmt.Errorf("bob went on with ada's upload: %+v, %d bytes before", u, half.Offset)
	}
	if waited != nil {
		return fmt.Errorf("bob's own: %+v, %w", mine, waited)
	}
	if err := sign("ada"); err != nil {
		return err
	}
	if !until(func() bool { e, _ = c.Entry(e.ID); return e.State == outbox.Sent }, 2*time.Minute) {
		return fmt.Errorf("ada is back: %+v", e)
	}
	if u, _, _ := c.GetUpload(t.Context(), id); u.Restarts != 0 {
		return fmt.Errorf("ada began anew: %+v", u)
	}
	return nil
}

func TestSecondAccountLeavesUploads(t *testing.T) { holds(t, secondAccount) }

// cancelledMessage takes a message back while its file is on its way: the server drops its copy.
func cancelledMessage(t *testing.T, h *host) error {
	c := h.signedIn(t, chatsdk.InMemory(), "ada")
	defer c.Close()
	h.link.Set(slow())
	path, _ := writeFile(t, "a", 4<<20)
	e, err := c.SendFiles(t.Context(), outbox.Entry{Channel: "general", Text: "no"}, chatsdk.File{Path: path})
	if err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	if err := c.Cancel(t.Context(), e.ID); err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	id, _ := chatsdk.UploadOf(e.Needs[0])
	if u, _, err := c.GetUpload(t.Context(), id); err != nil || u.State != upload.Cancelled || len(u.Leftovers) > 0 {
		return fmt.Errorf("its upload: %+v, %w", u, err)
	}
	if held := h.held(t); len(held) > 0 {
		return fmt.Errorf("the server holds %+v", held)
	}
	return nil
}

func TestCancelledMessageCancelsItsUploads(t *testing.T) { holds(t, cancelledMessage) }

// TestLostCreationIsDropped has the answers to creations lost, and takes the upload, or the message that it is for, back:
// the server, which compares all that a creation says, has no row of it in the end.
func TestLostCreationIsDropped(t *testing.T) {
	for _, size := range []int{100_000, 0} {
		withHost(t, func(t *testing.T, h *host) {
			var lose atomic.Bool
			lose.Store(true)
			h.door = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				next.ServeHTTP(w, r)
				if r.Method == http.MethodPost && lose.Load() {
					panic(http.ErrAbortHandler)
				}
			}
			c := h.signedIn(t, chatsdk.InMemory(), "ada")
			defer c.Close()
			path, _ := writeFile(t, "a.txt", size)
			u, err := c.Upload(t.Context(), upload.Request{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			e, err := c.SendFiles(t.Context(), outbox.Entry{Channel: "general"}, chatsdk.File{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			if !until(func() bool { return len(h.held(t)) == 2 }, time.Minute) {
				t.Fatalf("the server has %+v: the test shows nothing", h.held(t))
			}
			if err := errors.Join(c.CancelUpload(t.Context(), u.ID), c.Cancel(t.Context(), e.ID)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			lose.Store(false)
			time.Sleep(3 * time.Minute)
			if left := h.held(t); len(left) > 0 || c.State().Uploads.Drops != 0 {
				t.Errorf("%d to drop, and the server has %+v", c.State().Uploads.Drops, left)
			}
		})
	}
}

// TestCancelledUploadParksItsMessage takes an upload back, and the message that waits for it says so.
func TestCancelledUploadParksItsMessage(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.open(t, chatsdk.InMemory(), nil) // offline
		defer c.Close()
		path, _ := writeFile(t, "a", 10)
		e, err := c.SendFiles(t.Context(), outbox.Entry{Channel: "general"}, chatsdk.File{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		id, _ := chatsdk.UploadOf(e.Needs[0])
		if err := c.CancelUpload(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if e, _ = c.Entry(e.ID); e.State != outbox.Parked || !strings.Contains(e.Err, "cancelled") {
			t.Errorf("%+v", e)
		}
		if err := c.Retry(t.Context(), e.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if e, _ = c.Entry(e.ID); e.State != outbox.Parked {
			t.Errorf("tried again without its file: %+v", e)
		}
		_, err = c.SendFiles(t.Context(), outbox.Entry{Channel: "general"}, chatsdk.File{Path: path}, chatsdk.File{Path: path + "-"})
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file that isn't there: %v", err)
		}
		if n := c.State().Queue.Queued; n != 0 {
			t.Errorf("%d messages queued", n)
		}
		if s := c.State().Uploads.States; s[upload.Queued]+s[upload.WaitingNetwork]+s[upload.Uploading] != 0 {
			t.Errorf("uploads of a message that wasn't queued: %v", s)
		}
	})
}

// TestUploadGoesOnAfterAnOutage cuts the link for a minute: nothing is tried meanwhile, and the first new byte is there
// within 1 s of its end.
func TestUploadGoesOnAfterAnOutage(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		requests, brought := 0, atomic.Int64{} // when bytes were last brought
		h.door = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			requests++
			if r.Method == http.MethodPatch {
				brought.Store(time.Now().UnixNano())
			}
			next.ServeHTTP(w, r)
		}
		c := h.signedIn(t, chatsdk.InMemory(), "ada")
		defer c.Close()
		h.link.Set(slow())
		path, _ := writeFile(t, "a", 4<<20)
		u, err := c.Upload(t.Context(), upload.Request{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		h.link.Cut()
		time.Sleep(time.Minute)
		before, _, _ := c.GetUpload(t.Context(), u.ID)
		if before.State != upload.WaitingNetwork || before.Offset == 0 {
			t.Fatalf("offline: %+v", before)
		}
		h.link.Heal()
		began := time.Now()
		moved := func() bool { return brought.Load() > began.UnixNano() } // at the server's offset, so they are new
		if !until(moved, 10*time.Second) || time.Since(began) > time.Second {
			t.Errorf("the first new byte after %v: %+v", time.Since(began), u)
		}
		t.Logf("the first new byte %v after the link was back, %d requests in all", time.Since(began), requests)
		if u, err = c.WaitUpload(t.Context(), u.ID); err != nil || !u.Verified || u.Restarts != 0 {
			t.Errorf("%+v, %v", u, err)
		}
	})
}

// TestUploadsAndTheSession pauses and resumes an upload, and signs out meanwhile: it waits, and goes on with the next
// session of the same user.
func TestUploadsAndTheSession(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.signedIn(t, chatsdk.InMemory(), "ada")
		defer c.Close()
		h.link.Set(slow())
		path, _ := writeFile(t, "a", 4<<20)
		u, err := c.Upload(t.Context(), upload.Request{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		look := func() upload.Upload { u, _, _ := c.GetUpload(t.Context(), u.ID); return u }
		time.Sleep(10 * time.Second)
		if err := c.PauseUpload(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		paused := look()
		time.Sleep(time.Minute)
		if now := look(); now.State != upload.Paused || now.Offset != paused.Offset {
			t.Errorf("paused: %+v", now)
		}
		if err := errors.Join(c.ResumeUpload(t.Context(), u.ID), c.SignOut(t.Context())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		out := look()
		time.Sleep(time.Minute)
		if now := look(); now.State != upload.WaitingAuth || now.Offset != out.Offset {
			t.Errorf("signed out: %+v, it was at %d", now, out.Offset)
		}
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		if now, err := c.WaitUpload(t.Context(), u.ID); err != nil || now.Restarts != 0 {
			t.Errorf("signed in again: %+v, %v", now, err)
		}
	})
}

// TestUploadsMakeRoomForMessages has the uploads told when messages come and go, and when that is over.
func TestUploadsMakeRoomForMessages(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.signedIn(t, chatsdk.InMemory(), "ada")
		defer c.Close()
		if _, err := c.Uploads(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if c.State().Uploads.Busy {
			t.Error("busy, and nobody talks")
		}
		if _, err := c.Send(t.Context(), "general", "hi"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if !c.State().Uploads.Busy {
			t.Error("not busy after a message")
		}
		time.Sleep(3 * time.Second)
		if c.State().Uploads.Busy {
			t.Error("busy long after the last message")
		}
	})
}
