package scenario

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
	"github.com/chatsdk/chatsdk/server/uploads"
)

// notingStore is the store of a world's server. It notes which device sent each message, and the number that the device
// gave it: the table keeps only the newest number of each device, and a checker needs them all.
type notingStore struct {
	*sqlite.DB

	mu       sync.Mutex // guards below
	numbers  map[sent]number
	came     map[string]int // entries that came in for each user, repetitions included
	uploads  []string       // ids of all that were ever created
	advanced int            // chunks, counted for a planted mistake
	renewed  time.Time      // when a session was, for a planted mistake
}

type sent struct{ user, id string }

type number struct {
	device string
	seq    uint64 // 0 if the device asked for no order
}

var _ server.Store = (*notingStore)(nil)

func noting(db *sqlite.DB) *notingStore {
	return &notingStore{DB: db, numbers: map[sent]number{}, came: map[string]int{}}
}

// Append takes entries of one device, as the store underneath does.
func (s *notingStore) Append(ctx context.Context, user, device string, entries []server.Entry) ([]server.Outcome, error) {
	s.mu.Lock()
	s.came[user] += len(entries)
	s.mu.Unlock()
	given := slices.Clone(entries)
	if planted == bugBatchReversed {
		for i := range given {
			given[i].DeviceSeq = 0
		}
		slices.Reverse(given)
	}
	out, err := s.DB.Append(ctx, user, device, given)
	if planted == bugBatchReversed {
		slices.Reverse(out)
	}
	if err != nil {
		return out, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range out {
		key := sent{user, entries[i].ID}
		// A duplicate is noted too if it is news: the answer to the first may have been an error after the commit.
		if _, known := s.numbers[key]; !known && o.Err == nil && !entries[i].Refused {
			s.numbers[key] = number{device, entries[i].DeviceSeq}
		}
	}
	return out, nil
}

// cameFrom is how many entries came in for a user so far: what the server's limit counts.
func (s *notingStore) cameFrom(user string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came[user]
}

// number is what was noted of a message; ok says whether anything was.
func (s *notingStore) number(user, id string) (n number, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok = s.numbers[sent{user, id}]
	return n, ok
}

// CreateUpload notes what is created.
func (s *notingStore) CreateUpload(ctx context.Context, u uploads.Upload, q uploads.Quota) (uploads.Upload, bool, error) {
	if planted == bugNoKeys {
		u.Key = ""
	}
	kept, made, err := s.DB.CreateUpload(ctx, u, q)
	if made {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.uploads = append(s.uploads, kept.ID)
	}
	return kept, made, err
}

// AdvanceUpload is here for a planted mistake.
func (s *notingStore) AdvanceUpload(ctx context.Context, u uploads.Upload, from int64, q uploads.Quota) error {
	if planted == bugAckUnstored && u.State == uploads.Open {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.advanced++; s.advanced%2 == 0 {
			return nil
		}
	}
	return s.DB.AdvanceUpload(ctx, u, from, q)
}

// Upload is here for planted mistakes.
func (s *notingStore) Upload(ctx context.Context, id string) (uploads.Upload, error) {
	u, err := s.DB.Upload(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if planted == bugForgetFinished && u.State == uploads.Finished || planted == bugForgetRenewed && u.CreatedAt.Before(s.renewed) {
		return uploads.Upload{}, uploads.ErrNotFound
	}
	return u, err
}

// DeleteUpload is here for a planted mistake.
func (s *notingStore) DeleteUpload(ctx context.Context, id string) error {
	if planted == bugKeepDropped {
		return nil
	}
	return s.DB.DeleteUpload(ctx, id)
}

// ChangeSession notes when a session was renewed, for a planted mistake.
func (s *notingStore) ChangeSession(ctx context.Context, id string, change func(server.Session) server.Session) (server.Session, error) {
	if planted == bugForgetRenewed {
		s.mu.Lock()
		s.renewed = time.Now()
		s.mu.Unlock()
	}
	return s.DB.ChangeSession(ctx, id, change)
}

// rows are the uploads that are there, in the order of their creation. One that was created by a commit whose answer was
// an error isn't seen until it is asked for again.
func (s *notingStore) rows(ctx context.Context) ([]uploads.Upload, error) {
	s.mu.Lock()
	ids := slices.Clone(s.uploads)
	s.mu.Unlock()
	var out []uploads.Upload
	for _, id := range ids {
		u, err := s.DB.Upload(ctx, id)
		switch {
		case errors.Is(err, uploads.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			out = append(out, u)
		}
	}
	return out, nil
}
