package scenario

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/server/uploads"
	"github.com/chatsdk/chatsdk/upload"
)

// uploadsPath is where a server has its uploads.
const uploadsPath = "/api/uploads/"

// UploadView is what a run of uploads came to, as each side tells it.
type UploadView struct {
	Files    []UploadedFile
	Messages []UploadMessage
	Rows     []uploads.Upload  // of the server
	Disk     map[string]string // SHA-256 of what is in the server's folder, by name
	Patches  []Patch           // of all clients, in order of Began for each
	Faults   []UploadFault
	Rate     int64 // bytes a second of the links; 0 if there is no bound
}

// UploadedFile is one file that a client was given.
type UploadedFile struct {
	Client     string
	Upload     upload.Upload   // as its client has it in the end
	Versions   map[string]bool // SHA-256 of all that the file ever was; those that the upload may end with are true
	Downloaded string          // SHA-256 of what a reader was given, or why nothing was
}

// UploadMessage is a message that went with files.
type UploadMessage struct {
	ID    string
	Files map[string]bool     // as UploadedFile.Versions, of all its files
	Count int                 // of them
	Shown map[string][]string // SHA-256 of the attachments that each client was shown
}

// UploadFault is something that may have broken requests. A fault of the server has no client.
type UploadFault struct {
	Client   string
	Name     string
	From, To time.Time
}

// look collects the sides of a run that has come to rest. The devices' programs have to be running.
func (w *World) look(ctx context.Context) (*UploadView, error) {
	v := &UploadView{Disk: map[string]string{}, Rate: w.opts.Link.Up.Rate}
	var err error
	if v.Rows, err = w.store.rows(ctx); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(w.opts.Files)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if v.Disk[e.Name()], err = fileSum(filepath.Join(w.opts.Files, e.Name())); err != nil {
			return nil, err
		}
	}
	for _, d := range w.Devices() {
		if d.tap == nil {
			continue
		}
		v.Patches = append(v.Patches, d.tap.view()...)
		all, err := d.uploads(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		for _, u := range all {
			v.Files = append(v.Files, UploadedFile{Client: d.Name, Upload: u})
		}
	}
	return v, nil
}

// copyID is the last part of the address of a server's copy.
func copyID(address string) string { return path.Base(address) }

// copyPath is the path of a server's copy.
func copyPath(id string) string { return uploadsPath + id }

// made is a file of a run.
type made struct {
	path     string
	policy   upload.Policy
	versions map[string]bool // see UploadedFile.Versions
}

// makeFile writes size random bytes to a new file.
func makeFile(dir, name string, size int, rng *rand.Rand) (*made, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f := &made{path: filepath.Join(dir, name), versions: map[string]bool{}}
	sum, err := f.fill(size, rng)
	f.versions[sum] = true
	return f, err
}

// replace puts another file in the file's place, in one step: one that is still being written begins anew more than once.
func (f *made) replace(size int, rng *rand.Rand) (sum string, err error) {
	other := &made{path: f.path + ".new"}
	if sum, err = other.fill(size, rng); err != nil {
		return "", err
	}
	return sum, os.Rename(other.path, f.path)
}

// fill writes other bytes to the file, in its place.
func (f *made) fill(size int, rng *rand.Rand) (sum string, err error) {
	b := make([]byte, size)
	for i := 0; i+8 <= len(b); i += 8 {
		n := rng.Uint64()
		for j := range 8 {
			b[i+j] = byte(n >> (8 * j))
		}
	}
	for i := size &^ 7; i < size; i++ {
		b[i] = byte(rng.Uint32())
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:]), os.WriteFile(f.path, b, 0o600)
}

func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	return readerSum(f)
}

func readerSum(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reader reads what the server hands out, by a way of its own that nothing is wrong with.
type reader struct {
	url       string
	transport *http.Transport
	tokens    map[string]string // by user
}

// newReader makes one. Close it.
func (w *World) newReader() (*reader, error) {
	r, err := w.carrier.attach("reader")
	if err != nil {
		return nil, err
	}
	c := r.link.Conditions()
	c.Up.Rate, c.Down.Rate = 0, 0
	r.link.Set(c)
	return &reader{url: r.url, transport: &http.Transport{DialContext: r.dial}, tokens: map[string]string{}}, nil
}

func (r *reader) close() { r.transport.CloseIdleConnections() }

// sum downloads a copy as a user and returns its SHA-256.
func (r *reader) sum(ctx context.Context, user, id string) (string, error) {
	if r.tokens[user] == "" {
		t, err := login(ctx, r.url, r.transport, user, user+"-reader")
		if err != nil {
			return "", err
		}
		r.tokens[user] = t.Access.Reveal()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+copyPath(id), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+r.tokens[user])
	res, err := r.transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("download %s as %s: status %d", id, user, res.StatusCode)
	}
	return readerSum(res.Body)
}

// downloads has every file that is done read: by its owner, or, where it went with a message, by somebody else who was
// shown that.
func (v *UploadView) downloads(ctx context.Context, w *World) error {
	r, err := w.newReader()
	if err != nil {
		return err
	}
	defer r.close()
	for i := range v.Files {
		f := &v.Files[i]
		if f.Upload.State != upload.Done {
			continue
		}
		user := f.Client
		if _, ok := chatsdk.MessageOf(f.Upload); ok {
			user = w.somebodyElse(user)
		}
		if f.Downloaded, err = r.sum(ctx, user, copyID(f.Upload.URL)); err != nil {
			f.Downloaded = err.Error()
		}
	}
	return nil
}

// somebodyElse is another user, or the same where there is none.
func (w *World) somebodyElse(user string) string {
	for _, d := range w.Devices() {
		if d.User != user {
			return d.User
		}
	}
	return user
}

// of returns the patches of a copy in order.
func (v *UploadView) of(id string) []Patch {
	out := slices.Clone(v.Patches)
	out = slices.DeleteFunc(out, func(p Patch) bool { return !strings.HasSuffix(p.Path, "/"+id) })
	slices.SortStableFunc(out, func(a, b Patch) int { return a.Began.Compare(b.Began) })
	return out
}
