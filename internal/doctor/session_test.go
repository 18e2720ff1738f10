package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/doctor"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/realtime"
	"github.com/chatsdk/chatsdk/token"
)

// What a session made by keep has for secrets.
const accessToken, refreshToken = "access-4711", "refresh-4712"

// withSource runs f with a source on a profile.
func withSource(t *testing.T, dir string, f func(p *profile.Profile, s *token.Source) error) {
	t.Helper()
	p, err := profile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.New(token.Options{
		Store: p.Tokens(),
		Refresh: func(context.Context, token.Tokens, string) (token.Tokens, error) {
			return token.Tokens{}, token.ErrSignedOut
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f(p, s), s.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
}

// keep puts a session into a profile.
func keep(t *testing.T, dir, server, user string, life time.Duration) {
	t.Helper()
	withSource(t, dir, func(p *profile.Profile, s *token.Source) error {
		return errors.Join(p.Claim(t.Context(), server, user), s.Set(t.Context(), token.Tokens{
			Server: server, User: user, Device: "phone", Access: token.NewSecret(accessToken), Refresh: token.NewSecret(refreshToken),
			Lifetime: life, RefreshLifetime: 10 * life,
		}))
	})
}

// stored is what a profile keeps of a session, byte by byte.
func stored(t *testing.T, dir string) (data []byte, version uint64) {
	t.Helper()
	withSource(t, dir, func(p *profile.Profile, _ *token.Source) (err error) {
		data, version, err = p.Tokens().Load(t.Context())
		return err
	})
	return data, version
}

// TestSessionIsLookedAtOnly looks at a session whose access token has run out. It is neither renewed nor written, and a
// client goes on with it afterwards.
func TestSessionIsLookedAtOnly(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		dir := c.signIn(t)
		data, version := stored(t, dir)
		time.Sleep(time.Hour)
		o := c.options(t, "http://"+name)
		o.Profile = dir
		for range 3 {
			r := doctor.Run(t.Context(), o)
			s := wants(t, r, doctor.Session, doctor.OK, "", "the access token ended 45m", "ago; the client renews it").Session
			if s.State != "expired" || s.Taken != nil || s.Expires == nil || s.Ends == nil {
				t.Errorf("%+v", s)
			}
		}
		for _, path := range c.asked() {
			if path != pingPath && path != "/readyz" && path != "/connection/websocket" {
				t.Errorf("the server was asked for %s", path)
			}
		}
		if after, v := stored(t, dir); v != version || !slices.Equal(after, data) {
			t.Error("what is kept was changed")
		}
		p, err := profile.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		client := c.open(t, p, "phone")
		client.Connect()
		time.Sleep(5 * time.Second)
		if s := client.State().Connection.State; s != realtime.Connected {
			t.Errorf("afterwards the client is %v", s)
		}
		if err := errors.Join(client.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestTokenIsShown shows the server an access token that should be good: once it is taken, and once the session was ended
// from elsewhere. A client that is connected with the same device isn't replaced.
func TestTokenIsShown(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		dir := c.signIn(t)
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		p, err := profile.Open(copied)
		if err != nil {
			t.Fatal(err)
		}
		client := c.open(t, p, "phone")
		client.Connect()
		time.Sleep(5 * time.Second)
		c.asked()
		o := c.options(t, "http://"+name)
		o.Profile = dir
		r := doctor.Run(t.Context(), o)
		wants(t, r, doctor.Session, doctor.OK, "", "the server takes it")
		if s := client.State().Connection; s.State != realtime.Connected || s.Attempt != 0 {
			t.Errorf("the client is %+v", s)
		}
		if asked := c.asked(); !slices.Contains(asked, "/api/channels/-/messages*") {
			t.Errorf("the token wasn't shown: %v", asked)
		}
		if err := client.SignOut(t.Context()); err != nil {
			t.Fatal(err)
		}
		r = doctor.Run(t.Context(), o)
		s := wants(t, r, doctor.Session, doctor.Failed, doctor.FaultSession, "doesn't take the access token", "chatsdk login --profile '"+dir+"'")
		if s.Session.Taken == nil || *s.Session.Taken {
			t.Errorf("%+v", s.Session)
		}
		if err := errors.Join(client.Close(), p.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestKeptSessions(t *testing.T) {
	const here = "http://" + name
	for what, row := range map[string]struct {
		make  func(t *testing.T, dir string)
		want  doctor.Outcome
		fault doctor.Fault
		words string
		state string
	}{
		"none": {func(t *testing.T, dir string) {
			withSource(t, dir, func(*profile.Profile, *token.Source) error { return nil })
		}, doctor.Failed, doctor.FaultSession, "nobody is signed in", "none"},
		"ended": {func(t *testing.T, dir string) {
			keep(t, dir, here, "ada", time.Second)
			time.Sleep(time.Minute)
			withSource(t, dir, func(_ *profile.Profile, s *token.Source) error {
				if _, err := s.Token(t.Context()); !errors.Is(err, token.ErrSignedOut) {
					return errors.Join(errors.New("not ended"), err)
				}
				return nil
			})
		}, doctor.Failed, doctor.FaultSession, "the server has ended the session", "ended"},
		"damaged": {func(t *testing.T, dir string) {
			keep(t, dir, here, "ada", time.Hour)
			withSource(t, dir, func(p *profile.Profile, _ *token.Source) error {
				_, v, err := p.Tokens().Load(t.Context())
				_, failed := p.Tokens().CompareAndSwap(t.Context(), v, []byte(`{"access":"`+accessToken))
				return errors.Join(err, failed)
			})
		}, doctor.Failed, doctor.FaultSession, "is damaged", "damaged"},
		"long ago": {func(t *testing.T, dir string) {
			keep(t, dir, here, "ada", time.Hour)
			time.Sleep(11 * time.Hour)
		}, doctor.Warning, "", "ada: the session ended on 2000-01-01", "expired"},
		"another server's": {func(t *testing.T, dir string) {
			keep(t, dir, "http://other.example", "ada", time.Hour)
		}, doctor.Failed, doctor.FaultConfig, "the profile is for http://other.example", ""},
		"another server's session in ours": {func(t *testing.T, dir string) {
			withSource(t, dir, func(p *profile.Profile, s *token.Source) error {
				return errors.Join(p.Claim(t.Context(), here, "ada"), s.Set(t.Context(), token.Tokens{
					Server: "http://other.example", User: "ada", Access: token.NewSecret(accessToken), Refresh: token.NewSecret(refreshToken),
				}))
			})
		}, doctor.Failed, doctor.FaultConfig, "the profile is for http://other.example", "fresh"},
	} {
		t.Run(what, func(t *testing.T) {
			withClinic(t, setup{}, func(t *testing.T, c *clinic) {
				dir := t.TempDir()
				row.make(t, dir)
				o := c.options(t, here)
				o.Profile = dir
				r := doctor.Run(t.Context(), o)
				s := wants(t, r, doctor.Session, row.want, row.fault, row.words)
				if row.state != "" && s.Session.State != row.state {
					t.Errorf("%+v, wanted %s", s.Session, row.state)
				}
				wants(t, r, doctor.Disk, doctor.OK, "")
				noSecret(t, r, accessToken, refreshToken)
				for _, path := range c.asked() {
					if strings.HasSuffix(path, "*") {
						t.Errorf("the token was shown: %s", path)
					}
				}
			})
		})
	}
}

// TestServerOfTheProfile is told no server.
func TestServerOfTheProfile(t *testing.T) {
	withClinic(t, setup{}, func(t *testing.T, c *clinic) {
		o := c.options(t, "http://"+name)
		o.Profile, o.Server = c.signIn(t), nil
		r := doctor.Run(t.Context(), o)
		if wants(t, r, doctor.WebSocket, doctor.OK, ""); r.Server != "http://"+name {
			t.Errorf("server %q", r.Server)
		}
		wants(t, r, doctor.Session, doctor.OK, "", "the server takes it")

		p, err := profile.Open(o.Profile) // also while another program has it open
		if err != nil {
			t.Fatal(err)
		}
		r = doctor.Run(t.Context(), o)
		wants(t, r, doctor.WebSocket, doctor.OK, "")
		wants(t, r, doctor.Disk, doctor.OK, "", "in use by ", fmt.Sprintf("(process %d)", os.Getpid()))
		skips(t, r, "the program that has the profile open", doctor.Session)
		if err := p.Close(); err != nil {
			t.Error(err)
		}

		o.Profile = filepath.Join(t.TempDir(), "none")
		r = doctor.Run(t.Context(), o)
		skips(t, r, "no server is known; give --server", append([]doctor.Name{doctor.DNS, doctor.TCP, doctor.TLS, doctor.Proxy}, overNet...)...)
		wants(t, r, doctor.Session, doctor.Failed, doctor.FaultSession, "nobody is signed in")
		wants(t, r, doctor.Disk, doctor.Warning, "", "no profile is there yet")
		if _, err := os.Stat(o.Profile); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it was made: %v", err)
		}
	})
}
