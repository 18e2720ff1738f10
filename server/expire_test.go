package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

// TestExpireTokens: what was issued until now has run out, over HTTP and for connections, live and new ones; what a refresh
// brings is good, and the sessions go on.
func TestExpireTokens(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, nil)
		phone, laptop, bob := w.login("alice", "phone"), w.login("alice", "laptop"), w.login("bob", "phone")
		live, other := w.connect("phone", phone.Token), w.connect("bob", bob.Token)
		defer live.close()
		defer other.close()
		time.Sleep(300 * time.Millisecond)
		w.s.ExpireTokens("alice")
		if code, reason := live.gone(); code != 3005 {
			t.Errorf("the live connection ended with %d %s", code, reason)
		}
		for _, token := range []string{phone.Token, laptop.Token} {
			w.expect(wire.CodeTokenExpired, http.MethodGet, "/api/channels/general/messages", token, nil)
			c, _, err := w.dial("phone")
			if err != nil {
				t.Fatal(err)
			}
			if f := c.call("connect", object{"token": token}); f.Error == nil || f.Error.Code != 109 {
				t.Errorf("connect with a token that has run out: %+v", f)
			}
			c.close()
		}
		fresh := w.refresh(phone.RefreshToken)
		w.expect("", http.MethodGet, "/api/channels/general/messages", fresh.Token, nil)
		w.connect("phone", fresh.Token).close()
		w.expect(wire.CodeTokenExpired, http.MethodGet, "/api/channels/general/messages", phone.Token, nil)
		w.expect("", http.MethodGet, "/api/channels/general/messages", bob.Token, nil)
		if f := other.call("rpc", object{"method": wire.RPCHistory, "data": wire.HistoryRequest{Channel: "a"}}); f.RPC == nil {
			t.Errorf("somebody else's connection: %+v", f.Error)
		}
	})
}

// TestExpireTokensTwice ends two generations within a second, in which both were issued.
func TestExpireTokensTwice(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		h := still(t, nil)
		pair := h.login("alice", "phone")
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			h.s.ExpireTokens("alice")
			h.expect(wire.CodeTokenExpired, http.MethodGet, "/api/channels/general/messages", pair.Token, nil)
			time.Sleep(100 * time.Millisecond)
			pair = h.refresh(pair.RefreshToken)
			h.expect("", http.MethodGet, "/api/channels/general/messages", pair.Token, nil)
		}
	})
}

// TestExpiredTokensAreForgotten: no more is kept than there are tokens that could live.
func TestExpiredTokensAreForgotten(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, func(c *server.Config) { c.AccessTTL = 5 * time.Minute })
		w.s.ExpireTokens("alice")
		if got := w.s.RunOut(); got != 1 {
			t.Errorf("%d users are kept", got)
		}
		time.Sleep(7 * time.Minute)
		if got := w.s.RunOut(); got != 0 {
			t.Errorf("%d users are still kept", got)
		}
	})
}
