package upload_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/upload"
)

// TestEditedBeforeTheServerCompares edits a file whose SHA-256 was announced while it is sent: the server finds that what
// arrived isn't what was announced, and deletes it. It is the file that changed, whoever found out.
func TestEditedBeforeTheServerCompares(t *testing.T) {
	for _, policy := range []upload.Policy{upload.Fail, upload.Restart} {
		for _, algorithms := range []string{"", "sha256-prefix"} {
			t.Run(fmt.Sprint(policy, algorithms), func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					if err := editedUnseen(t, policy, algorithms); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func editedUnseen(t *testing.T, policy upload.Policy, algorithms string) error {
	t.Helper()
	w := newWorld(t, 1_000_000, func(w *world) {
		w.srv.compares, w.srv.algorithms = true, algorithms
		w.opts.ChunkMin = 2_000_000 // one chunk
	})
	edited := bytes.Clone(w.data)
	edited[len(edited)-1] ^= 1
	edit := sync.OnceFunc(func() { // in place: a file that is shorter for a moment is noticed
		f, err := os.OpenFile(w.path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(edited[len(edited)-1:], int64(len(edited)-1))
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Error(err)
		}
	})
	w.srv.script = func(r *http.Request, _ *tusCopy) *fault {
		if r.Method == http.MethodPatch {
			edit()
		}
		return nil
	}
	if err := w.add(upload.Request{OnChange: policy}); err != nil {
		return err
	}
	u, err := w.wait()
	if log := w.srv.requests(); !bytes.Contains([]byte(log), []byte(">422")) && algorithms == "" {
		return fmt.Errorf("the server found nothing: the test shows nothing: %s", log)
	}
	if policy == upload.Restart {
		w.data = edited
		return errors.Join(err, w.arrived(u), w.copies(2))
	}
	if u.Code != upload.CodeSourceChanged || !errors.Is(err, upload.ErrSourceChanged) {
		return fmt.Errorf("%s, %s: %w; %s", u.State, u.Code, err, w.srv.requests())
	}
	time.Sleep(time.Minute)
	if n := len(w.srv.live()); n != 0 {
		return fmt.Errorf("%d copies are left", n)
	}
	return nil
}
