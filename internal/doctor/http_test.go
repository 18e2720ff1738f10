package doctor_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/internal/doctor"
	"github.com/chatsdk/chatsdk/internal/wire"
)

const pingPath = "/api/health/ping"

// TestPings breaks what answers the ping. Only who shows a page or leads to one is a captive portal.
func TestPings(t *testing.T) {
	status := func(code int, h http.Header, body string) faultnet.HTTPFault {
		return faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: pingPath, Status: code, Header: h, Body: body}
	}
	to := func(where string) http.Header { return http.Header{"Location": {where}} }
	captive := func(code int, where string) faultnet.HTTPFault {
		return faultnet.HTTPFault{Kind: faultnet.HTTPCaptive, Status: code, Location: where}
	}
	const network, config = doctor.FaultNetwork, doctor.FaultConfig
	for what, row := range map[string]struct {
		fault   faultnet.HTTPFault
		want    doctor.Outcome
		whose   doctor.Fault
		captive bool
		words   string
	}{
		"portal's page":         {captive(200, ""), doctor.Failed, network, true, "open a web page in a browser"},
		"portal's redirect":     {captive(302, "http://login.hotel.example/?mac=00:11"), doctor.Failed, network, true, "login.hotel.example"},
		"portal's 511":          {captive(511, ""), doctor.Failed, network, true, "511"},
		"cut":                   {faultnet.HTTPFault{Kind: faultnet.HTTPReplyLost, Path: pingPath}, doctor.Failed, network, false, "closed by the other side"},
		"silence":               {faultnet.HTTPFault{Kind: faultnet.HTTPRequestLost, Hang: true, Path: pingPath}, doctor.Failed, network, false, "no answer to a ping within 5000 ms"},
		"to https":              {status(301, to("https://"+name+pingPath), ""), doctor.Failed, config, false, "give https://" + name + " as --server"},
		"gateway down":          {status(502, nil, "bad gateway"), doctor.OK, "", false, "502"},
		"gateway's page":        {status(502, http.Header{"Content-Type": {"text/html"}}, "<h1>Bad gateway</h1>"), doctor.OK, "", false, "502"},
		"proxy's sign-in":       {status(407, nil, ""), doctor.Failed, config, false, "407"},
		"gateway's sign-in":     {status(401, nil, ""), doctor.Failed, config, false, "401"},
		"firewall":              {status(403, http.Header{"Content-Type": {"text/html"}}, "<h1>No</h1>"), doctor.Failed, config, false, "403"},
		"too many":              {status(429, nil, ""), doctor.Failed, doctor.FaultOther, false, "429"},
		"another server":        {status(404, http.Header{"Content-Type": {"text/html"}}, "<h1>Not found</h1>"), doctor.Failed, config, false, "not by a chatsdk server"},
		"another server's JSON": {status(200, http.Header{"Content-Type": {"application/json"}}, "{}"), doctor.Failed, config, false, "not by a chatsdk server"},
		"no challenge":          {status(204, nil, ""), doctor.Failed, config, false, "without the challenge"},
		"another's challenge":   {status(204, http.Header{wire.HeaderChallenge: {"old"}, wire.HeaderAPI: {"1"}}, ""), doctor.Failed, config, false, "without the challenge"},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				dir := c.signIn(t)
				if err := c.faults.Set(row.fault); err != nil {
					t.Fatal(err)
				}
				o := c.options(t, "http://"+name)
				o.Profile = dir
				r := doctor.Run(t.Context(), o)
				p := wants(t, r, doctor.Portal, row.want, row.whose, row.words)
				if p.Captive != row.captive || strings.Contains(p.Seen, "captive") && !row.captive || strings.Contains(p.Seen, "mac=") {
					t.Errorf("captive %v: %s", p.Captive, p.Seen)
				}
				if first, _ := r.Decisive(); row.want == doctor.Failed && first.Name != doctor.Portal {
					t.Errorf("%s decides", first.Name)
				}
				for _, path := range c.asked() {
					if strings.HasSuffix(path, "*") {
						t.Errorf("the token was shown to somebody who isn't known to be the server: %s", path)
					}
				}
				wants(t, r, doctor.Session, doctor.OK, "", "ada is signed in")
			})
		})
	}
}

func TestServerInTrouble(t *testing.T) {
	problem := http.Header{wire.HeaderAPI: {"1"}, "Content-Type": {"application/problem+json"}}
	for what, row := range map[string]struct {
		path   string
		status int
		header http.Header
		body   string
		want   doctor.Outcome
		fault  doctor.Fault
		words  string
	}{
		"store":           {"/readyz", 503, problem, `{"code":"unavailable","detail":"the store can't write"}`, doctor.Failed, doctor.FaultOther, "the store can't write; it asks to come back in 3s"},
		"gateway":         {"/", 502, nil, "", doctor.Failed, doctor.FaultOther, "answered with 502"},
		"ping alone":      {pingPath, 500, problem, "", doctor.Failed, doctor.FaultOther, "answers 500 to a ping"},
		"not passed on":   {"/readyz", 404, nil, "", doctor.Warning, "", "404"},
		"something odd":   {"/readyz", 200, nil, "hello", doctor.Warning, "", "doesn't say whether it is ready"},
		"no reason given": {"/readyz", 503, problem, "<", doctor.Failed, doctor.FaultOther, "doesn't say why"},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				f := faultnet.HTTPFault{Kind: faultnet.HTTPStatus, Path: row.path, Status: row.status, Header: row.header, Body: row.body}
				if row.status == 503 {
					f.RetryAfter = 3 * time.Second
				}
				if err := c.faults.Set(f); err != nil {
					t.Fatal(err)
				}
				r := doctor.Run(t.Context(), c.options(t, "http://"+name))
				wants(t, r, doctor.Portal, doctor.OK, "")
				wants(t, r, doctor.Server, row.want, row.fault, row.words)
			})
		})
	}
}

// TestReadyHangs bounds a server that answers pings and then no more.
func TestReadyHangs(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		if err := c.faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPRequestLost, Hang: true, Path: "/readyz"}); err != nil {
			t.Fatal(err)
		}
		r := doctor.Run(t.Context(), c.options(t, "http://"+name))
		if s := wants(t, r, doctor.Server, doctor.Failed, doctor.FaultOther, "no answer within 5000 ms"); s.TookMS != 5000 {
			t.Errorf("took %v ms", s.TookMS)
		}
		wants(t, r, doctor.WebSocket, doctor.OK, "")
	})
}

func TestOtherVersion(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		o := c.options(t, "http://"+name)
		o.API = 2
		wants(t, doctor.Run(t.Context(), o), doctor.Server, doctor.Warning, "", "speaks version 1", "speaks 2")
	})
}

// TestServerThatStops looks at a server while it stops: it waits for a client that it told to go, and that can't hear it.
func TestServerThatStops(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		ada := c.open(t, chatsdk.InMemory(), "laptop")
		if err := ada.SignIn(t.Context(), "ada", password); err != nil {
			t.Fatal(err)
		}
		ada.Connect()
		time.Sleep(5 * time.Second)
		c.net.Link("laptop", v4).Cut()
		down := make(chan error, 1)
		go func() { down <- c.srv.Shutdown(t.Context()) }()
		synctest.Wait()
		r := doctor.Run(t.Context(), c.options(t, "http://"+name))
		wants(t, r, doctor.Portal, doctor.OK, "")
		wants(t, r, doctor.Server, doctor.Failed, doctor.FaultOther, "the server is stopping; it asks to come back in")
		wants(t, r, doctor.WebSocket, doctor.Failed, doctor.FaultOther, "takes no connections now (503)")
		if first, _ := r.Decisive(); first.Name != doctor.Server {
			t.Errorf("%s decides", first.Name)
		}
		if err := errors.Join(ada.Close(), <-down); err != nil {
			t.Error(err)
		}
	})
}

// TestClocks moves the server's Date. It all begins at a whole second: the dial takes 100 ms, the ping another dial and a
// round trip, so that its middle is at 200 ms; the Date says 0, which stands for 500 ms.
func TestClocks(t *testing.T) {
	for what, row := range map[string]struct {
		skew  time.Duration
		want  doctor.Outcome
		words string
		ms    int64
	}{
		"right":            {0, doctor.OK, "agrees with the server's to within 600 ms", 300},
		"a little ahead":   {29 * time.Second, doctor.OK, "29.3s ahead", 29_300},
		"more than enough": {31 * time.Second, doctor.Warning, "31s ahead of", 31_300},
		"far behind":       {-time.Hour, doctor.Warning, "1h0m0s behind", -3_599_700},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				if err := c.faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPDate, Skew: row.skew}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
				r := doctor.Run(t.Context(), c.options(t, "http://"+name))
				off := wants(t, r, doctor.Clock, row.want, "", row.words).Offset
				if off == nil || off.MS != row.ms || off.Give != 600 {
					t.Errorf("offset %+v, wanted %d", off, row.ms)
				}
			})
		})
	}
}

// stripped takes away what a proxy that knows no WebSockets takes away.
func stripped(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Upgrade")
		r.Header.Set("Connection", "close")
		h.ServeHTTP(w, r)
	})
}

// instead answers for the WebSocket.
func instead(f http.HandlerFunc) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/connection/") {
				f(w, r)
			} else {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// accepted upgrades and hands over to f, after the first frame.
func accepted(f func(t *websocket.Conn, r *http.Request)) func(http.Handler) http.Handler {
	return instead(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"centrifuge-json"}, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		if _, _, err := ws.Read(r.Context()); err == nil {
			f(ws, r)
		}
	})
}

func says(text string) func(http.Handler) http.Handler {
	return accepted(func(ws *websocket.Conn, r *http.Request) {
		_ = ws.Write(r.Context(), websocket.MessageText, []byte(text))
		_, _, _ = ws.Read(r.Context())
	})
}

func closes(code websocket.StatusCode) func(http.Handler) http.Handler {
	return accepted(func(ws *websocket.Conn, _ *http.Request) { _ = ws.Close(code, "") })
}

func TestWebSockets(t *testing.T) {
	const network, config, other = doctor.FaultNetwork, doctor.FaultConfig, doctor.FaultOther
	code := func(status int) func(http.Handler) http.Handler {
		return instead(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	drop := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	badly := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "h2c")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}
	otherHost := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = "backend:8080"
			h.ServeHTTP(w, r)
		})
	}
	for what, row := range map[string]struct {
		wrap  func(http.Handler) http.Handler
		want  doctor.Outcome
		fault doctor.Fault
		words string
	}{
		"stripped upgrade": {stripped, doctor.Failed, network, "strips the header Upgrade"},
		"426":              {code(426), doctor.Failed, network, "strips the header Upgrade"},
		"forbidden":        {code(403), doctor.Failed, config, "403"},
		"not found":        {code(404), doctor.Failed, network, "answered with 404"},
		"bad gateway":      {code(502), doctor.Failed, other, "answered with 502"},
		"dropped":          {instead(drop), doctor.Failed, network, "closed by the other side"},
		"bad upgrade":      {instead(badly), doctor.Failed, network, "not by the rules"},
		"page's host":      {otherHost, doctor.Warning, "", "web pages of this address are refused (Origin)"},
		"lets anybody in":  {says(`{"id":1,"connect":{"client":"x"}}` + "\n" + `{}`), doctor.OK, "", "answers"},
		"says no":          {says(`{"id":1,"error":{"code":101,"message":"unauthorized"}}`), doctor.OK, "", "answers"},
		"says nonsense":    {says(`hello`), doctor.Failed, config, "doesn't speak the Centrifuge protocol"},
		"says something":   {says(`{"id":7}`), doctor.Failed, config, "doesn't speak the Centrifuge protocol"},
		"closes for good":  {closes(3501), doctor.OK, "", "answers"},
		"shuts down":       {closes(3001), doctor.Failed, other, "stopping (3001)"},
		"drains":           {closes(4001), doctor.Failed, other, "stopping (4001)"},
		"too many":         {closes(4002), doctor.Failed, other, "too many connections"},
		"closes like that": {closes(1011), doctor.Failed, network, "closed with 1011"},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{wrap: row.wrap}, func(t *testing.T, c *clinic) {
				r := doctor.Run(t.Context(), c.options(t, "http://"+name))
				wants(t, r, doctor.Portal, doctor.OK, "")
				wants(t, r, doctor.WebSocket, row.want, row.fault, row.words)
			})
		})
	}
}

// TestWebSocketThatStaysSilent upgrades, and no frame gets through; or not even the upgrade is answered.
func TestWebSocketThatStaysSilent(t *testing.T) {
	for what, row := range map[string]struct {
		wrap  func(http.Handler) http.Handler
		words string
	}{
		"frames": {accepted(func(ws *websocket.Conn, r *http.Request) { _, _, _ = ws.Read(r.Context()) }), "the first command got no answer within 4800 ms"},
		"upgrade": {instead(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				swallow(conn)
				_ = conn.Close()
			}
		}), "no answer to the upgrade within"},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{wrap: row.wrap}, func(t *testing.T, c *clinic) {
				r := doctor.Run(t.Context(), c.options(t, "http://"+name))
				if ws := wants(t, r, doctor.WebSocket, doctor.Failed, doctor.FaultNetwork, row.words); ws.TookMS != 5000 {
					t.Errorf("took %v ms", ws.TookMS)
				}
				wants(t, r, doctor.Server, doctor.OK, "")
			})
		})
	}
}

// TestHangingAccept has something take connections and say nothing.
func TestHangingAccept(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		for _, l := range c.links {
			l.Update(func(s *faultnet.Conditions) { s.Hang = true })
		}
		begun := time.Now()
		r := doctor.Run(t.Context(), c.options(t, "http://"+name))
		wants(t, r, doctor.TCP, doctor.OK, "")
		wants(t, r, doctor.Portal, doctor.Failed, doctor.FaultNetwork, "no answer to a ping within 5000 ms", "the server hangs")
		skips(t, r, "since portal failed", doctor.Server, doctor.WebSocket, doctor.Clock)
		if took := time.Since(begun); took != 5*time.Second+rtt {
			t.Errorf("took %v", took)
		}
	})
}

// TestNotHTTP meets a server of another kind.
func TestNotHTTP(t *testing.T) {
	withClinic(t, setup{port: "81"}, func(t *testing.T, c *clinic) {
		defer c.accept(t, v4+":80", func(conn net.Conn) {
			_, _ = io.WriteString(conn, "220 mail.example ESMTP\r\n")
			swallow(conn)
		})()
		o := c.options(t, "http://"+name)
		o.Resolver = names{addrs: []string{v4}}
		r := doctor.Run(t.Context(), o)
		wants(t, r, doctor.Portal, doctor.Failed, doctor.FaultConfig, "doesn't speak HTTP")
	})
}
