package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/scenario"
)

type sent struct {
	ID      string
	Durable *bool
}

func (r *rig) send(text, id string) (s sent) {
	r.t.Helper()
	r.call(http.MethodPost, "/v1/messages", fmt.Sprintf(`{"channel":%q,"text":%q,"id":%q}`, scenario.Channel, text, id), http.StatusAccepted, &s)
	if s.ID == "" || s.Durable == nil {
		r.t.Fatalf("answered %+v", s)
	}
	return s
}

// TestWhatThePagesAsk plays what the pages of web/ ask of an agent, in their order: state, stream, what a pane shows at
// first, sending, seeing it sent, sending the same again.
func TestWhatThePagesAsk(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		bob, err := r.world.AddClient(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		for n := range 250 {
			if _, err := bob.Chat.Send(t.Context(), scenario.Channel, fmt.Sprint("old ", n)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Second)
		now := r.state()
		newest := now.Channels[scenario.Channel].Newest
		if newest != 250 {
			t.Fatalf("channel %+v", now.Channels)
		}
		s := r.open(fmt.Sprintf("?after=%d&run=%s", now.Seq, now.Run))
		defer s.close()
		next := uint64(1)
		for _, want := range []int{100, 100, 50, 0} {
			var page struct{ Messages []agent.Message }
			r.call(http.MethodGet, fmt.Sprintf("/v1/messages?channel=%s&after=%d&limit=100", scenario.Channel, next-1), "", http.StatusOK, &page)
			if len(page.Messages) != want || page.Messages == nil {
				t.Fatalf("after %d: %d messages, wanted %d", next-1, len(page.Messages), want)
			}
			for _, m := range page.Messages {
				if m.Seq != next || m.User != "bob" || m.Text != fmt.Sprint("old ", next-1) || string(m.Attachments) != "[]" || m.Time.IsZero() {
					t.Fatalf("message %d is %+v", next, m)
				}
				next++
			}
		}
		const id = "0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182"
		first := r.send("hello", id)
		var m agent.Message
		e := s.want("the message", func(e sse) bool { return e.kind == "message" })
		if err := json.Unmarshal([]byte(e.data), &m); err != nil || m.ID != id || m.Seq != 251 || m.User != "ada" {
			t.Errorf("message %+v, %v", m, err)
		}
		time.Sleep(time.Second)
		if last := r.state().Outbox.Entries; len(last) != 1 || last[0].State != "sent" || last[0].Seq != 251 || last[0].Text != "hello" {
			t.Errorf("entries %+v", last)
		}
		if again := r.send("hello", strings.ToUpper(id)); again.ID != first.ID {
			t.Errorf("the same again is %s", again.ID)
		}
		if err := r.refuse(refusal{"another's id", "POST", "/v1/messages", fmt.Sprintf(`{"channel":"general","text":"x","id":%q}`, id), nil, 409, "conflict"}); err != nil {
			t.Error(err)
		}
		if err := r.refuse(refusal{"too late", "POST", "/v1/outbox/" + id + "/cancel", "{}", nil, 409, "conflict"}); err != nil {
			t.Error(err)
		}
	})
}

func TestEntriesAreCancelled(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		if err := r.ada.Chat.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := r.send(strings.Repeat("ä", 300), "")
		time.Sleep(100 * time.Millisecond)
		q := r.state().Outbox
		if q.Queued != 1 || q.Blocked["auth"] != 1 || len(q.Entries) != 1 || q.Entries[0].State != "queued" || q.Entries[0].Reason != "auth" ||
			q.Entries[0].Text != strings.Repeat("ä", 200) || q.Oldest.IsZero() {
			t.Errorf("outbox %+v", q)
		}
		path := "/v1/outbox/" + s.ID
		if err := r.refuse(refusal{"retry of one that isn't parked", "POST", path + "/retry", "{}", nil, 409, "conflict"}); err != nil {
			t.Error(err)
		}
		var done struct{ ID, State string }
		r.call(http.MethodPost, path+"/cancel", "{}", http.StatusOK, &done)
		if done.ID != s.ID || done.State != "cancelled" {
			t.Errorf("cancelled: %+v", done)
		}
		time.Sleep(100 * time.Millisecond)
		if q := r.state().Outbox; q.Queued != 0 || len(q.Entries) != 1 || q.Entries[0].State != "cancelled" {
			t.Errorf("outbox %+v", q)
		}
	})
}

func TestSnapshotNamesTheNewestEntries(t *testing.T) {
	within(t, agent.Options{}, func(t *testing.T, r *rig) {
		if err := r.ada.Chat.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		var last sent
		for n := range 150 {
			last = r.send(fmt.Sprint(n), "")
		}
		time.Sleep(100 * time.Millisecond)
		q := r.state().Outbox
		if q.Queued != 150 || len(q.Entries) != 100 || q.Entries[99].ID != last.ID || q.Entries[0].Text != "50" {
			t.Errorf("%d queued, %d named, the first is %+v", q.Queued, len(q.Entries), q.Entries[0])
		}
	})
}

func TestBeforeQueueRefuses(t *testing.T) {
	within(t, agent.Options{BeforeQueue: func(context.Context) error { return errors.New("somebody else's") }}, func(t *testing.T, r *rig) {
		for path, kind := range map[string]string{"/v1/messages": "application/json", "/v1/uploads?channel=general&name=f": "application/octet-stream"} {
			if err := r.refuse(refusal{path, "POST", path, `{"channel":"general","text":"x"}`, header("Content-Type", kind), 500, "failed"}); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestUploads hands a file over, sees it arrive with its message, and that nothing of it is left here.
func TestUploads(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "0190b6a4-5f3c-7c1e-8a2b-3d4e5f607182.upload")
	other := filepath.Join(dir, "other")
	for _, path := range []string{left, other} {
		if err := os.WriteFile(path, []byte("of a former run"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	within(t, agent.Options{Dir: dir}, func(t *testing.T, r *rig) {
		s := r.open("")
		defer s.close()
		body := bytes.Repeat([]byte("0123456789"), 20_000)
		res, text := r.ask(http.MethodPost, "/v1/uploads?channel=general&name=a%2Fb%2Ffilm.mp4&text=look", string(body), header("Content-Type", "application/octet-stream"))
		var up struct{ ID, Message string }
		if err := json.Unmarshal([]byte(text), &up); err != nil || res.StatusCode != http.StatusAccepted || up.ID == "" || up.Message == "" {
			t.Fatalf("%s: %s", res.Status, text)
		}
		var m agent.Message
		e := s.want("the message", func(e sse) bool { return e.kind == "message" })
		if err := json.Unmarshal([]byte(e.data), &m); err != nil {
			t.Fatal(err)
		}
		var files []struct {
			Name string
			Size int
		}
		if err := json.Unmarshal(m.Attachments, &files); err != nil || m.Text != "look" || len(files) != 1 || files[0].Name != "film.mp4" || files[0].Size != len(body) {
			t.Errorf("message %+v with %+v, %v", m, files, err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if u := r.state().Uploads; len(u) != 1 || u[0].ID != up.ID || u[0].State != "done" || u[0].Sent != int64(len(body)) || u[0].Channel != scenario.Channel || u[0].Name != "film.mp4" {
			t.Errorf("uploads %+v", u)
		}
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(found) != 1 || found[0] != other {
			t.Errorf("the folder holds %v, %v", found, err)
		}
	})
}

// TestUploadsThatStopLeaveNothing: one whose body brings nothing any more, one that is given up, one that the agent's end
// cuts off.
func TestUploadsThatStopLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	within(t, agent.Options{Dir: dir}, func(t *testing.T, r *rig) {
		begin := func(ctx context.Context) (body *io.PipeWriter, done chan string) {
			read, body := io.Pipe()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/uploads?channel=general&name=f", read)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = 1000
			req.Header.Set("Authorization", "Bearer "+r.agent.Token())
			req.Header.Set("Content-Type", "application/octet-stream")
			done = make(chan string, 1)
			go func() {
				res, err := r.http.Do(req)
				if err != nil {
					done <- err.Error()
					return
				}
				defer res.Body.Close()
				text, _ := io.ReadAll(res.Body)
				done <- res.Status + string(text)
			}()
			if _, err := body.Write([]byte("half of it")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != 1 {
				t.Fatalf("while a body comes there are %v, %v", files, err)
			}
			return body, done
		}
		nothing := func(when string) {
			t.Helper()
			synctest.Wait()
			if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) > 0 {
				t.Errorf("%s: %v are left, %v", when, files, err)
			}
		}
		began := time.Now()
		body, done := begin(t.Context())
		<-done
		_ = body.Close()
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("a body that brings nothing was borne for %v", took)
		}
		nothing("a body that stopped")

		ctx, cancel := context.WithCancel(t.Context())
		body, done = begin(ctx)
		cancel()
		_ = body.Close()
		<-done
		nothing("a request that was given up")

		body, done = begin(t.Context())
		r.close()
		_ = body.Close()
		<-done
		nothing("the agent's end")
		if q := r.ada.Chat.State().Queue; q.Queued+q.Sending+q.Parked > 0 {
			t.Errorf("half a file was queued: %+v", q)
		}
	})
}
