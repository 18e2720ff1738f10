package upload_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// TestMemoryIsBounded uploads 256 MiB over a real socket and looks at the heap with each chunk.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 256 MiB several times")
	}
	const size = 256 << 20
	path := filepath.Join(t.TempDir(), "big")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	var idle, peak uint64
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	have := int64(0)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tus-Resumable", "1.0.0")
		switch r.Method {
		case http.MethodOptions:
			w.Header().Set("Tus-Version", "1.0.0")
			w.Header().Set("Tus-Extension", "checksum")
			w.Header().Set("Tus-Checksum-Algorithm", "sha256")
		case http.MethodPost:
			w.Header().Set("Location", "/files/1")
			w.WriteHeader(http.StatusCreated)
			return
		case http.MethodPatch:
			n, _ := io.Copy(io.Discard, r.Body)
			have += n
			peak = max(peak, heap())
		}
		w.Header().Set("Upload-Offset", strconv.FormatInt(have, 10))
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	q, err := upload.New(upload.Options{Endpoint: srv.URL + "/files/", Store: upload.NewMemory()})
	if err == nil {
		err = q.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	runtime.GC()
	idle = heap()
	u, err := q.Add(t.Context(), upload.Request{Path: path})
	if err == nil {
		u, err = q.Wait(t.Context(), u.ID)
	}
	if err != nil || have != size {
		t.Fatalf("%s: %v", u.State, err)
	}
	t.Logf("idle %.1f MiB, at most %.1f MiB more", float64(idle)/(1<<20), float64(peak-min(peak, idle))/(1<<20))
	if peak > idle+32<<20 {
		t.Errorf("%d bytes over idle", peak-idle)
	}
	h := sha256.New()
	_, _ = io.CopyN(h, zeros{}, size)
	if u.SHA256 != hex.EncodeToString(h.Sum(nil)) {
		t.Errorf("sha256 %s", u.SHA256)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFewAtOnce: no more uploads are under way than may be, and each gets its turn.
func TestFewAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w := newWorld(t, 300_000, nil)
		most := 0
		for range 5 {
			if _, err := w.q.Add(context.Background(), upload.Request{Path: w.path}); err != nil {
				t.Fatal(err)
			}
		}
		err := until(func() bool {
			s := w.q.State()
			most = max(most, s.States[upload.Uploading]+s.States[upload.Verifying])
			return s.States[upload.Done] == 5
		})
		if err != nil || most != 2 {
			t.Errorf("%d at once, %v", most, err)
		}
	})
}

// TestNoTokenInErrors: what a server repeats of a token reaches nobody.
func TestNoTokenInErrors(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tus-Resumable", "1.0.0")
		w.Header().Set("Tus-Version", "1.0.0")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, "no good: %s", r.Header.Get("Authorization"))
		}
	}))
	defer srv.Close()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "a")}
	w.write([]byte("x"))
	q, err := upload.New(upload.Options{Endpoint: srv.URL, Store: upload.NewMemory(), Token: &tokens{}})
	if err == nil {
		err = q.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	u, err := q.Add(ctx, upload.Request{Path: w.path})
	if err == nil {
		u, err = q.Wait(ctx, u.ID)
	}
	if err == nil || strings.Contains(err.Error()+u.Err, "token-0") || !strings.Contains(err.Error(), "no good") {
		t.Errorf("%s: %v", u.State, err)
	}
}
