package upload

import (
	"slices"
	"time"
)

// Upload is one file on its way. Uploads are handed out by value and belong to the caller.
type Upload struct {
	ID          string // UUID in lower case; made once and never changed
	Account     string // whose it is; "" until somebody is known, see Queue.SetAccount
	Label       string // the caller's own, such as a channel; the queue only keeps it
	Path        string // absolute
	Name        string // told to the server; a base name
	ContentType string // told to the server; "" is not told
	OnChange    Policy // what becomes of it when the file changes

	Source Source // the file as it is uploaded
	SHA256 string // of the whole file, in hex; "" until known
	State  State
	Order  uint64 // place in the queue; rises with each Add

	Key       string     // idempotency key of the server's copy; a new one for each copy
	Restarts  int        // copies given up, because the server lost them or the file changed
	Posted    bool       // a creation was sent under Key: the server may have a copy whose URL isn't known
	URL       string     // of the server's copy; "" until it is known
	Offset    int64      // bytes that the server has, as far as it said
	HashState []byte     // state of SHA-256 over the first HashedTo bytes of the file; nil at 0
	HashedTo  int64      // never above Offset when kept
	ExpiresAt time.Time  // when the server forgets its copy; zero if it never said
	Leftovers []Leftover // copies at the server that nobody wants any more, until it has dropped them
	Forget    bool       // Remove was called; it goes once there are no Leftovers

	Code      Code   // why it failed; "" unless State is Failed
	Err       string // the same for people, or why the last attempt failed; "" if nothing did
	Verified  bool   // the server's SHA-256 was compared with ours and is the same
	CreatedAt time.Time
	UpdatedAt time.Time // of the row
	DoneAt    time.Time // zero until it is done

	Progress Progress // told by Queue, never stored
}

// Source is what a file looked like. Two are of the same content as far as can be told without reading it whole.
type Source struct {
	Size    int64
	ModTime time.Time
	Changed time.Time // of inode and content, where the system tells (ctime); else zero
	Device  uint64    // 0 where the system doesn't tell
	Inode   uint64    // the same
	Head    string    // SHA-256 of the first 64 KiB, in hex
	Tail    string    // SHA-256 of the last 64 KiB, in hex
}

// Leftover is a copy at the server that has to be dropped there.
type Leftover struct {
	URL  string // "" if the reply to its creation was lost: it is asked for under Key
	Key  string
	Size int64 // declared at creation
	// Metadata is the Upload-Metadata of its creation, where the URL isn't known: a server may know a creation again only
	// by all of it.
	Metadata string
}

// Progress is how far an upload is. Acked bytes are the truth; Sent runs ahead of them.
type Progress struct {
	Total       int64
	Acked       int64         // the server said that it has them
	Sent        int64         // handed to the network in the present attempt; at least Acked
	ResumedFrom int64         // where this process went on; -1 until it did
	Rate        float64       // acked bytes a second, lately; 0 until known
	Left        time.Duration // at that rate; -1 if not known
}

// Policy is what becomes of an upload whose file changed. The zero value is Fail.
type Policy int

// Policies.
const (
	Fail    Policy = iota // it fails with ErrSourceChanged
	Restart               // the server's copy is dropped and the file as it is now is uploaded, at most Options.MaxRestarts times
)

// clone returns a copy that shares no memory which either side could change.
func (u Upload) clone() Upload {
	u.HashState = slices.Clone(u.HashState)
	u.Leftovers = slices.Clone(u.Leftovers)
	return u
}

// Reasons of a Change.
const (
	ReasonPresent   = "present"   // not a change: it was there when Watch was called
	ReasonAdded     = "added"     // it is new
	ReasonAdopted   = "adopted"   // it belongs to an account now
	ReasonStarted   = "started"   // its turn has come
	ReasonCreated   = "created"   // the server has a copy for it now, still empty
	ReasonResumed   = "resumed"   // it goes on from an offset that the server told
	ReasonProgress  = "progress"  // bytes were acknowledged or sent
	ReasonRewound   = "rewound"   // the server has less than it had
	ReasonLost      = "lost"      // the server no longer has its copy (404, 410): it begins anew
	ReasonChanged   = "changed"   // the file changed: it begins anew
	ReasonOffline   = "offline"   // there is no network, as the application says
	ReasonRetry     = "retry"     // an attempt failed; Err says why and RetryIn when the next one is
	ReasonLocked    = "locked"    // 423: another request holds the server's copy
	ReasonAuth      = "auth"      // there is no token that the server takes, or it belongs to another account
	ReasonVerifying = "verifying" // the file or the server's copy is being checked
	ReasonPaused    = "paused"    // Pause
	ReasonQueued    = "queued"    // Resume, Retry, or it gave its turn back
	ReasonDone      = "done"      // the server has all
	ReasonFailed    = "failed"    // for good; Err is a *FailedError
	ReasonCancelled = "cancelled" // Cancel
	ReasonDropped   = "dropped"   // the server has dropped the copies that nobody wants
	ReasonRemoved   = "removed"   // Remove: the row is gone
)

// Change says that an upload moved. From equals To for one that is new, was there before Watch, or only made progress.
type Change struct {
	Upload   Upload
	From, To State
	Reason   string
	Err      error         // what went wrong, or nil
	Attempt  int           // failed attempts since the last progress
	RetryIn  time.Duration // until the next attempt; 0 if none waits for a time
}
