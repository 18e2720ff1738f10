package upload_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// tusServer is a small strict tus 1.0 server that misbehaves on demand. A newer request for a copy takes it over from an
// older one that is still reading, as tusd does.
type tusServer struct {
	algorithms string        // of checksums, "" for no such extension
	keys       bool          // a creation with a key seen before gives the same copy, one that differs otherwise 409
	compares   bool          // a copy that isn't what the creation or the last chunk announced is deleted, and 422 answered
	digests    bool          // replies tell Repr-Digest once a copy is whole
	expire     time.Duration // told as Upload-Expires; 0 is not
	maxSize    int64
	script     func(r *http.Request, c *tusCopy) *fault // or nil

	mu        sync.Mutex // guards below
	token     string     // that is good; "" takes any
	copies    map[string]*tusCopy
	made      int
	received  int64    // bytes of bodies
	discarded int64    // bytes of chunks that didn't come whole and undamaged
	log       []string // requests as they were answered
	leaks     []string // requests that came without what they need, or with too much
}

// tusCopy is what the server has of one upload.
type tusCopy struct {
	id, key string
	length  int64
	meta    map[string]string
	data    []byte
	gone    int // status, once it is gone
	holder  *http.ResponseController
	free    chan struct{} // closed when holder is done; nil if nobody holds it
}

// fault is what goes wrong with one request.
type fault struct {
	status  int               // answered instead of doing anything
	header  map[string]string // of that answer, or over that of the real one
	bare    bool              // without Tus-Resumable
	lose    bool              // it is done, and the answer lost
	after   int64             // the connection breaks after so many bytes of a PATCH; 0 never
	forget  int64             // so many bytes at the end are forgotten before
	slow    time.Duration     // it is done that much later
	vanish  int               // the copy is gone from now on, with this status
	corrupt bool              // what arrives is damaged on its way to the disk
	alter   bool              // a byte that was acknowledged is another from now on
}

func newTusServer() *tusServer {
	return &tusServer{copies: map[string]*tusCopy{}, keys: true, digests: true}
}

func newHash(algorithm string) hash.Hash {
	if strings.HasPrefix(algorithm, "sha256") {
		return sha256.New()
	}
	return sha1.New()
}

func (s *tusServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/files/")
	s.mu.Lock()
	c := s.copies[id]
	good := s.token == "" || r.Header.Get("Authorization") == "Bearer "+s.token
	if r.Header.Get("Tus-Resumable") != "1.0.0" {
		s.leaks = append(s.leaks, r.Method+" without Tus-Resumable")
	}
	s.mu.Unlock()
	if c != nil && (r.Method == http.MethodHead || r.Method == http.MethodPatch || r.Method == http.MethodDelete) {
		s.take(c)
	}
	f := &fault{}
	if s.script != nil {
		if got := s.script(r, c); got != nil {
			f = got
		}
	}
	if f.slow > 0 {
		time.Sleep(f.slow)
	}
	if !f.bare {
		w.Header().Set("Tus-Resumable", "1.0.0")
	}
	if c != nil && f.vanish != 0 {
		s.mu.Lock()
		c.gone, c.data = f.vanish, nil
		s.mu.Unlock()
	}
	switch {
	case f.status != 0:
		s.answer(w, r, f.status, f)
	case !good:
		s.answer(w, r, http.StatusUnauthorized, f)
	default:
		s.serve(w, r, c, f)
	}
}

// answer writes a reply, with what the fault says over it.
func (s *tusServer) answer(w http.ResponseWriter, r *http.Request, status int, f *fault) {
	s.mu.Lock()
	s.log = append(s.log, fmt.Sprintf("%s %s%d", r.Method, r.Header.Get("Upload-Offset")+">", status))
	s.mu.Unlock()
	if f.lose {
		panic(http.ErrAbortHandler)
	}
	for name, value := range f.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
}

// take makes an older request for the copy give up, and waits until it has.
func (s *tusServer) take(c *tusCopy) {
	for {
		s.mu.Lock()
		holder, free := c.holder, c.free
		s.mu.Unlock()
		if free == nil {
			return
		}
		_ = holder.SetReadDeadline(time.Unix(1, 0))
		<-free
	}
}

func (s *tusServer) serve(w http.ResponseWriter, r *http.Request, c *tusCopy, f *fault) {
	if r.Method == http.MethodOptions {
		w.Header().Set("Tus-Version", "1.0.0")
		w.Header().Set("Tus-Extension", "creation,termination,expiration")
		if s.algorithms != "" {
			w.Header().Set("Tus-Extension", "creation, checksum ,termination")
			w.Header().Set("Tus-Checksum-Algorithm", s.algorithms)
		}
		if s.maxSize > 0 {
			w.Header().Set("Tus-Max-Size", strconv.FormatInt(s.maxSize, 10))
		}
		s.answer(w, r, http.StatusNoContent, f)
		return
	}
	if r.Method == http.MethodPost {
		s.create(w, r, f)
		return
	}
	s.mu.Lock()
	gone := http.StatusNotFound
	if c != nil {
		gone = c.gone
		if f.forget > 0 {
			c.data = c.data[:max(0, int64(len(c.data))-f.forget)]
		}
		if f.alter {
			c.data[0] ^= 1
		}
	}
	s.mu.Unlock()
	switch {
	case gone != 0:
		s.answer(w, r, gone, f)
	case r.Method == http.MethodHead:
		s.tell(w, c)
		w.Header().Set("Upload-Length", strconv.FormatInt(c.length, 10))
		w.Header().Set("Cache-Control", "no-store")
		s.answer(w, r, http.StatusOK, f)
	case r.Method == http.MethodPatch:
		s.patch(w, r, c, f)
	case r.Method == http.MethodDelete:
		s.mu.Lock()
		c.gone, c.data = http.StatusGone, nil
		s.mu.Unlock()
		s.answer(w, r, http.StatusNoContent, f)
	default:
		s.answer(w, r, http.StatusMethodNotAllowed, f)
	}
}

func (s *tusServer) create(w http.ResponseWriter, r *http.Request, f *fault) {
	length, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	meta := map[string]string{}
	for pair := range strings.SplitSeq(r.Header.Get("Upload-Metadata"), ",") {
		name, value, _ := strings.Cut(pair, " ")
		raw, bad := base64.StdEncoding.DecodeString(value)
		if bad != nil {
			err = bad
		}
		meta[name] = string(raw)
	}
	if err != nil {
		s.answer(w, r, http.StatusBadRequest, f)
		return
	}
	s.mu.Lock()
	var c *tusCopy
	for _, old := range s.copies {
		if s.keys && old.key == meta["key"] && old.gone == 0 {
			c = old
		}
	}
	other := c != nil && (c.length != length || !maps.Equal(c.meta, meta))
	if c == nil {
		s.made++
		c = &tusCopy{id: fmt.Sprint("copy-", s.made), key: meta["key"], length: length, meta: meta}
		s.copies[c.id] = c
	}
	s.mu.Unlock()
	if other {
		s.answer(w, r, http.StatusConflict, f)
		return
	}
	w.Header().Set("Location", "/files/"+c.id)
	if s.expire > 0 {
		w.Header().Set("Upload-Expires", time.Now().Add(s.expire).UTC().Format(http.TimeFormat))
	}
	s.answer(w, r, http.StatusCreated, f)
}

// tell writes what the server has of a copy.
func (s *tusServer) tell(w http.ResponseWriter, c *tusCopy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Upload-Offset", strconv.Itoa(len(c.data)))
	if sum := sha256.Sum256(c.data); s.digests && int64(len(c.data)) == c.length {
		w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	}
}

// hold makes this request the copy's holder until the returned function is called.
func (s *tusServer) hold(w http.ResponseWriter, c *tusCopy) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := make(chan struct{})
	c.holder, c.free = http.NewResponseController(w), free
	return sync.OnceFunc(func() {
		s.mu.Lock()
		c.holder, c.free = nil, nil
		s.mu.Unlock()
		close(free)
	})
}

func (s *tusServer) patch(w http.ResponseWriter, r *http.Request, c *tusCopy, f *fault) {
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	s.mu.Lock()
	have := int64(len(c.data))
	s.mu.Unlock()
	switch {
	case err != nil || r.Header.Get("Content-Type") != "application/offset+octet-stream":
		s.answer(w, r, http.StatusUnsupportedMediaType, f)
		return
	case offset != have:
		s.answer(w, r, http.StatusConflict, f)
		return
	case r.ContentLength < 0 || offset+r.ContentLength > c.length:
		s.answer(w, r, http.StatusBadRequest, f)
		return
	}
	release := s.hold(w, c)
	defer release()
	status := s.read(r, c, f)
	release()
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	if status == http.StatusNoContent && s.other(r, c) {
		s.answer(w, r, http.StatusUnprocessableEntity, f)
		return
	}
	s.tell(w, c)
	s.answer(w, r, status, f)
}

// other deletes a copy that is whole and isn't what was announced.
func (s *tusServer) other(r *http.Request, c *tusCopy) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw := sha256.Sum256(c.data)
	sum := hex.EncodeToString(raw[:])
	wants := []string{c.meta["sha256"], upload.Digest(r.Header)}
	if !s.compares || int64(len(c.data)) < c.length || !slices.ContainsFunc(wants, func(w string) bool { return w != "" && w != sum }) {
		return false
	}
	c.gone, c.data = http.StatusNotFound, nil
	return true
}

// read takes a body in; 0 means that it broke off.
func (s *tusServer) read(r *http.Request, c *tusCopy, f *fault) int {
	algorithm, want, summed := strings.Cut(r.Header.Get("Upload-Checksum"), " ")
	if summed != (s.algorithms != "") || summed && !slices.Contains(strings.Split(s.algorithms, ","), algorithm) {
		s.mu.Lock()
		s.leaks = append(s.leaks, "checksum "+algorithm)
		s.mu.Unlock()
		return http.StatusBadRequest
	}
	var chunk bytes.Buffer // kept back until its checksum is known
	buf := make([]byte, 32<<10)
	for total := int64(0); ; {
		n, err := r.Body.Read(buf)
		if f.after > 0 && total+int64(n) > f.after {
			n, err = int(f.after-total), errors.New("broken")
		}
		total += int64(n)
		if f.corrupt && n > 0 {
			buf[0] ^= 1
		}
		s.mu.Lock()
		s.received += int64(n)
		if summed {
			chunk.Write(buf[:n])
		} else {
			c.data = append(c.data, buf[:n]...)
		}
		s.mu.Unlock()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			s.discard(chunk.Len())
			return 0
		}
	}
	if summed {
		h := newHash(algorithm)
		if algorithm == "sha256-prefix" {
			s.mu.Lock()
			h.Write(c.data)
			s.mu.Unlock()
		}
		h.Write(chunk.Bytes())
		if base64.StdEncoding.EncodeToString(h.Sum(nil)) != want {
			s.discard(chunk.Len())
			return 460
		}
		s.mu.Lock()
		c.data = append(c.data, chunk.Bytes()...)
		s.mu.Unlock()
	}
	return http.StatusNoContent
}

func (s *tusServer) discard(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discarded += int64(n)
}

// live returns the copies that the server still has, in no order.
func (s *tusServer) live() []*tusCopy {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*tusCopy
	for _, c := range s.copies {
		if c.gone == 0 {
			out = append(out, c)
		}
	}
	return out
}

// requests returns what was answered so far.
func (s *tusServer) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, ", ")
}
