package interop_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
	"golang.org/x/exp/slog"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/upload"
)

// stockTusd is tusd as its own program sets it up.
func stockTusd(t *testing.T, dir string) http.Handler {
	t.Helper()
	composer := handler.NewStoreComposer()
	filestore.New(dir).UseIn(composer)
	memorylocker.New().UseIn(composer)
	h, err := handler.NewHandler(handler.Config{
		BasePath: "/files/", StoreComposer: composer, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/files/", http.StripPrefix("/files/", h))
	return mux
}

// tusd is a stock tusd on a real socket.
func tusd(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(stockTusd(t, dir))
	t.Cleanup(srv.Close)
	return srv
}

// toTusd is a client of ours whose connections go through a link that can be broken.
func toTusd(t *testing.T, srv *httptest.Server, store upload.Store) (*upload.Queue, *faultnet.Proxy) {
	t.Helper()
	proxy, err := faultnet.NewProxy(faultnet.ProxyOptions{Listen: "127.0.0.1:0", Upstream: srv.Listener.Addr().String(), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	q := queueTo(t, proxy, store)
	return q, proxy
}

func queueTo(t *testing.T, proxy *faultnet.Proxy, store upload.Store) *upload.Queue {
	t.Helper()
	q, err := upload.New(upload.Options{
		Endpoint: "http://tusd.test/files/", Store: store,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, proxy.Addr())
		},
	})
	if err == nil {
		err = q.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// only returns the content of the only upload that tusd has.
func only(dir string) ([]byte, error) {
	infos, err := filepath.Glob(filepath.Join(dir, "*.info"))
	if err != nil || len(infos) != 1 {
		return nil, fmt.Errorf("tusd has %d uploads, %w", len(infos), err)
	}
	return os.ReadFile(infos[0][:len(infos[0])-len(".info")])
}

// TestUploadToTusd breaks an upload to a stock tusd: connections reset and half open, a client that ends and begins again.
func TestUploadToTusd(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "film.mp4")
	data := make([]byte, 12<<20)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	store := upload.NewMemory()
	q, proxy := toTusd(t, tusd(t, dir), store)
	proxy.Link().Update(func(c *faultnet.Conditions) { c.Up.Rate = 4 << 20 })
	u, err := q.Add(t.Context(), upload.Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i, trouble := range []func(){
		proxy.Link().Reset,
		func() { proxy.Link().Strand(true, true); q.Kick() },
		func() { _ = q.Close(); q = queueTo(t, proxy, store) },
	} {
		time.Sleep(700 * time.Millisecond) // so that some of it is on its way; no check depends on how much
		t.Logf("trouble %d at %d bytes", i, arrived(dir))
		trouble()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	u, err = q.Wait(ctx, u.ID)
	got, missing := only(dir)
	if err != nil || missing != nil || !bytes.Equal(got, data) {
		t.Fatalf("%s: %v, %v; tusd has %d bytes", u.State, err, missing, len(got))
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(data)); u.SHA256 != want || u.Verified || u.Progress.ResumedFrom <= 0 {
		t.Errorf("sha256 %s, want %s; verified %v; resumed from %d", u.SHA256, want, u.Verified, u.Progress.ResumedFrom)
	}
}

func arrived(dir string) int {
	data, err := only(dir)
	if err != nil {
		return -1
	}
	return len(data)
}

// TestCancelAtTusd: what is cancelled is dropped there; an empty file is a whole one.
func TestCancelAtTusd(t *testing.T) {
	dir := t.TempDir()
	path, empty := filepath.Join(t.TempDir(), "big"), filepath.Join(t.TempDir(), "empty")
	for name, size := range map[string]int64{path: 64 << 20, empty: 0} {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	q, proxy := toTusd(t, tusd(t, dir), upload.NewMemory())
	proxy.Link().Update(func(c *faultnet.Conditions) { c.Up.Rate = 4 << 20 })
	u, err := q.Add(t.Context(), upload.Request{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	changes := q.Watch(t.Context())
	for c := range changes {
		if c.Upload.Progress.Sent > 1<<20 {
			break
		}
	}
	if err := q.Cancel(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	for c := range changes {
		if c.Reason == upload.ReasonDropped {
			break
		}
	}
	if infos, err := filepath.Glob(filepath.Join(dir, "*.info")); err != nil || len(infos) != 0 {
		t.Errorf("tusd still has %v, %v", infos, err)
	}
	u, err = q.Add(t.Context(), upload.Request{Path: empty})
	if err != nil {
		t.Fatal(err)
	}
	if u, err = q.Wait(t.Context(), u.ID); err != nil || u.State != upload.Done {
		t.Errorf("%s: %v", u.State, err)
	}
	if got, err := only(dir); err != nil || len(got) != 0 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
