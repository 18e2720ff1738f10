package agent_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/agent"
	"github.com/chatsdk/chatsdk/scenario"
)

// TestHistoryWithoutANetwork asks, while cut off, for messages that are kept, and for a channel's that never came.
func TestHistoryWithoutANetwork(t *testing.T) {
	const quiet = "quiet"
	within(t, agent.Options{Channels: []string{scenario.Channel, quiet}}, func(t *testing.T, r *rig) {
		bob, err := r.world.AddClient(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		say := func(channel, text string) {
			if _, err := bob.Chat.Send(t.Context(), channel, text); err != nil {
				t.Fatal(err)
			}
		}
		texts := func(channel string, after int) (texts []string) {
			var page struct{ Messages []agent.Message }
			r.call(http.MethodGet, fmt.Sprintf("/v1/messages?channel=%s&after=%d", channel, after), "", http.StatusOK, &page)
			for _, m := range page.Messages {
				texts = append(texts, m.Text)
			}
			return texts
		}
		for _, text := range []string{"one", "two", "three"} {
			say(scenario.Channel, text)
		}
		time.Sleep(10 * time.Second)

		r.ada.Link.Cut()
		say(quiet, "not known here")
		time.Sleep(10 * time.Second)
		if s := r.state(); s.Quality.Reach != "offline" || s.Connection.State != "reconnecting" {
			t.Fatalf("cut off, and it says %+v, %+v", s.Quality, s.Connection)
		}
		if got := fmt.Sprint(texts(scenario.Channel, 0), texts(scenario.Channel, 1)); got != "[one two three] [two three]" {
			t.Errorf("offline it has %s", got)
		}
		if err := r.refuse(refusal{"messages that aren't kept", "GET", "/v1/messages?channel=" + quiet, "", nil, 503, "offline"}); err != nil {
			t.Error(err)
		}

		r.ada.Link.Heal()
		time.Sleep(10 * time.Second)
		if got := fmt.Sprint(texts(quiet, 0)); got != "[not known here]" {
			t.Errorf("back online it has %s", got)
		}
	})
}
