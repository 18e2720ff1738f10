package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	webSocketPath = "/connection/websocket"
	// maxHello bounds the answer to the first command.
	maxHello = 64 << 10
	// hello is a connect command of the Centrifuge protocol without a token: a server that speaks it either refuses that
	// or lets anybody in, and says so.
	hello = `{"id":1,"connect":{"name":"` + userAgent + `"}}`
)

// webSocket opens a WebSocket, says hello, and then looks whether a web page of the server's own might open one.
func (r *run) webSocket(ctx context.Context) Check {
	wire := r.transport(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return r.DialContext(ctx, network, r.addr) // never through the proxy, as the client
	})
	wire.DisableKeepAlives = true
	defer wire.CloseIdleConnections()
	begun := time.Now()
	ws, res, err := r.upgrade(ctx, wire, nil)
	if err != nil {
		return notUpgraded(res, err, time.Since(begun))
	}
	defer func() { _ = ws.CloseNow() }()
	took := time.Since(begun)
	c := sayHello(ctx, ws, took)
	if c.Outcome != OK {
		return c
	}
	page, res, err := r.upgrade(ctx, wire, http.Header{"Origin": {r.Server.Scheme + "://" + r.Server.Host}})
	if err == nil {
		_ = page.CloseNow() // nothing was said
	} else if res != nil && res.StatusCode == http.StatusForbidden {
		return warn(c.Figures, "what stands before the server changes the header Host: have it pass on the one it got; programs aren't concerned",
			"%s, but web pages of this address are refused (Origin)", c.Seen)
	}
	return c
}

func (r *run) upgrade(ctx context.Context, wire *http.Transport, header http.Header) (*websocket.Conn, *http.Response, error) {
	if header == nil {
		header = http.Header{}
	}
	header.Set("User-Agent", userAgent)
	ws, res, err := websocket.Dial(ctx, r.url(webSocketPath), &websocket.DialOptions{
		HTTPClient: client(wire), HTTPHeader: header, Subprotocols: []string{"centrifuge-json"},
	})
	if err == nil {
		ws.SetReadLimit(maxHello)
	}
	return ws, res, err
}

// notUpgraded says why there is no WebSocket.
func notUpgraded(res *http.Response, err error, waited time.Duration) Check {
	const meanwhile = "; until then the client sends and fetches by HTTP, and nothing comes by itself"
	if res == nil {
		switch {
		case timedOut(err):
			return fail(FaultNetwork, Figures{}, "something between stops WebSockets: a proxy or a firewall"+meanwhile, "no answer to the upgrade within %s", inMS(waited))
		default:
			return fail(FaultNetwork, Figures{}, "something between cuts WebSockets: a proxy or a firewall"+meanwhile, "asked for an upgrade, the connection was %s", plainly(err))
		}
	}
	f := Figures{Status: res.StatusCode}
	own := res.Header.Get(headerAPI) != ""
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		return fail(FaultNetwork, f, "a proxy between answers wrongly: have it pass Upgrade, Connection and Sec-WebSocket-* on"+meanwhile, "upgraded, but not by the rules of WebSockets")
	case own && res.StatusCode == http.StatusBadRequest, res.StatusCode == http.StatusUpgradeRequired:
		return fail(FaultNetwork, f, "have the proxy pass Upgrade and Connection on, and speak HTTP/1.1 to the server"+meanwhile,
			"a proxy on the way strips the header Upgrade: the server saw a plain request (%d)", res.StatusCode)
	case res.StatusCode == http.StatusForbidden:
		return fail(FaultConfig, f, "have whoever runs the server, or what stands before it, let WebSockets of programs in", "the upgrade is forbidden (403)")
	case own && res.StatusCode == http.StatusServiceUnavailable:
		return fail(FaultOther, f, "it is stopping or full: clients come back by themselves", "the server takes no connections now (503)")
	case res.StatusCode >= 500:
		return fail(FaultOther, f, "what stands before the server can't reach it for WebSockets: whoever runs it should look"+meanwhile, "the upgrade was answered with %d", res.StatusCode)
	}
	return fail(FaultNetwork, f, "a proxy on the way knows no WebSockets, or the address has another path"+meanwhile, "the upgrade was answered with %d", res.StatusCode)
}

// sayHello sends the first command and judges what comes back.
func sayHello(ctx context.Context, ws *websocket.Conn, upgrade time.Duration) Check {
	const advice = "a proxy lets the upgrade through and what follows not: have it pass WebSockets on without buffering"
	begun := time.Now()
	f := Figures{Status: http.StatusSwitchingProtocols}
	err := ws.Write(ctx, websocket.MessageText, []byte(hello))
	var frame []byte
	if err == nil {
		_, frame, err = ws.Read(ctx)
	}
	rtt := time.Since(begun)
	f.RTTMS = ms(rtt)
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return judgeClose(f, closed, upgrade, rtt)
	case err != nil && (timedOut(err) || ctx.Err() != nil):
		return fail(FaultNetwork, f, advice, "upgraded, but the first command got no answer within %s", inMS(rtt))
	case err != nil:
		return fail(FaultNetwork, f, advice, "upgraded, but the first command ended the connection: %s", plainly(err))
	}
	var reply struct {
		ID      uint32          `json:"id"`
		Connect json.RawMessage `json:"connect"`
		Error   json.RawMessage `json:"error"`
	}
	line, _, _ := strings.Cut(string(frame), "\n")
	if json.Unmarshal([]byte(line), &reply) != nil || reply.ID != 1 || reply.Connect == nil && reply.Error == nil {
		return fail(FaultConfig, f, "check the address in --server: it isn't that of a chatsdk server", "upgraded, but what answers doesn't speak the Centrifuge protocol")
	}
	return ok(f, "upgraded (%s), answers (%s)", inMS(upgrade), inMS(rtt))
}

// judgeClose knows the protocol's codes: 3500 and the like are the answer to somebody without a token.
func judgeClose(f Figures, e websocket.CloseError, upgrade, rtt time.Duration) Check {
	const shutdown, draining, slow = 3001, 4001, 4002
	code := strconv.Itoa(int(e.Code))
	switch {
	case e.Code == shutdown || e.Code == draining:
		return fail(FaultOther, f, "it is being stopped or restarted: clients come back by themselves", "the server is stopping (%s)", code)
	case e.Code == slow:
		return fail(FaultOther, f, "wait and try again", "the server has too many connections (%s)", code)
	case e.Code >= 3000 && e.Code < 5000:
		return ok(f, "upgraded (%s), answers (%s)", inMS(upgrade), inMS(rtt))
	}
	return fail(FaultNetwork, f, "a proxy on the way closes WebSockets, or it isn't the address of a chatsdk server", "upgraded, and then closed with %s", code)
}
