package uploads

import (
	"context"
	"errors"
	"time"
)

// Errors that a Store answers. A Store may wrap them.
var (
	// ErrNotFound: there is no such upload, or not for this user.
	ErrNotFound = errors.New("uploads: not found")
	// ErrQuota: the user's uploads would take more than the Quota.
	ErrQuota = errors.New("uploads: over the user's quota")
	// ErrConflict: the upload isn't open at the offset that the caller saw: somebody else moved, ended or expired it.
	ErrConflict = errors.New("uploads: changed meanwhile")
	// ErrPosted: a message has the upload attached, so that it stays.
	ErrPosted = errors.New("uploads: attached to a message")
)

// Kind says what an upload is for. Stores keep the numbers.
type Kind int

// Kinds of uploads.
const (
	Plain   Kind = 0
	Partial Kind = 1 // to be put together with others
	Final   Kind = 2 // put together from others, never written by a client
)

// State says how far an upload is. Stores keep the numbers.
type State int

// States of uploads.
const (
	Open     State = 0
	Finished State = 1
	Gone     State = 2 // expired; its bytes are deleted, the row is kept for a while to say so
)

// Deferred is the Length of an upload whose client doesn't know it yet.
const Deferred = -1

// Upload is what is kept of an upload beside its bytes.
type Upload struct {
	ID        string
	User      string // who owns it
	Key       string // names the creation among those of the user, or empty
	Kind      Kind
	Parts     []string // of a Final one, in order
	Metadata  string   // as in Upload-Metadata, sorted by key
	Length    int64    // bytes, or Deferred
	Offset    int64    // bytes that are on disk and acknowledged
	Hash      []byte   // state of the SHA-256 of the first Offset bytes; nil at the beginning
	SHA256    string   // of the whole, hexadecimal; empty until it is Finished
	State     State
	CreatedAt time.Time
	ExpiresAt time.Time // when it goes, unless a message has it attached
}

// Quota bounds what a user's uploads take. Deferred ones count with what they hold, others with their length.
type Quota struct {
	Bytes int64
	Count int // uploads that no message has attached
}

// Store keeps the rows. It is used concurrently. Times are kept to the millisecond and come back in UTC.
type Store interface {
	// CreateUpload keeps a new upload, unless the user has one with its Key, which isn't Gone, nor Open and expired at
	// CreatedAt: then that one is answered with made false, whatever else differs. Looking for the key, the quota and the
	// insertion are one transaction. ErrQuota if it doesn't fit.
	CreateUpload(ctx context.Context, u Upload, q Quota) (kept Upload, made bool, err error)
	// Upload finds an upload by its ID, also one that is Gone. ErrNotFound if there is none.
	Upload(ctx context.Context, id string) (Upload, error)
	// AdvanceUpload keeps Length, Offset, Hash, SHA256, State and ExpiresAt of an upload that is Open at the offset from:
	// ErrConflict if it isn't. ErrQuota if it was Deferred and doesn't fit any more; then nothing is kept.
	AdvanceUpload(ctx context.Context, u Upload, from int64, q Quota) error
	// DeleteUpload forgets an upload. ErrNotFound if there is none, ErrPosted if a message has it attached.
	DeleteUpload(ctx context.Context, id string) error
	// ExpireUploads makes at most limit uploads Gone that expire before t and that no message has attached, and takes
	// their keys off them. It answers their IDs.
	ExpireUploads(ctx context.Context, t time.Time, limit int) ([]string, error)
	// ForgetUploads deletes the rows of those that are Gone and expired before t.
	ForgetUploads(ctx context.Context, t time.Time) error
	// UploadReadable is nil if the upload is attached to a message in a channel that the user may read, ErrNotFound
	// otherwise. Who owns it doesn't matter.
	UploadReadable(ctx context.Context, id, user string) error
}
