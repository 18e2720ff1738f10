package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// record is what a store keeps.
type record struct {
	Epoch   uint64     // counts sign-ins and sign-outs
	ID      string     // of the sign-in or sign-out, at random: two processes may count to the same epoch
	Gen     uint64     // counts the tokens of an epoch
	Tokens  Tokens     // without secrets if nobody is signed in
	Pending *pending   // the refresh that may be under way, or nil
	Dead    *tombstone // the server's verdict, or nil
}

// pending is a refresh that is written down before it is sent. Whoever finds it sends the same again.
type pending struct {
	Grant   string    // what it uses up
	Key     string    // idempotency key
	Started time.Time // when it was sent first
	Gen     uint64    // of the tokens that it replaces
	Lost    int       // attempts that the server may have taken, unanswered
}

// tombstone keeps other processes from trying a grant that the server refused.
type tombstone struct {
	Grant  string
	Reason string
	At     time.Time
}

// signedIn says that there are tokens.
func (r record) signedIn() bool { return !r.Tokens.Access.IsZero() }

// sameSession says that both belong to one sign-in, or one sign-out.
func sameSession(a, b record) bool { return a.Epoch == b.Epoch && a.ID == b.ID }

// behind says that what is kept is older than what is ours.
func behind(kept, ours record) bool {
	return kept.Epoch < ours.Epoch || sameSession(kept, ours) && kept.Gen < ours.Gen
}

// recordFormat rises when an old program could misread a new record.
const recordFormat = 1

// errNewer is what an old program says of a new record.
var errNewer = errors.New("written by a newer version of this program; update it")

// kept is the record's form in the store.
type kept struct {
	Format          int           `json:"format"`
	Epoch           uint64        `json:"epoch"`
	ID              string        `json:"id"`
	Gen             uint64        `json:"gen"`
	Server          string        `json:"server,omitempty"`
	User            string        `json:"user,omitempty"`
	Device          string        `json:"device,omitempty"`
	Access          string        `json:"access,omitempty"`
	Refresh         string        `json:"refresh,omitempty"`
	Type            string        `json:"type,omitempty"`
	Scope           string        `json:"scope,omitempty"`
	Lifetime        time.Duration `json:"lifetimeNs,omitempty"`
	Expiry          time.Time     `json:"expiry,omitzero"`
	RefreshLifetime time.Duration `json:"refreshLifetimeNs,omitempty"`
	RefreshExpiry   time.Time     `json:"refreshExpiry,omitzero"`
	Pending         *pending      `json:"pending,omitempty"`
	Dead            *tombstone    `json:"dead,omitempty"`
}

// encode makes the form that a store keeps.
func (r record) encode() ([]byte, error) {
	t := r.Tokens
	data, err := json.Marshal(kept{
		Format: recordFormat, Epoch: r.Epoch, ID: r.ID, Gen: r.Gen, Server: t.Server, User: t.User, Device: t.Device,
		Access: t.Access.Reveal(), Refresh: t.Refresh.Reveal(), Type: t.Type, Scope: t.Scope,
		Lifetime: t.Lifetime, Expiry: t.Expiry.Round(0).UTC(),
		RefreshLifetime: t.RefreshLifetime, RefreshExpiry: t.RefreshExpiry.Round(0).UTC(),
		Pending: r.Pending, Dead: r.Dead,
	})
	if err != nil {
		return nil, fmt.Errorf("encode session: %w", err)
	}
	return data, nil
}

// decode reads what encode made; nothing makes the zero record. Its errors hold nothing of the data.
func decode(data []byte) (record, error) {
	if len(data) == 0 {
		return record{}, nil
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return record{}, errors.New("not a session") // the error of json quotes what it read
	}
	switch {
	case k.Format > recordFormat:
		return record{}, errNewer
	case k.Format < 1, k.Lifetime < 0, k.RefreshLifetime < 0, k.Pending != nil && k.Pending.Lost < 0:
		return record{}, errors.New("not a session")
	}
	return record{
		Epoch: k.Epoch, ID: k.ID, Gen: k.Gen, Pending: k.Pending, Dead: k.Dead,
		Tokens: Tokens{
			Server: k.Server, User: k.User, Device: k.Device, Access: NewSecret(k.Access), Refresh: NewSecret(k.Refresh),
			Type: k.Type, Scope: k.Scope, Lifetime: min(k.Lifetime, maxLife), Expiry: k.Expiry,
			RefreshLifetime: min(k.RefreshLifetime, maxLife), RefreshExpiry: k.RefreshExpiry,
		},
	}, nil
}

// filled keeps the old value of what a refresh didn't answer: a server may leave the refresh token as it is (RFC 6749 6).
func filled(t, old Tokens) Tokens {
	t.Server = old.Server
	if t.User == "" {
		t.User = old.User
	}
	if t.Device == "" {
		t.Device = old.Device
	}
	if t.Scope == "" {
		t.Scope = old.Scope
	}
	if t.Type == "" {
		t.Type = old.Type
	}
	if t.Refresh.IsZero() {
		t.Refresh = old.Refresh
		if t.RefreshExpiry.IsZero() && t.RefreshLifetime == 0 {
			t.RefreshExpiry, t.RefreshLifetime = old.RefreshExpiry, old.RefreshLifetime
		}
	}
	return t
}
