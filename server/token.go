package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// Reasons why an access token isn't good.
var (
	errTokenInvalid = errors.New("server: access token invalid")
	errTokenExpired = errors.New("server: access token expired")
	errSessionOver  = errors.New("server: session over")
)

// issuer is the iss claim.
const issuer = "chatsdk"

// claims are what an access token says.
type claims struct {
	Device  string `json:"dev"`
	Session string `json:"sid"`
	Counter uint64 `json:"ctr"` // which of the session's pairs of tokens it belongs to
	jwt.RegisteredClaims
}

// identity is who asks: what a good access token says.
type identity struct {
	user, device, session string
	counter               uint64
	issued, expires       time.Time
}

// issuing makes and checks tokens.
type issuing struct {
	key        []byte
	refreshKey []byte
	ttl        time.Duration // of access tokens
	parser     *jwt.Parser
}

func newIssuing(key []byte, ttl time.Duration) issuing {
	return issuing{key: key, refreshKey: refreshKey(key), ttl: ttl, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(issuer),
	)}
}

// issue makes the access token of a session's present pair. It depends on nothing but the session and the time, so that
// a reply can be made again.
func (i issuing) issue(s Session, at time.Time) (string, error) {
	t, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Device: s.Device, Session: s.ID, Counter: s.Counter,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: s.User,
			IssuedAt: jwt.NewNumericDate(at), ExpiresAt: jwt.NewNumericDate(at.Add(i.ttl)),
		},
	}).SignedString(i.key)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return t, nil
}

// parse checks signature and times. Whether the session still lives is another question.
func (i issuing) parse(token string) (identity, error) {
	var c claims
	_, err := i.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return i.key, nil })
	switch {
	case err == nil:
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return identity{}, errTokenExpired
	default: // the cause may quote the token
		return identity{}, errTokenInvalid
	}
	if !wire.ValidName(c.Subject) || !validDevice(c.Device) || c.Session == "" || c.IssuedAt == nil {
		return identity{}, errTokenInvalid
	}
	return identity{
		user: c.Subject, device: c.Device, session: c.Session, counter: c.Counter,
		issued: c.IssuedAt.Time, expires: c.ExpiresAt.Time,
	}, nil
}

// authenticate turns an access token into who holds it, if its session lives. Its use shows that the reply which
// brought it wasn't lost, and that is noted.
func (s *Server) authenticate(ctx context.Context, token string) (identity, error) {
	who, err := s.tokens.parse(token)
	if err != nil {
		return who, err
	}
	ses, err := s.cfg.Store.Session(ctx, who.session)
	switch {
	case errors.Is(err, ErrNotFound):
		return identity{}, errSessionOver
	case err != nil:
		return identity{}, err
	case !ses.Live(time.Now()) || ses.User != who.user || ses.Device != who.device:
		return identity{}, errSessionOver
	case s.runOut.has(who, ses):
		return identity{}, errTokenExpired
	}
	if who.counter == ses.Counter && !ses.Confirmed {
		sctx, cancel := s.storeContext()
		defer cancel()
		// A store that can't write mustn't keep readers out; the next use notes it again.
		_ = s.noteStore(s.cfg.Store.ConfirmSession(sctx, ses.ID, ses.Counter))
	}
	return who, nil
}
