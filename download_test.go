package chatsdk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/upload"
)

// uploaded has ada upload a file, and returns what a message would say of it.
func uploaded(t *testing.T, c *chatsdk.Client, name string, size int) (chatsdk.Attachment, []byte) {
	t.Helper()
	path, content := writeFile(t, name, size)
	u, err := c.Upload(t.Context(), upload.Request{Path: path})
	if err == nil {
		u, err = c.WaitUpload(t.Context(), u.ID)
	}
	a, ok := chatsdk.AttachmentOf(u)
	if err != nil || !ok {
		t.Fatalf("%+v, %v", u, err)
	}
	return a, content
}

// downloadGoesOn breaks a download off, twice by the link and once by its caller: it goes on each time from the last byte.
// At the end a server that knows no ranges sends all again.
func downloadGoesOn(t *testing.T, h *host) error {
	c := h.signedIn(t, chatsdk.InMemory(), "ada")
	defer c.Close()
	a, content := uploaded(t, c, "a", 2<<20)
	dir := t.TempDir()
	h.link.Set(slow())
	var ranges []string
	h.door = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		ranges = append(ranges, r.Header.Get("Range"))
		next.ServeHTTP(w, r)
	}
	for _, after := range []time.Duration{4 * time.Second, 8 * time.Second} {
		time.AfterFunc(after, h.link.Reset)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	d, err := c.Download(ctx, chatsdk.DownloadRequest{Attachment: a, Dir: dir})
	if !errors.Is(err, context.DeadlineExceeded) || d.Done < 1<<20 || len(ranges) != 3 || ranges[0] != "" || ranges[2] == "" {
		return fmt.Errorf("broken off: %+v, %w, ranges %q", d, err, ranges)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
		return errors.New("half a file has its name")
	}
	h.door = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.Header.Del("Range")
		next.ServeHTTP(w, r)
	}
	first := int64(-1)
	d, err = c.Download(t.Context(), chatsdk.DownloadRequest{Attachment: a, Dir: dir, OnProgress: func(d chatsdk.Download) {
		if first < 0 {
			first = d.Done
		}
	}})
	if got, _ := os.ReadFile(d.Path); err != nil || !bytes.Equal(got, content) || d.Done != int64(len(content)) || first > 64<<10 {
		return fmt.Errorf("a server without ranges: %+v, first told %d, %w", d, first, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		return fmt.Errorf("left in the folder: %v", left)
	}
	return nil
}

func TestDownloadGoesOn(t *testing.T) { holds(t, downloadGoesOn) }

// downloadCompares finds a beginning from an earlier time that is damaged: the download ends with ErrCorrupt, and the next
// one is right.
func downloadCompares(t *testing.T, h *host) error {
	c := h.signedIn(t, chatsdk.InMemory(), "ada")
	defer c.Close()
	a, content := uploaded(t, c, "a", 100_000)
	r := chatsdk.DownloadRequest{Attachment: a, Dir: t.TempDir()}
	for _, n := range []int{1000, 100_000} {
		if err := os.WriteFile(filepath.Join(r.Dir, a.ID+".part"), bytes.Repeat([]byte("x"), n), 0o600); err != nil {
			return err
		}
		if d, err := c.Download(t.Context(), r); !errors.Is(err, chatsdk.ErrCorrupt) {
			return fmt.Errorf("after a damaged beginning of %d bytes: %+v, %w", n, d, err)
		}
	}
	d, err := c.Download(t.Context(), r)
	if got, _ := os.ReadFile(d.Path); err != nil || !bytes.Equal(got, content) {
		return fmt.Errorf("the next one: %+v, %w", d, err)
	}
	return nil
}

func TestDownloadCompares(t *testing.T) { holds(t, downloadCompares) }

// TestDownloadRefuses has downloads that must not be made.
func TestDownloadRefuses(t *testing.T) {
	withHost(t, func(t *testing.T, h *host) {
		ada, bob := h.signedIn(t, chatsdk.InMemory(), "ada"), h.signedIn(t, chatsdk.InMemory(), "bob")
		defer func() { _ = errors.Join(ada.Close(), bob.Close()) }()
		a, content := uploaded(t, ada, "a", 1000)
		dir, outside := t.TempDir(), t.TempDir()
		download := func(c *chatsdk.Client, r chatsdk.DownloadRequest) (chatsdk.Download, error) {
			r.Dir = dir
			return c.Download(t.Context(), r)
		}
		var refused *chatsdk.ServerError
		if _, err := download(bob, chatsdk.DownloadRequest{Attachment: a}); !errors.As(err, &refused) || refused.Status != 404 {
			t.Errorf("somebody else's: %v", err)
		}
		for _, id := range []string{"", "..", "../x", "a/b", "a?b"} {
			if _, err := download(ada, chatsdk.DownloadRequest{Attachment: chatsdk.Attachment{ID: id}}); err == nil {
				t.Errorf("id %q was taken", id)
			}
		}
		other := a
		other.SHA256 = strings.Repeat("0", 64)
		if _, err := download(ada, chatsdk.DownloadRequest{Attachment: other}); !errors.Is(err, chatsdk.ErrCorrupt) {
			t.Errorf("another SHA-256 than the message says: %v", err)
		}
		evil := a
		evil.Name = "../../evil"
		d, err := download(ada, chatsdk.DownloadRequest{Attachment: evil})
		if err != nil || d.Path != filepath.Join(dir, "evil") {
			t.Errorf("a name that leads out: %+v, %v", d, err)
		}
		if _, err := download(ada, chatsdk.DownloadRequest{Attachment: evil}); !errors.Is(err, chatsdk.ErrExists) {
			t.Errorf("a file that is there: %v", err)
		}
		if _, err := download(ada, chatsdk.DownloadRequest{Attachment: evil, Overwrite: true}); err != nil {
			t.Errorf("replace it: %v", err)
		}
		target := filepath.Join(outside, "target")
		if err := os.Symlink(target, filepath.Join(dir, a.ID+".part")); err != nil {
			t.Skip("no links here")
		}
		if _, err := download(ada, chatsdk.DownloadRequest{Attachment: a}); err == nil {
			t.Error("a link led out of the folder")
		}
		if _, err := os.Stat(target); err == nil {
			t.Error("something outside of the folder was written")
		}
		_ = content
	})
}

func TestSafeName(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt": "a.txt", "": "download", "..": "download", "/etc/passwd": "passwd", `c:\x\y.txt`: "y.txt", ".bashrc": "bashrc",
		"con": "_con", "NUL.txt": "_NUL.txt", "a\x00b\n": "a_b_", "ü☃.bin": "ü☃.bin", "x. ": "x", "a:b": "a_b", "cod\u202etxt.exe": "cod_txt.exe",
		strings.Repeat("ü", 150) + ".bin": strings.Repeat("ü", 98) + ".bin",
	} {
		if got := chatsdk.SafeName(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}
