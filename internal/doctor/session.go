package doctor

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/token"
)

// tokenPath is asked to see whether the server takes an access token. Whose token is good is told that "-" is no name of
// a channel; nothing is read, made or replaced. A connection with the token would end that of a client with a copy of it.
const tokenPath = "/api/channels/-/messages"

// kept is the session that a profile keeps, as far as it was looked at.
type kept struct {
	state  token.State
	err    error
	tokens token.Tokens
}

// lookAtSession reads what a profile keeps, and whose it is. A source that isn't started renews nothing and writes nothing.
func lookAtSession(ctx context.Context, p *profile.Profile) (k kept, server string, err error) {
	if server, _, _, err = p.Owner(ctx); err != nil {
		return kept{}, "", err
	}
	s, err := token.New(token.Options{
		Store: p.Tokens(),
		Refresh: func(context.Context, token.Tokens, string) (token.Tokens, error) {
			return token.Tokens{}, errors.New("doctor: only looks")
		},
	})
	if err != nil {
		return kept{}, server, err
	}
	k.tokens, _ = s.Tokens()
	now := s.State()
	k.state, k.err = now.State, now.Err
	return k, server, s.Close()
}

// session judges what the profile keeps, and asks the server whether it takes the token. The token goes to the server
// that it is of, and only if that has proved to be it.
func (r *run) session(ctx context.Context, portal Check) Check {
	h := r.home
	switch {
	case r.Profile == "":
		return skip("no profile was given; --profile names one")
	case h.server != nil && r.Server != nil && h.server.String() != r.Server.String():
		return somebodyElses(Figures{}, h.server.String())
	case h.held != nil:
		return skip("not looked at: the program that has the profile open knows")
	case h.none:
		return r.signedOut("none")
	case h.kept == nil:
		return Check{Name: Disk}.skips()
	}
	c := judgeKept(*h.kept, time.Now(), r.signInAdvice())
	if r.Server == nil || c.Session.Server == "" || c.Outcome == Failed {
		return c
	}
	if c.Session.Server != r.Server.String() { // nobody else is shown its token
		return somebodyElses(c.Figures, c.Session.Server)
	}
	if c.Session.State != "fresh" || portal.Outcome != OK || !r.ping.proven {
		return c
	}
	return r.present(ctx, h.kept.tokens.Access, c)
}

// somebodyElses is for a profile of another server.
func somebodyElses(f Figures, server string) Check {
	return fail(FaultConfig, f, "give that one as --server, or another folder: a profile is for one user of one server",
		"the profile is for %s", short(server))
}

// signInAdvice is the command that signs in.
func (r *run) signInAdvice() string {
	server := "URL"
	if r.Server != nil {
		server = r.Server.String()
	}
	return "chatsdk login --profile '" + strings.ReplaceAll(r.Profile, "'", `'\''`) + "' --server " + server + " --user NAME --password-file FILE"
}

func (r *run) signedOut(state string) Check {
	return fail(FaultSession, Figures{Session: &Kept{State: state}}, r.signInAdvice(), "nobody is signed in")
}

// judgeKept says what a kept session is good for. It is pure.
func judgeKept(k kept, now time.Time, signIn string) Check {
	t := k.tokens
	kept := &Kept{State: "fresh", Server: t.Server, User: t.User, Device: t.Device}
	if !t.Expiry.IsZero() {
		kept.Expires = new(t.Expiry.UTC())
	}
	if !t.RefreshExpiry.IsZero() {
		kept.Ends = new(t.RefreshExpiry.UTC())
	}
	f := Figures{Session: kept}
	switch {
	case k.state == token.ReauthRequired && errors.Is(k.err, token.ErrDamaged):
		kept.State = "damaged"
		return fail(FaultSession, f, signIn, "the session that is kept is damaged")
	case k.state == token.ReauthRequired:
		kept.State = "ended"
		return fail(FaultSession, f, signIn, "the server has ended the session")
	case t.Access.IsZero():
		kept.State = "none"
		return fail(FaultSession, f, signIn, "nobody is signed in")
	case kept.Ends != nil && !now.Before(*kept.Ends):
		kept.State = "expired"
		return warn(f, "if the next start says that it has ended: "+signIn, "%s: the session ended on %s, by this machine's clock", short(t.User), day(*kept.Ends))
	case kept.Expires != nil && !now.Before(*kept.Expires):
		kept.State = "expired"
		return ok(f, "%s: the access token ended %s ago; the client renews it", short(t.User), ago(now.Sub(*kept.Expires)))
	case kept.Expires == nil:
		return ok(f, "%s is signed in; the server doesn't say for how long", short(t.User))
	}
	return ok(f, "%s is signed in; the access token is good for %s and renewed before", short(t.User), ago(kept.Expires.Sub(now)))
}

// ago is a time for people, to what matters of it.
func ago(d time.Duration) string {
	if d >= 48*time.Hour {
		return inDays(d)
	}
	return d.Round(time.Second).String()
}

// present shows the server the access token.
func (r *run) present(ctx context.Context, access token.Secret, c Check) Check {
	a, err := ask(ctx, r.web, r.url(tokenPath), http.Header{"Authorization": {"Bearer " + access.Reveal()}})
	own := err == nil && a.header.Get(headerAPI) != ""
	switch {
	case !own || a.status >= 500 || a.status == http.StatusTooManyRequests:
		c.Seen += "; the server didn't say whether it takes it"
	case a.status == http.StatusUnauthorized:
		c.Session.Taken = new(false)
		return fail(FaultSession, c.Figures, "the next start of a client tries to renew it; if it then says that the session has ended: "+r.signInAdvice(),
			"%s: the server doesn't take the access token, though it should be good", c.Session.User)
	default:
		c.Session.Taken = new(true)
		c.Seen += "; the server takes it"
	}
	return c
}
