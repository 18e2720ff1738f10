package chatsdk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/outbox"
)

// TestWhatTheServerAlwaysRefusesIsNotQueued offers messages that no state of the server's can make right, offline and
// before anybody signed in: none is accepted, so none is promised first and parked later. Each row goes to the server
// as well, which has to refuse it or take it just as the client does.
func TestWhatTheServerAlwaysRefusesIsNotQueued(t *testing.T) {
	objects := func(n, size int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"a":"`+strings.Repeat("x", size)+`"},`, n), ",") + "]"
	}
	for _, row := range []struct {
		name, channel, text, attachments string
		field, code                      string // "" where both take it
	}{
		{"channel with capitals", "General!", "hi", "", "channel", wire.CodeInvalidChannel},
		{"channel that begins with a dot", ".general", "hi", "", "channel", wire.CodeInvalidChannel},
		{"channel of 64", strings.Repeat("c", 64), "hi", "", "", ""},
		{"channel of 65", strings.Repeat("c", 65), "hi", "", "channel", wire.CodeInvalidChannel},
		{"NUL in the text", "general", "a\x00b", "", "text", wire.CodeBadRequest},
		{"no text", "general", "", "", "text", wire.CodeBadRequest},
		{"empty list and no text", "general", "", "[]", "text", wire.CodeBadRequest},
		{"empty list with spaces and no text", "general", "", " [ ] ", "text", wire.CodeBadRequest},
		{"null and no text", "general", "", "null", "text", wire.CodeBadRequest},
		{"empty list and text", "general", "hi", "[]", "", ""},
		{"no list", "general", "hi", `{"a":1}`, "attachments", wire.CodeBadRequest},
		{"list of strings", "general", "hi", `["a"]`, "attachments", wire.CodeBadRequest},
		{"list with a null", "general", "hi", `[{"a":1},null]`, "attachments", wire.CodeBadRequest},
		{"list of lists", "general", "hi", `[[]]`, "attachments", wire.CodeBadRequest},
		{"objects", "general", "", `[{"a":1}, {"b":[2]}]`, "", ""},
		{"ten objects", "general", "hi", objects(10, 1), "", ""},
		{"eleven objects", "general", "hi", objects(11, 1), "attachments", wire.CodeTooLarge},
		{"16 KiB of attachments", "general", "hi", objects(1, 16<<10-10), "", ""},
		{"a byte more", "general", "hi", objects(1, 16<<10-9), "attachments", wire.CodeTooLarge},
		{"16 KiB and spaces", "general", "hi", strings.Repeat(" ", 100) + objects(1, 16<<10-10), "", ""},
		{"16 KiB of text", "general", strings.Repeat("x", 16<<10), "", "", ""},
		{"a byte more text", "general", strings.Repeat("x", 16<<10+1), "", "text", wire.CodeTooLarge},
		{"upload in capitals", "general", "hi", `[{"Upload":"x"}]`, "attachments", wire.CodeBadRequest},
		{"upload that is a number", "general", "hi", `[{"upload":1}]`, "attachments", wire.CodeBadRequest},
		{"upload without a name", "general", "hi", `[{"upload":""}]`, "attachments", wire.CodeBadRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			withHost(t, func(t *testing.T, h *host) {
				c := h.open(t, chatsdk.InMemory(), nil)
				defer c.Close()
				e := outbox.Entry{ID: uuid.NewString(), Channel: row.channel, Text: row.text}
				if row.attachments != "" {
					e.Attachments = json.RawMessage(row.attachments)
				}
				_, err := c.SendEntry(t.Context(), e)
				if err := wantInvalid("SendEntry", err, row.field); err != nil {
					t.Error(err)
				}
				if row.field != "" && c.State().Queue.Queued != 0 {
					t.Error("it is queued all the same")
				}
				if code := h.post(t, e); code != row.code {
					t.Errorf("the server says %q, want %q", code, row.code)
				}
			})
		})
	}
}

// wantInvalid wants an error for a field, or none for "".
func wantInvalid(what string, err error, field string) error {
	var invalid *outbox.InvalidError
	switch {
	case field == "" && err == nil:
		return nil
	case field == "":
		return fmt.Errorf("%s: %w", what, err)
	case !errors.As(err, &invalid) || invalid.Field != field:
		return fmt.Errorf("%s: %v, want an InvalidError for %s", what, err, field) //nolint:errorlint // it may be nil
	}
	return nil
}

// post sends a message to the server without the client and returns the problem's code, or "".
func (h *host) post(t *testing.T, e outbox.Entry) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: h.net.Dialer("phone"), DisableKeepAlives: true}}
	call := func(path, token string, in, out any) {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server"+path, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	var in wire.TokenReply
	call("/api/auth/login", "", wire.LoginRequest{User: "ada", Password: password, Device: "raw"}, &in)
	var out wire.BatchReply
	call("/api/messages", in.Token, wire.BatchRequest{Messages: []wire.BatchEntry{{
		Channel: e.Channel, SendRequest: wire.SendRequest{ID: e.ID, Text: e.Text, Attachments: e.Attachments},
	}}}, &out)
	if len(out.Results) != 1 {
		t.Fatalf("%+v", out)
	}
	if p := out.Results[0].Problem; p != nil {
		return p.Code
	}
	return ""
}

func TestEveryWayIntoTheQueueIsChecked(t *testing.T) { holds(t, everyWayIn) }

// everyWayIn offers what the server always refuses to each call that puts something into the queue.
func everyWayIn(t *testing.T, h *host) error {
	c := h.open(t, chatsdk.InMemory(), nil)
	defer c.Close()
	_, sent := c.Send(t.Context(), "General!", "hi")
	e, err := c.SendEntry(t.Context(), outbox.Entry{Channel: "general", Text: "hi", Needs: []outbox.Need{{Name: "mine"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, text := c.Edit(t.Context(), outbox.Entry{ID: e.ID, Text: "a\x00b"})
	_, list := c.Edit(t.Context(), outbox.Entry{ID: e.ID, Attachments: json.RawMessage(`["a"]`)})
	resolved := c.Resolve(t.Context(), "mine", json.RawMessage(`"a string"`))
	_, file := c.SendFiles(t.Context(), outbox.Entry{Channel: "General!", Text: "hi"}, chatsdk.File{Path: "nowhere"})
	var files []chatsdk.File
	for i := range 11 {
		files = append(files, chatsdk.File{Path: fmt.Sprint(i)})
	}
	_, eleven := c.SendFiles(t.Context(), outbox.Entry{Channel: "general"}, files...)
	// An id that was queued before is answered as it was, whatever comes with it.
	again, known := c.SendEntry(t.Context(), outbox.Entry{ID: strings.ToUpper(e.ID), Channel: "General!", Text: "hi"})
	if known == nil && again.Channel != "general" {
		known = fmt.Errorf("%+v", again)
	}
	return errors.Join(
		wantInvalid("Send", sent, "channel"), wantInvalid("Edit", text, "text"), wantInvalid("Edit", list, "attachments"),
		wantInvalid("Resolve", resolved, "needs"), wantInvalid("SendFiles", file, "channel"),
		wantInvalid("SendFiles with eleven files", eleven, "attachments"), wantInvalid("a known id", known, ""),
	)
}

// TestServersOwnLimitsCount has a server that takes other lengths than usual: once it has told them, they count.
func TestServersOwnLimitsCount(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		c := h.open(t, chatsdk.InMemory(), nil)
		defer c.Close()
		many := json.RawMessage(`[{},{},{},{},{},{},{},{},{},{},{},{}]`) // 12
		if _, err := c.SendEntry(t.Context(), outbox.Entry{Channel: "general", Attachments: many}); err == nil {
			t.Fatal("12 attachments, and the server's usual limit is 10")
		}
		chatsdk.SetLimits(c, wire.Limits{TextBytes: 100, Attachments: 12})
		_, err := c.SendEntry(t.Context(), outbox.Entry{Channel: "general", Attachments: many})
		if err := wantInvalid("12 attachments of 12", err, ""); err != nil {
			t.Error(err)
		}
		_, err = c.Send(t.Context(), "general", strings.Repeat("x", 101))
		if err := wantInvalid("a text of 101 bytes of 100", err, "text"); err != nil {
			t.Error(err)
		}
		if err := c.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		c.Connect()
		time.Sleep(2 * time.Second) // the connect reply tells the server's: the usual ones
		_, err = c.Send(t.Context(), "general", strings.Repeat("x", 101))
		if err := wantInvalid("a text of 101 bytes of 16 KiB", err, ""); err != nil {
			t.Error(err)
		}
	})
}
