package upload_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// TestNext: what is settled stays, but for a failed one that is retried or given up, and no event leads astray.
func TestNext(t *testing.T) {
	for s := upload.Queued; s <= upload.Cancelled; s++ {
		moves := 0
		for ev := upload.Event(0); ev <= upload.LastEvent; ev++ {
			to, ok := upload.Next(s, ev)
			if !ok && to != s {
				t.Errorf("%s refuses %d and becomes %s", s, ev, to)
			}
			if ok {
				moves++
			}
		}
		if want := map[upload.State]int{upload.Done: 0, upload.Cancelled: 0, upload.Failed: 2, upload.Paused: 3}; s.Settled() || s == upload.Paused {
			if moves != want[s] {
				t.Errorf("%s takes %d events, want %d", s, moves, want[s])
			}
		} else if moves != int(upload.LastEvent)-1 {
			t.Errorf("%s takes %d events", s, moves)
		}
		if back, ok := upload.ParseState(s.String()); !ok || back != s {
			t.Errorf("%s is read as %s", s, back)
		}
	}
	if _, ok := upload.ParseState("nothing"); ok || upload.State(99).String() != "unknown" {
		t.Error("unknown states have words")
	}
}

// TestChunks: a chunk takes 2 s at the measured rate, grows in steps, and is halved by a failure.
func TestChunks(t *testing.T) {
	c := upload.NewChunks(true)
	if c.Size() != 256<<10 {
		t.Errorf("the first has %d bytes", c.Size())
	}
	const rate = 10 << 20
	for range 6 {
		n := c.Size()
		c.Took(n, time.Duration(float64(n)/rate*float64(time.Second)))
	}
	if c.Size() < 19<<20 || c.Size() > 21<<20 {
		t.Errorf("at 10 MiB/s a chunk has %d bytes, want about 20 MiB", c.Size())
	}
	c.Failed()
	if c.Size() > 11<<20 {
		t.Errorf("after a failure it has %d", c.Size())
	}
	for range 20 {
		c.Failed()
	}
	if c.Size() != 64<<10 {
		t.Errorf("the least has %d", c.Size())
	}
	if !c.Refused(1<<20) || c.Refused(64<<10) {
		t.Error("413 for the least chunk isn't final, or for another is")
	}
	for range 10 {
		c.Took(c.Size(), 10*time.Millisecond)
	}
	if c.Size() != 512<<10 {
		t.Errorf("after a 413 for 1 MiB it grew to %d", c.Size())
	}
	if s := upload.NewChunks(false); s.Size() != 1<<20 {
		t.Errorf("without checksums the first has %d", s.Size())
	}
}

func TestBaseName(t *testing.T) {
	for name, want := range map[string]string{
		"a.txt": "a.txt", "/etc/passwd": "passwd", `C:\x\b.txt`: "b.txt", "../..": "", "..": "", "a/": "", "a\x00b\n": "ab",
		"ü.png": "ü.png", "\xff": "\uFFFD",
	} {
		if got := upload.BaseName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func queue(t testing.TB) *upload.Queue {
	q, err := upload.New(upload.Options{Endpoint: "https://Chat.example:443/api/uploads/", Store: upload.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestLocate(t *testing.T) {
	q := queue(t)
	for location, want := range map[string]string{
		"/x": "https://Chat.example:443/x", "y": "https://Chat.example:443/api/uploads/y", "https://chat.EXAMPLE/z#f": "https://chat.EXAMPLE/z",
		"": "", "http://chat.example/x": "", "https://evil/x": "", "//evil/x": "", "https://chat.example:444/x": "",
		"https://u:p@chat.example/x": "", "javascript:1": "", "https://chat.example.evil/": "", "/" + strings.Repeat("x", 5000): "",
	} {
		if got, err := q.Locate(location); got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: %q, %v; want %q", location, got, err, want)
		}
	}
}

// FuzzHeaders: whatever a server writes, nothing breaks, and no number is negative or beyond its bound.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{
		"", "0", "5", "-1", "+7", "99999999999999999999", "0x10", " 3", "sha1, sha256", "SHA256 ,,", "checksum",
		"Sun, 06 Nov 1994 08:49:37 GMT", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", "sha-256=:x:, md5=:y:",
		"/a/b", "https://chat.example/x", "//evil", "http://[::1]:80/x", "%zz",
	} {
		f.Add(s)
	}
	q := queue(f)
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{}
		for _, name := range []string{"Upload-Offset", "Upload-Expires", "Retry-After", "Repr-Digest", "Tus-Extension", "Tus-Checksum-Algorithm", "Tus-Max-Size"} {
			h.Set(name, s)
		}
		if n := upload.Number(h, "Upload-Offset"); n < -1 {
			t.Errorf("offset %d", n)
		}
		if d := upload.RetryAfter(h, time.Minute); d < 0 || d > time.Minute {
			t.Errorf("retry after %v", d)
		}
		upload.Expires(h, time.Now())
		if sum := upload.Digest(h); sum != "" && (len(sum) != 64 || !strings.Contains(s, "sha-256=") && !strings.Contains(strings.ToLower(s), "sha-256=")) {
			t.Errorf("digest %q of %q", sum, s)
		}
		if a, err := upload.Checksums(h); err != nil || a != "" && a != "sha1" && a != "sha256" {
			t.Errorf("algorithm %q, %v", a, err)
		}
		if to, err := q.Locate(s); err == nil && !strings.HasPrefix(strings.ToLower(to), "https://chat.example") {
			t.Errorf("%q leads to %q", s, to)
		}
	})
}

func TestDigestComesBack(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	if got := upload.Digest(http.Header{"Repr-Digest": {"md5=:x:, " + upload.ReprDigest(sum)}}); got != sum {
		t.Errorf("%q", got)
	}
	if got := upload.Digest(http.Header{"Upload-Sha256": {strings.ToUpper(sum)}}); got != sum {
		t.Errorf("%q", got)
	}
	if upload.ReprDigest("0a") != "" {
		t.Error("half a digest is written")
	}
	if got := upload.Metadata("key", "1", "filename", "", "filetype", "a/b"); got != "key MQ==,filetype YS9i" {
		t.Errorf("%q", got)
	}
}
