package uploads_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/uploads"
)

func small(c *server.Config) {
	c.Uploads.MaxBytes, c.Uploads.QuotaBytes, c.Uploads.QuotaCount = 1000, 2500, 10
}

// TestCreation holds the table of creations, after the sections "Creation", "Creation With Upload" and "Checksum" of
// tus 1.0.
func TestCreation(t *testing.T) {
	many := make([]string, 0, 80)
	for i := range 40 {
		many = append(many, fmt.Sprint("k", i), "v")
	}
	for _, c := range []struct {
		name    string
		headers []string
		body    any
		status  int
		code    string
	}{
		{"a length", []string{"Upload-Length", "100"}, nil, 201, ""},
		{"no length", nil, nil, 400, wire.CodeBadRequest},
		{"a negative length", []string{"Upload-Length", "-1"}, nil, 400, wire.CodeBadRequest},
		{"no number", []string{"Upload-Length", "ten"}, nil, 400, wire.CodeBadRequest},
		{"beyond 64 bits", []string{"Upload-Length", "99999999999999999999"}, nil, 400, wire.CodeBadRequest},
		{"a huge length", []string{"Upload-Length", "9223372036854775807"}, nil, 413, wire.CodeTooLarge},
		{"one more than Tus-Max-Size", []string{"Upload-Length", "1001"}, nil, 413, wire.CodeTooLarge},
		{"nothing at all", []string{"Upload-Length", "0"}, nil, 201, ""},
		{"deferred", []string{"Upload-Defer-Length", "1"}, nil, 201, ""},
		{"deferred wrongly", []string{"Upload-Defer-Length", "2"}, nil, 400, wire.CodeBadRequest},
		{"deferred and not", []string{"Upload-Defer-Length", "1", "Upload-Length", "1"}, nil, 400, wire.CodeBadRequest},
		{"without Tus-Resumable", []string{"Upload-Length", "1", "Tus-Resumable", ""}, nil, 412, wire.CodeTusVersion},
		{"another version", []string{"Upload-Length", "1", "Tus-Resumable", "0.2.2"}, nil, 412, wire.CodeTusVersion},
		{"metadata", []string{"Upload-Length", "1", "Upload-Metadata", meta("filename", "a.txt") + ",empty"}, nil, 201, ""},
		{"metadata twice", []string{"Upload-Length", "1", "Upload-Metadata", "a YQ==,a YQ=="}, nil, 400, wire.CodeBadRequest},
		{"metadata no base64", []string{"Upload-Length", "1", "Upload-Metadata", "a ***"}, nil, 400, wire.CodeBadRequest},
		{"metadata no key", []string{"Upload-Length", "1", "Upload-Metadata", ","}, nil, 400, wire.CodeBadRequest},
		{"many metadata", []string{"Upload-Length", "1", "Upload-Metadata", meta(many...)}, nil, 400, wire.CodeBadRequest},
		{"long metadata", []string{"Upload-Length", "1", "Upload-Metadata", meta("a", strings.Repeat("x", uploads.MaxMetadataBytes))}, nil, 400, wire.CodeBadRequest},
		{"a long key", []string{"Upload-Length", "1", "Upload-Metadata", meta("key", strings.Repeat("x", uploads.MaxKey+1))}, nil, 400, wire.CodeBadRequest},
		{"no digest", []string{"Upload-Length", "1", "Upload-Metadata", meta("sha256", "beef")}, nil, 400, wire.CodeBadRequest},
		{"another digest of nothing", []string{"Upload-Length", "0", "Upload-Metadata", meta("sha256", digest([]byte("x")))}, nil, 422, wire.CodeDigestMismatch},
		{"with upload", []string{"Upload-Length", "9", "Content-Type", "application/offset+octet-stream"}, "abc", 201, ""},
		{"with more than that", []string{"Upload-Length", "2", "Content-Type", "application/offset+octet-stream"}, "abc", 413, wire.CodeTooLarge},
		{"with a checksum", []string{
			"Upload-Length", "3", "Content-Type", "application/offset+octet-stream", "Upload-Checksum", sha1Header([]byte("abc")),
		}, "abc", 201, ""},
		{"with a wrong checksum", []string{
			"Upload-Length", "3", "Content-Type", "application/offset+octet-stream", "Upload-Checksum", sha1Header([]byte("abd")),
		}, "abc", 460, wire.CodeChecksumMismatch},
		{"a final of nothing", []string{"Upload-Concat", "final;"}, nil, 400, wire.CodeBadRequest},
		{"a final of a file", []string{"Upload-Concat", "final;/api/uploads/../../etc/passwd"}, nil, 404, wire.CodeNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, func(h *house) error {
				for _, path := range []string{"/api/uploads", "/api/uploads/"} {
					a := h.do("POST", path, "alice", c.body, c.headers...)
					if err := a.want(path, c.status, c.code); err != nil {
						return err
					}
					if (a.header.Get("Location") == "") != (c.status != 201) && c.status != 460 && c.status != 413 {
						return fmt.Errorf("%v", a)
					}
				}
				return nil
			}, small)
		})
	}
}

// chunk is a PATCH request to an upload of 10 bytes that has 4, and what comes of it.
type chunk struct {
	name    string
	offset  string
	body    []byte
	headers []string
	status  int
	code    string
	after   int64 // that the server has; -1 if the upload is gone
}

// TestChunks holds the table of them, after "PATCH" and "Checksum".
func TestChunks(t *testing.T) {
	rest := []byte("efghij")
	for _, c := range []chunk{
		{"the rest", "4", rest, nil, 204, "", 10},
		{"a part", "4", rest[:1], nil, 204, "", 5},
		{"nothing", "4", nil, nil, 204, "", 4},
		{"a byte less", "3", rest, nil, 409, wire.CodeOffsetMismatch, 4},
		{"a hole", "5", rest, nil, 409, wire.CodeOffsetMismatch, 4},
		{"beyond the length", "11", rest, nil, 409, wire.CodeOffsetMismatch, 4},
		{"more than the length", "4", []byte("efghijk"), nil, 413, wire.CodeTooLarge, 4},
		{"no offset", "", rest, nil, 400, wire.CodeBadRequest, 4},
		{"a negative offset", "-4", rest, nil, 400, wire.CodeBadRequest, 4},
		{"another type", "4", rest, []string{"Content-Type", "text/plain"}, 415, wire.CodeMediaType, 4},
		{"another version", "4", rest, []string{"Tus-Resumable", "2"}, 412, wire.CodeTusVersion, 4},
		{"another length", "4", rest, []string{"Upload-Length", "10"}, 400, wire.CodeBadRequest, 4},
		{"sha1", "4", rest, []string{"Upload-Checksum", sha1Header(rest)}, 204, "", 10},
		{"sha256", "4", rest, []string{"Upload-Checksum", sha256Header(rest)}, 204, "", 10},
		{"sha256-prefix", "4", rest, []string{"Upload-Checksum", prefixHeader([]byte("abcdefghij"))}, 204, "", 10},
		{"sha256-prefix of a part", "4", rest[:3], []string{"Upload-Checksum", prefixHeader([]byte("abcdefg"))}, 204, "", 7},
		{"sha256-prefix of the chunk alone", "4", rest, []string{"Upload-Checksum", prefixHeader(rest)}, 460, wire.CodeChecksumMismatch, 4},
		{"sha256-prefix of another beginning", "4", rest, []string{"Upload-Checksum", prefixHeader([]byte("abcxefghij"))}, 460, wire.CodeChecksumMismatch, 4},
		{"a short sha256-prefix", "4", rest, []string{"Upload-Checksum", "sha256-prefix AAAA"}, 400, wire.CodeBadRequest, 4},
		{"wrong sha1", "4", rest, []string{"Upload-Checksum", sha1Header(rest[1:])}, 460, wire.CodeChecksumMismatch, 4},
		{"wrong sha256", "4", rest, []string{"Upload-Checksum", sha256Header(rest[1:])}, 460, wire.CodeChecksumMismatch, 4},
		{"md5", "4", rest, []string{"Upload-Checksum", "md5 AAAA"}, 400, wire.CodeBadRequest, 4},
		{"a short sum", "4", rest, []string{"Upload-Checksum", "sha1 AAAA"}, 400, wire.CodeBadRequest, 4},
		{"no sum", "4", rest, []string{"Upload-Checksum", "sha1"}, 400, wire.CodeBadRequest, 4},
	} {
		t.Run(c.name, c.run)
	}
}

// TestLastChunks holds that of those that say what the whole has to be (Repr-Digest, RFC 9530).
func TestLastChunks(t *testing.T) {
	rest := []byte("efghij")
	for _, c := range []chunk{
		{"the whole's digest", "4", rest, []string{"Repr-Digest", reprDigest("abcdefghij")}, 204, "", 10},
		{"the whole's digest among others", "4", rest, []string{"Repr-Digest", "md5=:AAAA:, " + reprDigest("abcdefghij") + ";x=1"}, 204, "", 10},
		{"another digest of the whole", "4", rest, []string{"Repr-Digest", reprDigest("abcdefghiX")}, 422, wire.CodeDigestMismatch, -1},
		{"another digest of the whole, the chunk is right", "4", rest, []string{
			"Repr-Digest", reprDigest("abcdefghiX"), "Upload-Checksum", sha1Header(rest),
		}, 422, wire.CodeDigestMismatch, -1},
		{"another digest, and not yet whole", "4", rest[:1], []string{"Repr-Digest", reprDigest("abcdefghiX")}, 204, "", 5},
		{"a digest of another kind", "4", rest, []string{"Repr-Digest", "sha-512=:AAAA:"}, 204, "", 10},
		{"a short digest", "4", rest, []string{"Repr-Digest", "sha-256=:AAAA:"}, 400, wire.CodeBadRequest, 4},
		{"a digest that isn't one", "4", rest, []string{"Repr-Digest", "sha-256=x"}, 400, wire.CodeBadRequest, 4},
	} {
		t.Run(c.name, c.run)
	}
}

func (c chunk) run(t *testing.T) {
	check(t, func(h *house) error {
		path, err := h.create("alice", 10)
		if err != nil {
			return err
		}
		if a := h.patch("alice", path, 0, []byte("abcd")); a.status != 204 || a.header.Get("Upload-Expires") == "" {
			return fmt.Errorf("begin: %v", a)
		}
		a := h.do("PATCH", path, "alice", c.body, append([]string{"Upload-Offset", c.offset}, c.headers...)...)
		if err := a.want("patch", c.status, c.code); err != nil {
			return err
		}
		if c.code == wire.CodeOffsetMismatch && a.offset() != 4 {
			return fmt.Errorf("the reply doesn't say the offset: %v", a)
		}
		if at := h.at("alice", path); at != c.after {
			return fmt.Errorf("at %d, want %d", at, c.after)
		}
		if c.after < 0 { // it is gone
			return nil
		}
		return h.finishTen(path, c.after)
	}, small)
}

// finishTen sends what is missing of "abcdefghij" and wants the right digest.
func (h *house) finishTen(path string, from int64) error {
	whole := []byte("abcdefghij")
	if from < 10 {
		if a := h.patch("alice", path, from, whole[from:]); a.status != 204 {
			return fmt.Errorf("finish: %v", a)
		}
	}
	if a := h.do("HEAD", path, "alice", nil); a.offset() != 10 || a.header.Get(wire.HeaderUploadSHA256) != digest(whole) {
		return fmt.Errorf("head: %v", a)
	}
	if a := h.do("GET", path, "alice", nil); string(a.body) != string(whole) {
		return fmt.Errorf("get: %v", a)
	}
	return nil
}

func TestDiscovery(t *testing.T) {
	check(t, func(h *house) error {
		a := h.do("OPTIONS", "/api/uploads/", "", nil)
		for name, want := range map[string]string{
			"Tus-Version": "1.0.0", "Tus-Max-Size": "1000", "Tus-Checksum-Algorithm": "sha256-prefix,sha256,sha1",
			"Tus-Extension": "creation,creation-with-upload,creation-defer-length,termination,concatenation,checksum,expiration",
		} {
			if a.status != 204 || a.header.Get(name) != want {
				return fmt.Errorf("%s: %v", name, a)
			}
		}
		if !strings.Contains(a.header.Get(wire.HeaderCapabilities), "uploads") || !strings.Contains(a.header.Get(wire.HeaderLimits), `"uploadBytes":1000`) {
			return fmt.Errorf("%v", a)
		}
		return h.do("PUT", "/api/uploads/", "alice", nil).want("put", 405, wire.CodeMethodNotAllowed)
	}, small)
}

func TestDeferredLength(t *testing.T) {
	check(t, func(h *house) error {
		a := h.do("POST", "/api/uploads", "alice", nil, "Upload-Defer-Length", "1")
		path := a.header.Get("Location")
		if head := h.do("HEAD", path, "alice", nil); head.header.Get("Upload-Defer-Length") != "1" || head.header.Get("Upload-Length") != "" {
			return fmt.Errorf("head: %v", head)
		}
		if a := h.patch("alice", path, 0, []byte("abcdefghij")); a.status != 204 || a.header.Get(wire.HeaderUploadSHA256) != "" {
			return fmt.Errorf("patch: %v", a)
		}
		if a := h.patch("alice", path, 10, nil, "Upload-Length", "9"); a.status != 400 {
			return fmt.Errorf("less than there is: %v", a)
		}
		if a := h.patch("alice", path, 10, nil, "Upload-Length", "10"); a.status != 204 || a.header.Get(wire.HeaderUploadSHA256) == "" {
			return fmt.Errorf("declare: %v", a)
		}
		return h.finishTen(path, 10)
	}, small)
}

func TestMethodOverride(t *testing.T) {
	check(t, func(h *house) error {
		path, err := h.create("alice", 10)
		if err != nil {
			return err
		}
		a := h.do("POST", path, "alice", "abcdefghij", "X-HTTP-Method-Override", "PATCH", "Upload-Offset", "0",
			"Content-Type", "application/offset+octet-stream")
		if err := a.want("patch", 204, ""); err != nil {
			return err
		}
		if err := h.do("POST", path, "alice", nil, "X-HTTP-Method-Override", "DELETE").want("delete", 204, ""); err != nil {
			return err
		}
		return h.do("DELETE", path, "alice", nil).want("again", 404, wire.CodeNotFound)
	}, small)
}

func TestConcatenation(t *testing.T) {
	check(t, func(h *house) error {
		one, err := h.put("alice", []byte("abcd"), "Upload-Concat", "partial")
		if err != nil {
			return err
		}
		two, err := h.put("alice", []byte("efghij"), "Upload-Concat", "partial")
		if err != nil {
			return err
		}
		none, err := h.put("alice", nil, "Upload-Concat", "partial")
		if err != nil {
			return err
		}
		open, err := h.create("alice", 4, "Upload-Concat", "partial")
		if err != nil {
			return err
		}
		plain, err := h.put("alice", []byte("x"))
		if err != nil {
			return err
		}
		final := func(user string, parts ...string) answer {
			return h.do("POST", "/api/uploads", user, nil, "Upload-Concat", "final;"+strings.Join(parts, " "),
				"Upload-Metadata", meta("sha256", digest([]byte("abcdefghij")), "key", digest([]byte(strings.Join(parts, "")))))
		}
		for name, c := range map[string]struct {
			answer
			status int
			code   string
		}{
			"unfinished":     {final("alice", one, open), 409, wire.CodeUploadUnfinished},
			"no part":        {final("alice", plain, two), 400, wire.CodeBadRequest},
			"somebody's":     {final("eve", one, two), 404, wire.CodeNotFound},
			"the wrong way":  {final("alice", two, one), 422, wire.CodeDigestMismatch},
			"with an upload": {h.do("POST", "/api/uploads", "alice", "x", "Upload-Concat", "final;"+one, "Content-Type", "application/offset+octet-stream"), 403, wire.CodeForbidden},
		} {
			if err := c.want(name, c.status, c.code); err != nil {
				return err
			}
		}
		a := final("alice", one, none, "http://example.com"+two)
		if a.status != 201 || a.header.Get(wire.HeaderUploadSHA256) == "" {
			return fmt.Errorf("final: %v", a)
		}
		path := a.header.Get("Location")
		if again := final("alice", one, none, "http://example.com"+two); again.header.Get("Location") != path {
			return fmt.Errorf("again: %v", again)
		}
		if head := h.do("HEAD", path, "alice", nil); !strings.HasPrefix(head.header.Get("Upload-Concat"), "final;") {
			return fmt.Errorf("head: %v", head)
		}
		if err := h.patch("alice", path, 10, []byte("x")).want("patch", 403, wire.CodeForbidden); err != nil {
			return err
		}
		return h.finishTen(path, 10)
	}, small)
}
