package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
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
	jwt.RegisteredClaims
}

// identity is who asks: what a good access token says.
type identity struct {
	user, device, session string
	expires               time.Time
}

// issuing makes and checks access tokens.
type issuing struct {
	key    []byte
	ttl    time.Duration
	parser *jwt.Parser
}

func newIssuing(key []byte, ttl time.Duration) issuing {
	return issuing{key: key, ttl: ttl, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithIssuer(issuer),
	)}
}

func (i issuing) issue(s Session, now time.Time) (string, error) {
	t, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Device: s.Device, Session: s.ID,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: s.User, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(i.ttl)),
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
	if !validName(c.Subject) || !validDevice(c.Device) || c.Session == "" {
		return identity{}, errTokenInvalid
	}
	return identity{user: c.Subject, device: c.Device, session: c.Session, expires: c.ExpiresAt.Time}, nil
}

// authenticate turns an access token into who holds it, if its session lives.
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
	}
	return who, nil
}

const (
	// refreshSecretBytes makes a refresh token unguessable, and its plain hash safe to keep.
	refreshSecretBytes = 32
	// maxTokenBytes bounds what is looked at as a token.
	maxTokenBytes = 4 << 10
)

// newRefreshToken makes an opaque token that names its session, and the hash that is kept.
func newRefreshToken(session string) (token string, hash []byte) {
	secret := make([]byte, refreshSecretBytes)
	rand.Read(secret)
	token = session + "." + base64.RawURLEncoding.EncodeToString(secret)
	return token, hashRefresh(token)
}

func hashRefresh(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// refreshSession reads the session's id off a refresh token.
func refreshSession(token string) (string, bool) {
	id, secret, ok := strings.Cut(token, ".")
	return id, ok && id != "" && secret != "" && len(token) <= maxTokenBytes
}
