package server_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

// way is a way to send: what it answers to entries, as a client takes it.
type way func(entries ...wire.BatchEntry) []wire.BatchResult

// ways are all of them, for one device of one user.
func (w *world) ways(user, device string) map[string]way {
	token := w.login(user, device).Token
	return map[string]way{
		"RPC": func(entries ...wire.BatchEntry) []wire.BatchResult {
			c := w.connect(user, token)
			defer c.close()
			return c.batch(entries...)
		},
		"POST of a batch": func(entries ...wire.BatchEntry) []wire.BatchResult {
			var out wire.BatchReply
			w.expect("", "POST", "/api/messages", token, wire.BatchRequest{Messages: entries}).into(w.t, &out)
			return out.Results
		},
		"POST of each": func(entries ...wire.BatchEntry) []wire.BatchResult {
			out := make([]wire.BatchResult, len(entries))
			for i, e := range entries {
				a := w.call("POST", "/api/channels/"+e.Channel+"/messages", token, e.SendRequest)
				if a.status >= 400 {
					out[i].ID, out[i].Problem = e.ID, &a.problem
					continue
				}
				a.into(w.t, &out[i].SendReply)
			}
			return out
		},
	}
}

// TestWaysToSendAnswerAlike sends the same entries every way, each way from a device of its own to channels of its own:
// the answers are the same, problems and their fields included.
func TestWaysToSendAnswerAlike(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		long, reused, bad := to("X", 4, 4), to("X", 1, 2), to("X", 5, 5)
		long.Text, reused.Text, bad.ID = strings.Repeat("x", 20000), "another", "no UUID"
		entries := []wire.BatchEntry{
			to("X", 1, 1), reused, to("X", 3, 3), long, bad, to("secret", 6, 1), to("X", 7, 9), to("X", 1, 1), to("X", 1, 99),
			to("X", 8, 6), to("X", 8, 0), to("X", 9, 0), to("UPPER", 10, 1), to("X", 11, 3),
		}
		want := "1 id_reused 2 too_large bad_request forbidden seq_gap(7) 1 1 3 3 4 invalid_channel seq_gap(7)"
		want = strings.Replace(want, "seq_gap(7)", "seq_gap(6)", 1) // before 6 is taken
		users := map[string]string{}
		for i, name := range []string{"RPC", "POST of a batch", "POST of each"} {
			users[name] = fmt.Sprint("user", i)
			if err := w.s.AddUser(t.Context(), users[name], password); err != nil {
				t.Fatal(err)
			}
		}
		for name, user := range users {
			var in []wire.BatchEntry
			for _, e := range entries {
				e.Channel = strings.Replace(e.Channel, "X", "of-"+user, 1)
				in = append(in, e)
			}
			first := w.ways(user, "phone")[name](in...)
			if got := summary(first); got != want {
				t.Errorf("%s:\n got %s\nwant %s", name, got, want)
			}
			// All of it again: what was settled stays settled, and the answer is the same as then.
			time.Sleep(time.Minute)
			for i, r := range w.ways(user, "phone")[name](in...) {
				f := first[i]
				if f.Problem != nil && f.Problem.Code == wire.CodeSeqGap {
					f.Problem.Expected = 7
				}
				if !reflect.DeepEqual(r, f) {
					t.Errorf("%s, entry %d again: %+v %+v, first %+v %+v", name, i, r, r.Problem, f, f.Problem)
				}
			}
		}
	})
}

// summary is a word for each result: its seq, or its problem.
func summary(results []wire.BatchResult) string {
	var words []string
	for _, r := range results {
		switch {
		case r.Problem == nil:
			words = append(words, fmt.Sprint(r.Seq))
		case r.Problem.Expected != 0:
			words = append(words, fmt.Sprintf("%s(%d)", r.Problem.Code, r.Problem.Expected))
		default:
			words = append(words, r.Problem.Code)
		}
	}
	return strings.Join(words, " ")
}

// TestAckLostAndSentAgainAMonthLater loses an answer and asks again after 30 days, when the session is long over.
func TestAckLostAndSentAgainAMonthLater(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := still(t, nil)
		token := h.token("alice")
		in := wire.BatchRequest{Messages: []wire.BatchEntry{to("general", 1, 1), to("general", 2, 2)}}
		var first, again wire.BatchReply
		h.expect("", "POST", "/api/messages", token, in).into(t, &first)
		h.expect("", "POST", general, h.login("bob", "laptop").Token, text(3))
		time.Sleep(31 * 24 * time.Hour)
		h.expect(wire.CodeTokenExpired, "POST", "/api/messages", token, in)
		token = h.token("alice")
		h.expect("", "POST", "/api/messages", token, in).into(t, &again)
		if !reflect.DeepEqual(again, first) || summary(first.Results) != "1 2" {
			t.Fatalf("got %+v, first %+v", again, first)
		}
		if a := h.expect("", "POST", general, token, in.Messages[1].SendRequest); a.status != 200 {
			t.Errorf("one of them alone: %d", a.status)
		}
		in.Messages[0].Text = "another"
		h.expect("", "POST", "/api/messages", token, in).into(t, &again)
		if got := summary(again.Results); got != "id_reused 2" {
			t.Errorf("the same id with another text: %s", got)
		}
		var page wire.HistoryReply
		h.expect("", "GET", general, token, nil).into(t, &page)
		if page.Last != 3 || len(page.Messages) != 3 {
			t.Fatalf("the channel holds %+v", page)
		}
	})
}

// TestConnectTellsTheLastDeviceSeqs sends to more channels than a connect reply names: the last used ones are in it.
func TestConnectTellsTheLastDeviceSeqs(t *testing.T) {
	const channels, told = 300, 256
	w := newWorld(t, func(c *server.Config) { c.Limits.MessageBurst = 10000 })
	in := w.login("alice", "phone")
	for n := range channels {
		w.expect("", "POST", "/api/messages", in.Token, wire.BatchRequest{Messages: []wire.BatchEntry{
			to(fmt.Sprint("c", n), 2*n, 1), to(fmt.Sprint("c", n), 2*n+1, 2),
		}})
		if n == channels-told-1 {
			time.Sleep(2 * time.Millisecond) // times are kept to the millisecond
		}
	}
	c, _, err := w.dial("alice")
	if err != nil {
		t.Fatal(err)
	}
	var data wire.ConnectData
	if err := json.Unmarshal(c.call("connect", object{"token": in.Token}).Connect.Data, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.DeviceSeqs) != told {
		t.Fatalf("%d channels", len(data.DeviceSeqs))
	}
	for n := channels - told; n < channels; n++ {
		if got := data.DeviceSeqs[fmt.Sprint("c", n)]; got != 2 {
			t.Errorf("channel %d: %d", n, got)
		}
	}
}

func TestPostBatch(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Limits.BatchEntries = 3 })
	alice := h.token("alice")
	for name, c := range map[string]struct {
		body any
		code string
	}{
		"not JSON":  {"{", wire.CodeBadRequest},
		"a list":    {"[]", wire.CodeBadRequest},
		"too many":  {wire.BatchRequest{Messages: make([]wire.BatchEntry, 4)}, wire.CodeTooLarge},
		"too large": {`{"messages":[{"text":"` + strings.Repeat("x", 70000) + `"}]}`, wire.CodeTooLarge},
		"empty":     {"{}", ""},
	} {
		t.Run(name, func(t *testing.T) { (&house{t: t, s: h.s}).expect(c.code, "POST", "/api/messages", alice, c.body) })
	}
}
