package uploads_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

const password = "correct horse"

var users = []string{"alice", "bob", "eve"}

// house is a server on a disk that can fail. What a check of it finds is an error, so that planted mistakes can be tried
// in the same process.
type house struct {
	db     *sqlite.DB
	disk   *disk
	s      *server.Server
	tokens map[string]string
	change func(*server.Config)
}

// run calls a check with a house of its own.
func run(check func(*house) error, change func(*server.Config)) (err error) {
	db, err := sqlite.OpenMemory(context.Background(), "uploads")
	if err != nil {
		return err
	}
	defer db.Close()
	h := &house{db: db, disk: newDisk(), tokens: map[string]string{}, change: change}
	if err := h.start(); err != nil {
		return err
	}
	defer func() {
		if e := h.s.Kill(); err == nil {
			err = e
		}
	}()
	for _, u := range users {
		if err := h.s.AddUser(context.Background(), u, password); err != nil {
			return err
		}
		var in wire.TokenReply
		a := h.do("POST", "/api/auth/login", "", fmt.Sprintf(`{"user":%q,"password":%q,"device":"d"}`, u, password))
		if err := json.Unmarshal(a.body, &in); err != nil || in.Token == "" {
			return fmt.Errorf("login: %d %s", a.status, a.body)
		}
		h.tokens[u] = in.Token
	}
	if err := h.s.AddChannel(context.Background(), "secret", true, []string{"alice", "bob"}); err != nil {
		return err
	}
	return check(h)
}

func (h *house) start() error {
	cfg := server.Config{
		Store: h.db, Key: bytes.Repeat([]byte("k"), 32), Argon: server.Argon{Time: 1, MemoryKiB: 8, Threads: 1},
		Logger: slog.New(slog.DiscardHandler), Uploads: server.Uploads{FS: h.disk},
	}
	if h.change != nil {
		h.change(&cfg)
	}
	var err error
	if h.s, err = server.New(cfg); err != nil {
		return err
	}
	return h.s.Start(context.Background())
}

// check runs one as a test.
func check(t *testing.T, f func(*house) error, change func(*server.Config)) {
	t.Helper()
	if err := run(f, change); err != nil {
		t.Fatal(err)
	}
}

// answer is a reply.
type answer struct {
	status int
	header http.Header
	body   []byte
	code   string // of a problem
}

func (a answer) String() string {
	return fmt.Sprintf("%d %q, %v, %.300s", a.status, a.code, a.header, a.body)
}

func (a answer) offset() int64 {
	n, err := strconv.ParseInt(a.header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// do sends a request of a user, or of nobody, with headers as name, value, ….
func (h *house) do(method, path, user string, body any, headers ...string) answer {
	var r io.Reader
	switch b := body.(type) {
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	case io.Reader:
		r = b
	}
	req := httptest.NewRequest(method, path, r)
	req.Header.Set("Tus-Resumable", "1.0.0")
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+h.tokens[user])
	}
	if method == "PATCH" {
		req.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Content-Length" {
			req.ContentLength, _ = strconv.ParseInt(headers[i+1], 10, 64)
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	rec := httptest.NewRecorder()
	h.s.Handler().ServeHTTP(rec, req)
	a := answer{status: rec.Code, header: rec.Header(), body: rec.Body.Bytes()}
	if a.status >= 400 {
		var p wire.Problem
		if err := json.Unmarshal(a.body, &p); err != nil || p.Code == "" || p.Status != a.status || p.Title == "" {
			a.code = "no problem: " + string(a.body)
			return a
		}
		a.code = p.Code
	}
	return a
}

// create makes an upload and answers its path.
func (h *house) create(user string, length int, headers ...string) (string, error) {
	a := h.do("POST", "/api/uploads", user, nil, append([]string{"Upload-Length", strconv.Itoa(length)}, headers...)...)
	if a.status != 201 {
		return "", fmt.Errorf("create: %v", a)
	}
	return a.header.Get("Location"), nil
}

func (h *house) patch(user, path string, offset int64, body []byte, headers ...string) answer {
	return h.do("PATCH", path, user, body, append([]string{"Upload-Offset", strconv.FormatInt(offset, 10)}, headers...)...)
}

// put uploads a file whole and answers its path.
func (h *house) put(user string, body []byte, headers ...string) (string, error) {
	path, err := h.create(user, len(body), headers...)
	if err != nil || len(body) == 0 {
		return path, err
	}
	if a := h.patch(user, path, 0, body); a.status != 204 || a.header.Get(wire.HeaderUploadSHA256) != digest(body) {
		return "", fmt.Errorf("patch: %v", a)
	}
	return path, nil
}

func (h *house) at(user, path string) int64 { return h.do("HEAD", path, user, nil).offset() }

// post sends a message with attachments.
func (h *house) post(user, channel string, n int, attachments string) answer {
	body := fmt.Sprintf(`{"id":"00000000-0000-7000-8000-%012d","text":"see","attachments":%s}`, n, attachments)
	return h.do("POST", "/api/channels/"+channel+"/messages", user, body)
}

func id(path string) string { return path[strings.LastIndex(path, "/")+1:] }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sha1Header(b []byte) string {
	sum := sha1.Sum(b)
	return "sha1 " + base64.StdEncoding.EncodeToString(sum[:])
}

func sha256Header(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256 " + base64.StdEncoding.EncodeToString(sum[:])
}

// prefixHeader is for the upload's bytes up to the end of the chunk.
func prefixHeader(b []byte) string { return strings.Replace(sha256Header(b), " ", "-prefix ", 1) }

// reprDigest is Repr-Digest for the whole.
func reprDigest(whole string) string {
	return strings.Replace(sha256Header([]byte(whole)), "sha256 ", "sha-256=:", 1) + ":"
}

// meta makes Upload-Metadata of key, value, ….
func meta(pairs ...string) string {
	var out []string
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(out, ",")
}

// want is an error unless the answer has the status and the code.
func (a answer) want(what string, status int, code string) error {
	if a.status != status || a.code != code {
		return fmt.Errorf("%s: %v; want %d %q", what, a, status, code)
	}
	return nil
}
