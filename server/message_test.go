package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

const general = "/api/channels/general/messages"

func TestPostMessage(t *testing.T) {
	h := start(t, nil)
	alice := h.token("alice")
	in := wire.SendRequest{ID: id(1), DeviceSeq: 1, Text: "hi", Attachments: json.RawMessage(`[ {"a": 1} ]`)}
	a := h.expect("", "POST", general, alice, in)
	var first, again wire.SendReply
	if a.into(t, &first); a.status != 201 || first.ID != id(1) || first.Seq != 1 || first.Time.IsZero() {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a = h.expect("", "POST", general, alice, in)
	if a.into(t, &again); a.status != 200 || again != first {
		t.Fatalf("again: %d %s", a.status, a.body)
	}
	other := in
	other.Text = "another"
	h.expect(wire.CodeIDReused, "POST", general, alice, other)
	h.expect(wire.CodeIDReused, "POST", "/api/channels/other/messages", alice, in)
	gap := h.expect(wire.CodeSeqGap, "POST", general, alice, wire.SendRequest{ID: id(9), DeviceSeq: 9, Text: "x"})
	if gap.status != 409 || gap.problem.Expected != 2 {
		t.Fatalf("gap: %d %s", gap.status, gap.body)
	}
	h.expect("", "POST", general, alice, wire.SendRequest{ID: strings.ToUpper("a0000000-0000-7000-8000-00000000000b"), DeviceSeq: 2, Text: "upper"})
	if a := h.call("POST", general, alice, wire.SendRequest{ID: "a0000000-0000-7000-8000-00000000000b", DeviceSeq: 2, Text: "upper"}); a.status != 200 {
		t.Fatalf("the same UUID in small letters: %d %s", a.status, a.body)
	}
	var page wire.HistoryReply
	h.expect("", "GET", general, alice, nil).into(t, &page)
	m := page.Messages[0]
	if page.Last != 2 || len(page.Messages) != 2 || m.Channel != "general" || m.User != "alice" || m.Text != "hi" ||
		string(m.Attachments) != `[{"a":1}]` || m.Seq != 1 || !m.Time.Equal(first.Time) {
		t.Fatalf("%+v", page)
	}
}

// TestRefusalUsesItsNumberUp posts what will never be taken, each with the next deviceSeq.
func TestRefusalUsesItsNumberUp(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Limits.TextBytes, c.Limits.Attachments = 100, 2 })
	alice := h.token("alice")
	for i, c := range []struct {
		name, code string
		in         wire.SendRequest
	}{
		{"no id", wire.CodeBadRequest, wire.SendRequest{Text: "x"}},
		{"bad id", wire.CodeBadRequest, wire.SendRequest{ID: "1", Text: "x"}},
		{"id in braces", wire.CodeBadRequest, wire.SendRequest{ID: "{" + id(1) + "}", Text: "x"}},
		{"empty", wire.CodeBadRequest, wire.SendRequest{ID: id(1)}},
		{"too long", wire.CodeTooLarge, wire.SendRequest{ID: id(1), Text: strings.Repeat("x", 101)}},
		{"NUL", wire.CodeBadRequest, wire.SendRequest{ID: id(1), Text: "a\x00b"}},
		{"attachments no list", wire.CodeBadRequest, wire.SendRequest{ID: id(1), Attachments: json.RawMessage(`{}`)}},
		{"attachments of numbers", wire.CodeBadRequest, wire.SendRequest{ID: id(1), Attachments: json.RawMessage(`[1]`)}},
		{"empty attachments", wire.CodeBadRequest, wire.SendRequest{ID: id(1), Attachments: json.RawMessage(`[]`)}},
		{"many attachments", wire.CodeTooLarge, wire.SendRequest{ID: id(1), Attachments: json.RawMessage(`[{},{},{}]`)}},
		{"large attachment", wire.CodeTooLarge, wire.SendRequest{ID: id(1), Attachments: json.RawMessage(`[{"x":"` + strings.Repeat("x", 100) + `"}]`)}},
	} {
		for range 2 { // the answer to the same question is the same
			c.in.DeviceSeq = uint64(i + 1)
			if a := h.call("POST", general, alice, c.in); a.problem.Code != c.code {
				t.Fatalf("%s: %d %s", c.name, a.status, a.body)
			}
		}
	}
	gap := h.expect(wire.CodeSeqGap, "POST", general, alice, wire.SendRequest{ID: id(50), DeviceSeq: 50, Text: "x"})
	if gap.problem.Expected != 12 {
		t.Fatalf("expected %d after 11 refusals", gap.problem.Expected)
	}
	h.expect("", "POST", general, alice, wire.SendRequest{ID: id(12), DeviceSeq: 12, Text: "x"})
	h.expect(wire.CodeBadRequest, "POST", general, alice, wire.SendRequest{ID: id(13), DeviceSeq: 1 << 60, Text: "x"})
}

func TestPostBadBody(t *testing.T) {
	h := start(t, nil)
	alice := h.token("alice")
	for name, c := range map[string]struct{ body, code string }{
		"empty":        {"", wire.CodeBadRequest},
		"not JSON":     {"{", wire.CodeBadRequest},
		"a list":       {"[]", wire.CodeBadRequest},
		"trailing":     {`{"id":"` + id(1) + `","text":"x"}x`, wire.CodeBadRequest},
		"negative seq": {`{"id":"` + id(1) + `","text":"x","deviceSeq":-1}`, wire.CodeBadRequest},
		"huge seq":     {`{"id":"` + id(1) + `","text":"x","deviceSeq":99999999999999999999}`, wire.CodeBadRequest},
		"too large":    {`{"id":"` + id(1) + `","text":"` + strings.Repeat("x", 70000) + `"}`, wire.CodeTooLarge},
		"deep":         {`{"id":"` + id(1) + `","text":"x","attachments":` + strings.Repeat("[", 20000), wire.CodeBadRequest},
	} {
		if a := h.call("POST", general, alice, c.body); a.problem.Code != c.code {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, name := range []string{"Upper", "a%20b", "%2e%2e", "-a", strings.Repeat("a", 65), "%00", "ä"} {
		for _, method := range []string{"GET", "POST"} {
			a := h.call(method, "/api/channels/"+name+"/messages", alice, text(1))
			if a.problem.Code != wire.CodeInvalidChannel {
				t.Errorf("%s %s: %d %s", method, name, a.status, a.body)
			}
		}
	}
}

func TestHistoryPages(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Limits.HistoryEntries = 5 })
	alice := h.token("alice")
	for n := 1; n <= 12; n++ {
		h.expect("", "POST", general, alice, text(n))
	}
	for query, want := range map[string]string{
		"":                             "1-5/12",
		"?after=0&limit=2":             "1-2/12",
		"?after=5":                     "6-10/12",
		"?after=10&limit=100":          "11-12/12",
		"?after=12":                    "0-0/12",
		"?after=18446744073709551615":  "0-0/12",
		"?after=3&limit=1&unknown=yes": "4-4/12",
	} {
		var page wire.HistoryReply
		h.expect("", "GET", general+query, alice, nil).into(t, &page)
		got := fmt.Sprintf("0-0/%d", page.Last)
		if n := len(page.Messages); n > 0 {
			got = fmt.Sprintf("%d-%d/%d", page.Messages[0].Seq, page.Messages[n-1].Seq, page.Last)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"?after=-1", "?after=x", "?limit=0", "?limit=-3", "?limit=x", "?after=99999999999999999999"} {
		h.expect(wire.CodeBadRequest, "GET", general+query, alice, nil)
	}
	a := h.expect("", "GET", "/api/channels/unknown/messages", alice, nil)
	if string(a.body) != `{"messages":[],"last":0}` {
		t.Errorf("unknown channel: %s", a.body)
	}
	// Reading made no channel: its name is free.
	h.expect("", "POST", "/api/channels", alice, wire.ChannelRequest{Name: "unknown", Private: true})
}

// TestHistoryPageFitsAFrame fills a channel with the longest texts.
func TestHistoryPageFitsAFrame(t *testing.T) {
	h := start(t, nil)
	alice := h.token("alice")
	for n := 1; n <= 40; n++ {
		h.expect("", "POST", general, alice, wire.SendRequest{ID: id(n), Text: strings.Repeat("x", 16<<10)})
	}
	after, pages := uint64(0), 0
	for {
		var page wire.HistoryReply
		a := h.expect("", "GET", fmt.Sprint(general, "?after=", after), alice, nil)
		if a.into(t, &page); len(a.body) > 300<<10 {
			t.Fatalf("a page of %d bytes", len(a.body))
		}
		pages++
		if after = page.Messages[len(page.Messages)-1].Seq; after == page.Last {
			break
		}
	}
	if after != 40 || pages < 3 {
		t.Fatalf("%d messages in %d pages", after, pages)
	}
}

func TestChannels(t *testing.T) {
	h := start(t, nil)
	alice, bob, eve := h.token("alice"), h.token("bob"), h.token("eve")
	a := h.expect("", "POST", "/api/channels", alice, wire.ChannelRequest{Name: "team", Private: true, Members: []string{"bob"}})
	if a.status != 201 {
		t.Fatalf("status %d", a.status)
	}
	for _, member := range []string{alice, bob} {
		h.expect("", "GET", "/api/channels/team/messages", member, nil)
	}
	h.expect(wire.CodeForbidden, "GET", "/api/channels/team/messages", eve, nil)
	h.expect(wire.CodeChannelExists, "POST", "/api/channels", eve, wire.ChannelRequest{Name: "team"})
	h.expect("", "POST", general, eve, text(1)) // made by use
	h.expect(wire.CodeChannelExists, "POST", "/api/channels", eve, wire.ChannelRequest{Name: "general", Private: true})
	for name, c := range map[string]struct {
		in   wire.ChannelRequest
		code string
	}{
		"no name":      {wire.ChannelRequest{}, wire.CodeInvalidChannel},
		"bad name":     {wire.ChannelRequest{Name: "A"}, wire.CodeInvalidChannel},
		"bad member":   {wire.ChannelRequest{Name: "x", Members: []string{"A B"}}, wire.CodeBadRequest},
		"many members": {wire.ChannelRequest{Name: "x", Members: make([]string, 1001)}, wire.CodeTooLarge},
	} {
		if a := h.call("POST", "/api/channels", alice, c.in); a.problem.Code != c.code {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	h.expect(wire.CodeUnauthorized, "POST", "/api/channels", "", wire.ChannelRequest{Name: "x"})
}

func TestMessageRate(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := start(t, func(c *server.Config) { c.Limits.MessagesPerSecond, c.Limits.MessageBurst = 2, 5 })
		alice, bob := h.token("alice"), h.token("bob")
		n := 0
		post := func(token string) answer { n++; return h.call("POST", general, token, text(n)) }
		for range 5 {
			if a := post(alice); a.status != 201 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		a := post(alice)
		if a.status != 429 || a.problem.Code != wire.CodeRateLimited || a.problem.RetryAfterMS != 500 || a.header.Get("Retry-After") != "1" {
			t.Fatalf("sixth: %d %s", a.status, a.body)
		}
		if a := post(bob); a.status != 201 {
			t.Fatalf("another user: %s", a.body)
		}
		time.Sleep(500 * time.Millisecond)
		if a := post(alice); a.status != 201 {
			t.Fatalf("after the wait: %s", a.body)
		}
		if a := post(alice); a.status != 429 {
			t.Fatalf("status %d", a.status)
		}
		time.Sleep(10 * time.Minute)
		for i := range 6 {
			if a := post(alice); (a.status == 201) != (i < 5) {
				t.Fatalf("%d after ten minutes: %d", i, a.status)
			}
		}
	})
}

// fullStore is a store whose disk is full.
type fullStore struct{ server.Store }

func (fullStore) Ping(context.Context) error { return server.ErrUnavailable }

func (fullStore) Append(context.Context, string, string, []server.Entry) ([]server.Outcome, error) {
	return nil, fmt.Errorf("append: %w", server.ErrUnavailable)
}

func TestStoreUnavailable(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Store = fullStore{c.Store} })
	alice := h.token("alice")
	a := h.expect(wire.CodeUnavailable, "POST", general, alice, text(1))
	if a.status != 503 || a.problem.RetryAfterMS == 0 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	h.expect(wire.CodeUnavailable, "GET", "/readyz", "", nil)
	h.expect("", "GET", "/healthz", "", nil)
	h.expect("", "GET", general, alice, nil) // reading goes on
}

// brokenStore answers with an error and a panic that hold what no client should see.
type brokenStore struct{ server.Store }

func (brokenStore) CanRead(_ context.Context, channel, _ string) error {
	if channel == "panic" {
		panic("hidden cause")
	}
	return fmt.Errorf("hidden cause")
}

func TestInternalErrorsStayInside(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Store = brokenStore{c.Store} })
	alice := h.token("alice")
	for _, ch := range []string{"general", "panic"} {
		a := h.expect(wire.CodeInternal, "GET", "/api/channels/"+ch+"/messages", alice, nil)
		if a.status != 500 || strings.Contains(string(a.body), "hidden") {
			t.Errorf("%s: %d %s", ch, a.status, a.body)
		}
	}
	if err := h.s.Kill(); err != nil {
		t.Fatal(err)
	}
	if strings.Count(h.log.String(), "hidden cause") < 2 {
		t.Errorf("the log doesn't say why:\n%s", h.log)
	}
	if strings.Contains(h.log.String(), alice) {
		t.Error("the token is in the log")
	}
}

func FuzzMessageJSON(f *testing.F) {
	for _, s := range []string{
		`{"id":"` + id(1) + `","text":"x","deviceSeq":1}`, `{"attachments":[{"a":[]}],"id":"` + id(2) + `"}`, `{`, `[]`, `null`,
		`{"id":"` + id(3) + `","text":"\u0000\ud800"}`,
	} {
		f.Add(s)
	}
	h := fuzzHouse(f)
	alice := h.token("alice")
	f.Fuzz(func(t *testing.T, body string) {
		h := &house{t: t, s: h.s}
		switch a := h.call("POST", general, alice, body); a.status {
		case 200, 201, 400, 409, 413, 429:
		default:
			t.Fatalf("%q: %d %s", body, a.status, a.body)
		}
	})
}

func FuzzLoginJSON(f *testing.F) {
	for _, s := range []string{`{"user":"alice","password":"x","device":"d"}`, `{`, `null`, `{"user":["a"]}`, `{"user":"a","user":"b"}`} {
		f.Add(s)
	}
	h := fuzzHouse(f)
	f.Fuzz(func(t *testing.T, body string) {
		h := &house{t: t, s: h.s}
		switch a := h.call("POST", "/api/auth/login", "", body); a.status {
		case 200, 400, 401, 413, 429:
		default:
			t.Fatalf("%q: %d %s", body, a.status, a.body)
		}
	})
}

func FuzzChannelName(f *testing.F) {
	for _, s := range []string{"general", "a.b-c_d", "", "A", "..", "a/b", "ä", "\x00", strings.Repeat("a", 65)} {
		f.Add(s)
	}
	h := fuzzHouse(f)
	alice := h.token("alice")
	f.Fuzz(func(t *testing.T, name string) {
		h := &house{t: t, s: h.s}
		a := h.call("POST", "/api/channels", alice, wire.ChannelRequest{Name: name})
		valid := len(name) > 0 && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == "" &&
			!strings.ContainsAny(name[:1], "_.-") && !strings.ContainsFunc(name, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_.-", r)
		})
		if ok := a.status == 201 || a.problem.Code == wire.CodeChannelExists; ok != valid {
			t.Fatalf("%q: %d %s, valid %v", name, a.status, a.body, valid)
		}
	})
}
