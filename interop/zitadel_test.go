package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/oauth2"

	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/token/oauth2token"
)

const (
	clientID     = "web"
	clientSecret = "client-secret"
	callback     = "http://127.0.0.1/callback" // nobody listens there: the code is read from the redirect
)

// provider is zitadel's example provider on loopback. It rotates refresh tokens without any grace, and access tokens live
// for five minutes.
type provider struct {
	*httptest.Server
	config  oauth2.Config
	tokens  atomic.Int32 // requests to the token endpoint
	swallow atomic.Int32 // replies of it to lose
}

func startProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	var handler http.Handler
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			p.tokens.Add(1)
			if p.swallow.Load() > 0 {
				p.swallow.Add(-1)
				handler.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler) // the connection breaks before the reply
			}
		}
		if r.URL.Path == "/resource" {
			p.resource(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	storage.RegisterClients(storage.WebClient(clientID, clientSecret, callback))
	handler = exampleop.SetupServer(p.URL, storage.NewStorage(storage.NewUserStore(p.URL)), slog.New(slog.DiscardHandler), false, op.WithAllowInsecure())
	p.config = oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: callback, Scopes: []string{"openid", "profile", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: p.URL + "/auth", TokenURL: p.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	return p
}

// resource is a server that asks the provider whether a token is good (RFC 7662), as its userinfo answers 403 instead of 401.
func (p *provider) resource(w http.ResponseWriter, r *http.Request) {
	access := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	var said struct{ Active bool }
	res, err := p.post(r.Context(), "/oauth/introspect", url.Values{"token": {access}})
	if err == nil {
		err = json.NewDecoder(res.Body).Decode(&said)
		_ = res.Body.Close()
	}
	if err != nil || !said.Active {
		w.Header().Set("WWW-Authenticate", `Bearer realm="resource", error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// post sends a form as the client.
func (p *provider) post(ctx context.Context, path string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(clientID, clientSecret)
	return http.DefaultClient.Do(req)
}

// signIn goes through the login form, as a browser would.
func (p *provider) signIn(t *testing.T) *oauth2.Token {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	var code string
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), callback) {
			code = req.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(p.config.AuthCodeURL("state", oauth2.SetAuthURLParam("prompt", "consent")))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	form := url.Values{"username": {"test-user@127.0.0.1"}, "password": {"verysecure"}, "id": {res.Request.URL.Query().Get("authRequestID")}}
	res, err = browser.PostForm(p.URL+"/login/username", form)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if code == "" {
		t.Fatalf("no code: status %d at %s: %s", res.StatusCode, res.Request.URL.Path, body)
	}
	tokens, err := p.config.Exchange(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if tokens.RefreshToken == "" {
		t.Fatal("no refresh token")
	}
	return tokens
}

// session makes a source that is signed in; add to ahead to let its tokens run out.
func (p *provider) session(t *testing.T, store token.Store) (s *token.Source, ahead *atomic.Int64) {
	t.Helper()
	refresh, err := token.OAuth2(token.OAuthOptions{
		Endpoint: token.Endpoint{URL: p.URL + "/oauth/token"}, ClientID: clientID, ClientSecret: token.NewSecret(clientSecret),
	})
	if err != nil {
		t.Fatal(err)
	}
	ahead = &atomic.Int64{}
	s, err = token.New(token.Options{
		Refresh: refresh, Store: store, Rotation: token.Strict,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	first, err := oauth2token.Tokens(p.signIn(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	p.tokens.Store(0)
	return s, ahead
}

// noticed returns when the source knows that its token ran out: on the hot path it looks at the clock now and then only,
// so that a step is noticed up to 100 ms late. Asking for it causes no refresh.
func noticed(t *testing.T, s *token.Source) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(time.Millisecond) {
		if _, ok := s.AccessToken(); !ok {
			return
		}
	}
	t.Fatal("the step of the clock isn't noticed")
}

// get is a call that is answered to those with a good token.
func get(ctx context.Context, client *http.Client, p *provider) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/resource", nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// Expiry after expiry, with many callers at each: one request, and every call is answered.
func TestZitadelTokensStayFresh(t *testing.T) {
	p := startProvider(t)
	store, err := token.NewFile(filepath.Join(t.TempDir(), "session"))
	if err != nil {
		t.Fatal(err)
	}
	s, ahead := p.session(t, store)
	clients := []*http.Client{
		{Transport: &token.Transport{Source: s}},
		oauth2.NewClient(t.Context(), oauth2token.Source(t.Context(), s)),
	}
	const expiries = 20
	for n := range expiries {
		ahead.Add(int64(6 * time.Minute))
		noticed(t, s)
		var wg sync.WaitGroup
		for k := range 20 {
			wg.Go(func() {
				if status, err := get(t.Context(), clients[k%2], p); err != nil || status != http.StatusOK {
					t.Errorf("expiry %d: status %d, %v", n, status, err)
				}
			})
		}
		wg.Wait()
	}
	if got := p.tokens.Load(); got != expiries {
		t.Errorf("%d requests for %d expiries", got, expiries)
	}
	if st := s.State(); st.State != token.Fresh {
		t.Errorf("%+v", st)
	}
}

// The provider has taken a token back, which shows as a 401 before its time: one refresh, and the call is answered.
func TestZitadelRefusedTokenIsReplaced(t *testing.T) {
	p := startProvider(t)
	s, _ := p.session(t, token.NewMemory())
	present, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.post(t.Context(), "/revoke", url.Values{"token": {present}, "token_type_hint": {"access_token"}})
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("revoke: %v, %v", res, err)
	}
	res.Body.Close()
	status, err := get(t.Context(), &http.Client{Transport: &token.Transport{Source: s}}, p)
	if err != nil || status != http.StatusOK || p.tokens.Load() != 1 {
		t.Errorf("status %d, %v after %d refreshes", status, err, p.tokens.Load())
	}
}

// A reply that is lost costs the session here, whatever a client does. It must say so, once, and not before the server did.
func TestZitadelLostReply(t *testing.T) {
	p := startProvider(t)
	s, ahead := p.session(t, token.NewMemory())
	ahead.Add(int64(4*time.Minute + 10*time.Second)) // due, and good for a while
	p.swallow.Store(1)
	if _, err := s.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	var seen []token.State
	for c := range s.Watch(t.Context()) {
		seen = append(seen, c.State)
		if c.State == token.Degraded {
			go func() { // asks until it is over
				for !errors.Is(ask(t.Context(), s), token.ErrSignedOut) {
					time.Sleep(50 * time.Millisecond)
				}
			}()
		}
		if c.State == token.ReauthRequired || len(seen) > 10 {
			break
		}
	}
	if last := seen[len(seen)-1]; last != token.ReauthRequired {
		t.Errorf("states %v", seen)
	}
	if n := p.tokens.Load(); n < 2 || n > 3 {
		t.Errorf("%d requests", n)
	}
}

func ask(ctx context.Context, s *token.Source) error { _, err := s.Token(ctx); return err }
