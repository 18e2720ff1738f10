package chatsdk_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/quality"
)

// TestGatewayIsGivenItsKeyByAll has a gateway before the server that turns away whatever comes without its key: calls, the
// connection's upgrade, pings while connected and while not, uploads and downloads all bring it.
func TestGatewayIsGivenItsKeyByAll(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		h.key = "sesame"
		p := h.phone(t, 1, func(o *chatsdk.Options) { o.APIKey = h.key })
		defer p.Close()
		p.sent(t, p.say(t))
		a, content := uploaded(t, p.Client, "a", 1<<20)
		d, err := p.Download(t.Context(), chatsdk.DownloadRequest{Attachment: a, Dir: t.TempDir()})
		if got, _ := os.ReadFile(d.Path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("download: %+v, %v", d, err)
		}
		h.link.Cut()
		time.Sleep(10 * time.Second)
		h.link.Heal()
		time.Sleep(10 * time.Second)
		if q := p.Quality(); q.Reach != quality.ReachOnline {
			t.Errorf("the network is %v, %v", q.Reach, q.Reason)
		}
		if n := h.turnedAway.Load(); n != 0 {
			t.Errorf("%d requests came without the key", n)
		}
	})
}
