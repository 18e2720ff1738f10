package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server/uploads"
)

// Errors that a Store answers. A Store may wrap them.
var (
	// ErrNotFound: there is no such user, session or channel.
	ErrNotFound = errors.New("server: not found")
	// ErrExists: the user or channel is there already.
	ErrExists = errors.New("server: already exists")
	// ErrNotMember: the channel is private and the user isn't a member.
	ErrNotMember = errors.New("server: not a member")
	// ErrIDReused: the user sent this id before, with another body or to another channel.
	ErrIDReused = errors.New("server: id used for another message")
	// ErrUploadUnusable: an attachment names an upload that isn't there, isn't finished, or isn't the sender's.
	ErrUploadUnusable = errors.New("server: not a finished upload of the sender")
	// ErrUnavailable: the store can't do it now (disk full, read-only, locked, closed). Nothing was stored, or, if
	// it was a commit that failed, nothing may have been; asking again is right.
	ErrUnavailable = errors.New("server: store unavailable")
)

// SeqGapError says that an entry's DeviceSeq isn't the next one of its device in its channel.
type SeqGapError struct {
	// Expected is the DeviceSeq that the store waits for. One that is lower than the entry's: entries are missing
	// before it. One that is higher: the entry's number was used up by another message.
	Expected uint64
}

func (e *SeqGapError) Error() string {
	return fmt.Sprintf("server: device sequence gap, expected %d", e.Expected)
}

// Message is a stored message.
type Message = wire.Message

// User is an account.
type User struct {
	Name         string
	PasswordHash string // PHC string, see Argon
	CreatedAt    time.Time
}

// Session is one sign-in of a device.
type Session struct {
	ID          string
	User        string
	Device      string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	EndedAt     time.Time // zero while the session lives
	Counter     uint64    // of the present pair of tokens; 0 if the session is older than counters
	Confirmed   bool      // the present pair was used, or is the first
	RefreshedAt time.Time // when Counter became what it is; zero if the session is older than counters
	ReplayKeys  []byte    // hashes of the last refreshes with an Idempotency-Key, the newest first, 32 bytes each; or nil
	ReplayAt    time.Time // when the newest was, or zero
	RefreshHash []byte    // SHA-256 of the refresh token, in a session older than counters; nil otherwise
}

// Live tells whether the session is neither ended nor expired.
func (s Session) Live(now time.Time) bool {
	return s.EndedAt.IsZero() && now.Before(s.ExpiresAt)
}

// Channel is a place to talk.
type Channel struct {
	Name      string
	Private   bool
	Owner     string // who made it; empty if it was made by being used
	CreatedAt time.Time
	Last      uint64 // newest Seq, 0 while it is empty
}

// Entry is a message on its way into the store.
type Entry struct {
	Channel     string
	ID          string // lower case UUID
	DeviceSeq   uint64 // 0: no order asked
	Text        string
	Attachments json.RawMessage // compact JSON or nil
	Uploads     []string        // IDs of the uploads that Attachments name
	Time        time.Time       // stored to the millisecond
	// Refused says that the entry breaks a rule for ever. It isn't stored, but uses its DeviceSeq up.
	Refused bool
}

// Outcome is what became of an Entry.
type Outcome struct {
	Seq       uint64
	Time      time.Time
	Duplicate bool // the entry was stored before; Seq and Time are those of then
	// Err is nil, ErrNotMember, ErrIDReused, ErrUploadUnusable or *SeqGapError; an Entry that came Refused has none or a
	// *SeqGapError.
	Err error
}

// Store is what a Server needs of its storage. It is used concurrently. Times are kept to the millisecond at least and
// come back in UTC. The rules are pinned by the conformance suite in package storetest.
type Store interface {
	UserStore
	SessionStore
	ChannelStore
	MessageStore
	OutgoingStore
	UploadStore
	// Ping tells whether the store can write at this moment, by writing. ErrUnavailable if not.
	Ping(ctx context.Context) error
}

// UserStore keeps accounts.
type UserStore interface {
	// AddUser makes an account. ErrExists if the name is taken.
	AddUser(ctx context.Context, u User) error
	// User finds an account. ErrNotFound if there is none.
	User(ctx context.Context, name string) (User, error)
}

// SessionStore keeps sessions.
type SessionStore interface {
	// AddSession keeps a new session. ErrExists if the id is taken.
	AddSession(ctx context.Context, s Session) error
	// Session finds a session, also an ended one. ErrNotFound if there is none.
	Session(ctx context.Context, id string) (Session, error)
	// ChangeSession reads a session, also an ended one, hands it to change and keeps what that gives back, all in one
	// transaction: of two calls for a session the second sees what the first kept. It answers what it kept, once that
	// is on disk; after an error nothing was kept, or, if the commit failed, may have been. ErrNotFound if there is no
	// such session. change may be called more than once, the last call counts; it must not use the store or block. ID,
	// User, Device and CreatedAt can't be changed.
	ChangeSession(ctx context.Context, id string, change func(Session) Session) (Session, error)
	// ConfirmSession sets Confirmed if the session's Counter is counter, and does nothing otherwise. Losing this (a
	// crash right after it) is allowed: a client whose pair was used may then be given it once more.
	ConfirmSession(ctx context.Context, id string, counter uint64) error
	// EndSession ends a session; one that is over or unknown stays as it is.
	EndSession(ctx context.Context, id string, at time.Time) error
	// DeleteSessions forgets the sessions that expired before t and says how many they were.
	DeleteSessions(ctx context.Context, t time.Time) (int, error)
}

// ChannelStore keeps channels and their members.
type ChannelStore interface {
	// AddChannel makes a channel; members and the owner, if there is one, become members. ErrExists if the name is taken.
	AddChannel(ctx context.Context, c Channel, members []string) error
	// OpenChannel finds a channel for a user. An unknown name becomes a public channel, made at now. ErrNotMember if
	// it is private and the user isn't a member.
	OpenChannel(ctx context.Context, name, user string, now time.Time) (Channel, error)
}

// MessageStore keeps messages.
type MessageStore interface {
	// Append takes entries of one device, in order, all in one transaction: the message, its Seq (1, 2, 3 … for each
	// channel, without holes), the device's last DeviceSeq and the outgoing publication. An error means that nothing
	// was stored (or that the commit's outcome is unknown: the same call again is harmless). Otherwise there is one
	// Outcome for each entry, in order.
	//
	// For each entry, in this order:
	//  1. The same (user, ID) with the same channel, text and attachments is in the table: the outcome of then,
	//     whatever the DeviceSeq.
	//  2. The channel is private and the user isn't a member: ErrNotMember. An unknown channel becomes a public one,
	//     unless the entry is Refused or out of its order.
	//  3. The same (user, ID) with anything else: ErrIDReused. One of Uploads isn't a finished upload of the user, or is
	//     a partial one: ErrUploadUnusable.
	//  4. DeviceSeq not 0 and not one more than the last one taken of (user, device, channel): *SeqGapError, except
	//     that a number which was taken before keeps the answer of 2, 3 or Refused.
	//  5. Otherwise the number is taken, also by an entry that 1, 2, 3 or Refused keeps out. Of one that is stored, Uploads
	//     are attached to the message from then on.
	Append(ctx context.Context, user, device string, entries []Entry) ([]Outcome, error)
	// Messages reads a channel's messages with Seq > after in order: at most limit of them, and no more than maxBytes
	// of texts and attachments (0: any number) except that one message is always let through. last is the channel's
	// newest Seq, read in the same snapshot. An unknown channel is empty. Membership isn't looked at: see CanRead.
	Messages(ctx context.Context, channel string, after uint64, limit, maxBytes int) (msgs []Message, last uint64, err error)
	// CanRead is nil if the channel is public, unknown, or the user is a member; ErrNotMember otherwise.
	CanRead(ctx context.Context, channel, user string) error
	// DeviceSeqs tells the last DeviceSeq taken for each channel of a device, the most lately used first, at most limit.
	DeviceSeqs(ctx context.Context, user, device string, limit int) (map[string]uint64, error)
}

// UploadStore keeps uploads, beside their bytes.
type UploadStore = uploads.Store

// OutgoingStore keeps what was committed and not yet published.
type OutgoingStore interface {
	// Outgoing reads at most limit messages that wait to be published. For each channel they are in Seq order and
	// begin with the channel's oldest one: a message is never seen before all older ones of its channel.
	Outgoing(ctx context.Context, limit int) ([]Message, error)
	// Published takes messages off that list. Losing this (a crash right after it) is allowed: they are published again.
	Published(ctx context.Context, msgs []Message) error
}
