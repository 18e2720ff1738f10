package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/uploads"
)

// UploadChecks are what an UploadStore and Append have to honour about uploads. Each wants an empty store. They answer
// errors, so that mistakes can be planted in a store and looked for in the same process.
var UploadChecks = map[string]func(context.Context, server.Store) error{
	"an upload comes back as it went in": uploadRoundTrip, "a key is its user's": uploadKeys,
	"concurrent creations with one key": uploadKeyRace, "quota": uploadQuota, "concurrent creations and the quota": uploadQuotaRace,
	"an upload advances from where it is": uploadAdvance, "uploads expire unless they are posted": uploadExpiry,
	"uploads are attached by their owner when finished": uploadAttach, "who may read an attached upload": uploadReadable,
}

// roomy is a quota that nobody reaches.
var roomy = uploads.Quota{Bytes: 1 << 40, Count: 1000}

func runUploads(t *testing.T, open func(*testing.T) server.Store) {
	t.Helper()
	for name, check := range UploadChecks {
		t.Run(name, func(t *testing.T) { must(t, check(ctxOf(t), open(t))) })
	}
}

func upload(n int, user string, length int64) uploads.Upload {
	return uploads.Upload{ID: id(n), User: user, Length: length, CreatedAt: now(), ExpiresAt: now().Add(time.Hour)}
}

func finished(n int, user string) uploads.Upload {
	u := upload(n, user, 1)
	u.Offset, u.State, u.SHA256, u.Hash = 1, uploads.Finished, "ab", []byte{1}
	return u
}

// makeUploads keeps uploads.
func makeUploads(ctx context.Context, s server.Store, all ...uploads.Upload) error {
	for _, u := range all {
		if _, made, err := s.CreateUpload(ctx, u, roomy); err != nil || !made {
			return fmt.Errorf("create %s: %v, %w", u.ID, made, errors.Join(err, errNot))
		}
	}
	return nil
}

// errNot stands where an error was expected or a value is wrong.
var errNot = errors.New("not what was expected")

func expect(what string, err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("%s: %w, want %w: %w", what, err, want, errNot)
}

func uploadRoundTrip(ctx context.Context, s server.Store) error {
	u := uploads.Upload{
		ID: id(1), User: "alice", Key: "k", Kind: uploads.Final, Parts: []string{id(2), id(3)}, Metadata: "a YQ==", Length: 1 << 40,
		Offset: 7, Hash: []byte{0, 1, 255}, SHA256: "ab", State: uploads.Finished, CreatedAt: now(), ExpiresAt: now().Add(time.Hour),
	}
	if err := makeUploads(ctx, s, u); err != nil {
		return err
	}
	got, err := s.Upload(ctx, u.ID)
	if err != nil || !reflect.DeepEqual(got, u) {
		return fmt.Errorf("got %+v, want %+v: %w", got, u, errors.Join(err, errNot))
	}
	_, err = s.Upload(ctx, id(9))
	if err := expect("unknown", err, uploads.ErrNotFound); err != nil {
		return err
	}
	if err := expect("delete", s.DeleteUpload(ctx, u.ID), nil); err != nil {
		return err
	}
	return expect("delete again", s.DeleteUpload(ctx, u.ID), uploads.ErrNotFound)
}

func uploadKeys(ctx context.Context, s server.Store) error {
	keyed := func(n int, user string) uploads.Upload {
		u := upload(n, user, 5)
		u.Key = "k"
		return u
	}
	if err := makeUploads(ctx, s, keyed(1, "alice"), keyed(2, "bob"), upload(3, "alice", 5), upload(4, "alice", 5)); err != nil {
		return err
	}
	again := keyed(5, "alice")
	again.Length = 9
	got, made, err := s.CreateUpload(ctx, again, uploads.Quota{})
	if err != nil || made || got.ID != id(1) || got.Length != 5 {
		return fmt.Errorf("again: %+v, %v: %w", got, made, errors.Join(err, errNot))
	}
	late := keyed(6, "alice")
	late.CreatedAt = late.CreatedAt.Add(2 * time.Hour)
	if err := makeUploads(ctx, s, late); err != nil { // the first has expired
		return err
	}
	return expect("delete", s.DeleteUpload(ctx, id(1)), nil)
}

func uploadKeyRace(ctx context.Context, s server.Store) error {
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			u := upload(i, "alice", 5)
			u.Key = "k"
			got, _, err := s.CreateUpload(ctx, u, roomy)
			if ids[i] = got.ID; err != nil {
				ids[i] = err.Error()
			}
		})
	}
	wg.Wait()
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 1 {
		return fmt.Errorf("made %q: %w", ids, errNot)
	}
	return nil
}

func uploadQuota(ctx context.Context, s server.Store) error {
	q := uploads.Quota{Bytes: 100, Count: 3}
	add := func(n int, user string, length int64) error {
		_, _, err := s.CreateUpload(ctx, upload(n, user, length), q)
		return err
	}
	for n, c := range []struct {
		user   string
		length int64
		want   error
	}{
		{"alice", 1<<63 - 1, uploads.ErrQuota},
		{"alice", 101, uploads.ErrQuota},
		{"alice", 60, nil},
		{"alice", 41, uploads.ErrQuota},
		{"bob", 100, nil},
		{"alice", uploads.Deferred, nil},
		{"alice", 0, nil},
		{"alice", 0, uploads.ErrQuota}, // the fourth
	} {
		if err := expect(fmt.Sprint("upload ", n), add(n, c.user, c.length), c.want); err != nil {
			return err
		}
	}
	grown := upload(5, "alice", uploads.Deferred)
	grown.Offset = 40
	if err := expect("grow", s.AdvanceUpload(ctx, grown, 0, q), nil); err != nil {
		return err
	}
	grown.Offset = 41
	if err := expect("grow too much", s.AdvanceUpload(ctx, grown, 40, q), uploads.ErrQuota); err != nil {
		return err
	}
	if got, err := s.Upload(ctx, id(5)); err != nil || got.Offset != 40 {
		return fmt.Errorf("%+v: %w", got, errors.Join(err, errNot))
	}
	grown.Offset, grown.Length = 40, 41
	return expect("declare too much", s.AdvanceUpload(ctx, grown, 40, q), uploads.ErrQuota)
}

func uploadQuotaRace(ctx context.Context, s server.Store) error {
	results := make([]error, 16)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			<-start
			_, _, results[i] = s.CreateUpload(ctx, upload(i, "alice", 60), uploads.Quota{Bytes: 100, Count: 100})
		})
	}
	close(start)
	wg.Wait()
	made := 0
	for _, err := range results {
		if err == nil {
			made++
		} else if !errors.Is(err, uploads.ErrQuota) {
			return err
		}
	}
	if made != 1 {
		return fmt.Errorf("%d uploads of 60 bytes in a quota of 100: %w", made, errNot)
	}
	return nil
}

func uploadAdvance(ctx context.Context, s server.Store) error {
	u := upload(1, "alice", 10)
	if err := makeUploads(ctx, s, u); err != nil {
		return err
	}
	u.Offset, u.Hash, u.ExpiresAt = 4, []byte{4}, u.ExpiresAt.Add(time.Hour)
	if err := expect("advance", s.AdvanceUpload(ctx, u, 0, roomy), nil); err != nil {
		return err
	}
	if err := expect("from where it was", s.AdvanceUpload(ctx, u, 0, roomy), uploads.ErrConflict); err != nil {
		return err
	}
	if got, err := s.Upload(ctx, u.ID); err != nil || !reflect.DeepEqual(got, u) {
		return fmt.Errorf("%+v: %w", got, errors.Join(err, errNot))
	}
	u.Offset, u.State, u.SHA256 = 10, uploads.Finished, "ab"
	if err := expect("finish", s.AdvanceUpload(ctx, u, 4, roomy), nil); err != nil {
		return err
	}
	if err := expect("finished", s.AdvanceUpload(ctx, u, 10, roomy), uploads.ErrConflict); err != nil {
		return err
	}
	return expect("unknown", s.AdvanceUpload(ctx, upload(2, "alice", 1), 0, roomy), uploads.ErrConflict)
}

func uploadExpiry(ctx context.Context, s server.Store) error {
	early, posted, late := finished(1, "alice"), finished(2, "alice"), finished(3, "alice")
	open := upload(4, "alice", 5)
	open.Key = "k"
	late.ExpiresAt = late.ExpiresAt.Add(time.Hour)
	if err := makeUploads(ctx, s, early, posted, late, open); err != nil {
		return err
	}
	e := entry("a", 1, 0)
	e.Uploads = []string{posted.ID}
	if out, err := s.Append(ctx, "alice", "d", []server.Entry{e}); err != nil || out[0].Err != nil {
		return fmt.Errorf("%+v: %w", out, errors.Join(err, errNot))
	}
	at := early.ExpiresAt.Add(time.Minute)
	var gone []string
	for range 3 { // one at a time
		ids, err := s.ExpireUploads(ctx, at, 1)
		if err != nil {
			return err
		}
		gone = append(gone, ids...)
	}
	slices.Sort(gone)
	if !slices.Equal(gone, []string{early.ID, open.ID}) {
		return fmt.Errorf("expired %v: %w", gone, errNot)
	}
	if got, err := s.Upload(ctx, open.ID); err != nil || got.State != uploads.Gone || got.Key != "" {
		return fmt.Errorf("%+v: %w", got, errors.Join(err, errNot))
	}
	if err := expect("advance", s.AdvanceUpload(ctx, open, 0, roomy), uploads.ErrConflict); err != nil {
		return err
	}
	if err := errors.Join(s.ForgetUploads(ctx, at), expect("delete", s.DeleteUpload(ctx, posted.ID), uploads.ErrPosted)); err != nil {
		return err
	}
	for _, c := range []struct {
		u    uploads.Upload
		want error
	}{{early, uploads.ErrNotFound}, {open, uploads.ErrNotFound}, {posted, nil}, {late, nil}} {
		_, err := s.Upload(ctx, c.u.ID)
		if err := expect(c.u.ID, err, c.want); err != nil {
			return err
		}
	}
	return nil
}

func uploadAttach(ctx context.Context, s server.Store) error {
	part := finished(3, "alice")
	part.Kind = uploads.Partial
	if err := makeUploads(ctx, s, finished(1, "alice"), upload(2, "alice", 5), part, finished(4, "bob")); err != nil {
		return err
	}
	n := 100
	send := func(seq uint64, uploads ...string) server.Outcome {
		n++
		e := entry("a", n, seq)
		e.Uploads = uploads
		out, err := s.Append(ctx, "alice", "d", []server.Entry{e})
		if err != nil {
			return server.Outcome{Err: err}
		}
		return out[0]
	}
	for name, ids := range map[string][]string{
		"open": {id(2)}, "part": {id(3)}, "bob's": {id(4)}, "unknown": {id(5)}, "one of two": {id(1), id(4)},
	} {
		if err := expect(name, send(0, ids...).Err, server.ErrUploadUnusable); err != nil {
			return err
		}
	}
	if err := expect("with a number", send(1, id(4)).Err, server.ErrUploadUnusable); err != nil {
		return err
	}
	if out := send(2, id(1)); out.Err != nil || out.Seq != 1 { // the number was used up, and no seq
		return fmt.Errorf("%+v: %w", out, errNot)
	}
	if out := send(3, id(1), id(1)); out.Err != nil || out.Seq != 2 {
		return fmt.Errorf("twice: %+v: %w", out, errNot)
	}
	return expect("delete one that was refused", s.DeleteUpload(ctx, id(4)), nil)
}

func uploadReadable(ctx context.Context, s server.Store) error {
	if err := makeUploads(ctx, s, finished(1, "alice"), finished(2, "alice"), finished(3, "alice")); err != nil {
		return err
	}
	if err := s.AddChannel(ctx, server.Channel{Name: "private", Private: true, Owner: "alice", CreatedAt: now()}, []string{"bob"}); err != nil {
		return err
	}
	for n, channel := range map[int]string{1: "private", 2: "public"} {
		e := entry(channel, n, 0)
		e.Uploads = []string{id(n)}
		if out, err := s.Append(ctx, "alice", "d", []server.Entry{e}); err != nil || out[0].Err != nil {
			return fmt.Errorf("%+v: %w", out, errors.Join(err, errNot))
		}
	}
	for _, c := range []struct {
		n    int
		user string
		want error
	}{
		{1, "bob", nil},
		{1, "alice", nil},
		{1, "eve", uploads.ErrNotFound},
		{2, "eve", nil},
		{3, "bob", uploads.ErrNotFound},
		{4, "bob", uploads.ErrNotFound},
	} {
		if err := expect(fmt.Sprint(c), s.UploadReadable(ctx, id(c.n), c.user), c.want); err != nil {
			return err
		}
	}
	return nil
}
