package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// spoolEnding marks the files that are the agent's, so that nothing else in the folder is touched.
	spoolEnding = ".upload"
	// quietBody bounds how long a file's body may bring nothing.
	quietBody = 30 * time.Second
	// maxNameBytes is the longest name of a file on most systems.
	maxNameBytes = 255
)

// errSpoolFull says that the files that wait have no room for one more.
var errSpoolFull = errors.New("agent: too much waits to be uploaded; try again when some of it is done")

// spool is the folder where files wait until they are uploaded. It may be used concurrently.
type spool struct {
	dir  string // "" until it is needed, where nobody gave one
	most int64

	mu    sync.Mutex // guards below
	ours  bool       // the folder was made for this run
	files map[string]int64
	used  int64 // bytes of them all
}

// open looks at what a former run left, and removes what no upload wants any more.
func (s *spool) open(ctx context.Context, client *chatsdk.Client) error {
	s.files = map[string]int64{}
	if s.dir == "" {
		return nil
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	s.dir = dir
	found, err := filepath.Glob(filepath.Join(globQuoted(dir), "*"+spoolEnding))
	if err != nil || len(found) == 0 {
		return err
	}
	uploads, err := client.Uploads(ctx)
	if err != nil {
		return err
	}
	for _, path := range found {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		s.files[path], s.used = info.Size(), s.used+info.Size()
	}
	wanted := map[string]bool{}
	for _, u := range uploads {
		if u.State != upload.Done && u.State != upload.Cancelled {
			wanted[u.Path] = true
		}
	}
	for path := range s.files {
		if !wanted[path] {
			s.remove(path)
		}
	}
	return nil
}

// globQuoted is a path in which nothing is a pattern.
func globQuoted(path string) string {
	var out []rune
	for _, r := range path {
		if r == '*' || r == '?' || r == '[' || r == '\\' && filepath.Separator != '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// take makes room for a file, and gives its path.
func (s *spool) take(size int64) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.most-s.used {
		return "", errSpoolFull
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "chatsdk-agent-")
		if err != nil {
			return "", err
		}
		s.dir, s.ours = dir, true
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, uuid.NewString()+spoolEnding)
	s.files[path], s.used = size, s.used+size
	return path, nil
}

// remove removes a file, if it is one of the spool's.
func (s *spool) remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok := s.files[path]
	if !ok {
		return
	}
	if err := os.Remove(path); err == nil || errors.Is(err, os.ErrNotExist) {
		delete(s.files, path)
		s.used -= size
	}
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ours {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// upload takes a file and queues it with a message.
func (a *Agent) upload(w http.ResponseWriter, r *http.Request) {
	if !typed(w, r, typeBytes) {
		return
	}
	q := r.URL.Query()
	e, f := outbox.Entry{Channel: q.Get("channel"), Text: q.Get("text")}, chatsdk.File{Name: q.Get("name")}
	switch {
	case f.Name == "" || len(f.Name) > maxNameBytes:
		refuse(w, http.StatusBadRequest, codeBadRequest, fmt.Sprintf("name has to be there, with at most %d bytes", maxNameBytes))
		return
	case r.ContentLength < 0:
		refuse(w, http.StatusLengthRequired, codeBadRequest, "Content-Length is needed")
		return
	case r.ContentLength > a.opts.MaxUpload:
		refuse(w, http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("at most %d bytes", a.opts.MaxUpload))
		return
	}
	err := a.beforeQueue(r.Context())
	if err == nil {
		f.Path, err = a.spool.take(r.ContentLength)
	}
	if err == nil {
		if err = receive(w, r, f.Path); err == nil {
			e, err = a.client.SendFiles(r.Context(), e, f)
		}
		if err != nil {
			a.spool.remove(f.Path)
		}
	}
	if err != nil {
		refuseFor(w, err)
		return
	}
	id, _ := chatsdk.UploadOf(e.Needs[0])
	answer(w, http.StatusAccepted, struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	}{id, e.ID})
}

// receive writes a request's body to a new file, and returns when it is on disk.
func receive(w http.ResponseWriter, r *http.Request, path string) (err error) {
	control := http.NewResponseController(w)
	stop := context.AfterFunc(r.Context(), func() { _ = control.SetReadDeadline(time.Now()) })
	defer stop()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body := &patientBody{Reader: r.Body, ctx: r.Context(), control: control}
	if _, err := io.Copy(f, body); err != nil {
		return err
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return f.Sync() // the upload that is kept mustn't outlive it
}

// patientBody is a body that may take long, but not bring nothing for long.
type patientBody struct {
	io.Reader
	ctx     context.Context // of the request, for its length
	control *http.ResponseController
}

func (b *patientBody) Read(p []byte) (int, error) {
	if err := b.control.SetReadDeadline(time.Now().Add(quietBody)); err != nil {
		return 0, err
	}
	if err := b.ctx.Err(); err != nil { // asked after the deadline was set, which its end may have made the past
		return 0, err
	}
	return b.Reader.Read(p)
}
