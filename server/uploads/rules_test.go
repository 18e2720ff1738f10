package uploads_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server"
)

// ownersOnly walks all that can be done with an upload as its owner's stranger, as a member of the channel it is posted
// to, and as nobody.
func ownersOnly(h *house) error {
	whole := []byte("abcdefghij")
	done, err := h.put("alice", whole)
	if err != nil {
		return err
	}
	open, err := h.create("alice", 10, "Upload-Concat", "partial")
	if err != nil {
		return err
	}
	for _, user := range []string{"eve", "bob", ""} {
		status, code := 404, wire.CodeNotFound
		if user == "" {
			status, code = 401, wire.CodeUnauthorized
		}
		for _, path := range []string{done, open} {
			for name, a := range map[string]answer{
				"HEAD": h.do("HEAD", path, user, nil), "DELETE": h.do("DELETE", path, user, nil),
				"GET": h.do("GET", path, user, nil), "PATCH": h.patch(user, path, 0, whole),
				"override": h.do("POST", path, user, nil, "X-HTTP-Method-Override", "DELETE"),
				"concat":   h.do("POST", "/api/uploads", user, nil, "Upload-Concat", "final;"+path),
			} {
				if err := a.want(user+" "+name, status, code); err != nil {
					return err
				}
			}
		}
		if user == "" {
			continue
		}
		if a := h.post(user, "general", 1, fmt.Sprintf(`[{"upload":%q}]`, id(done))); a.code != wire.CodeAttachmentUnusable {
			return fmt.Errorf("%s posts it: %v", user, a)
		}
	}
	if at := h.at("alice", open); at != 0 {
		return fmt.Errorf("the open one is at %d", at)
	}
	if err := h.post("alice", "secret", 2, fmt.Sprintf(`[{"upload":%q}]`, id(done))).want("post", 201, ""); err != nil {
		return err
	}
	if a := h.do("GET", done, "bob", nil); a.status != 200 || string(a.body) != string(whole) {
		return fmt.Errorf("a member: %v", a)
	}
	if err := h.do("GET", done, "eve", nil).want("no member", 404, wire.CodeNotFound); err != nil {
		return err
	}
	if err := h.do("HEAD", done, "bob", nil).want("a member's HEAD", 404, wire.CodeNotFound); err != nil {
		return err
	}
	if err := h.do("DELETE", done, "alice", nil).want("delete", 409, wire.CodeUploadPosted); err != nil {
		return err
	}
	if err := h.post("alice", "general", 3, fmt.Sprintf(`[{"upload":%q}]`, id(done))).want("post again", 201, ""); err != nil {
		return err
	}
	return h.do("GET", done, "eve", nil).want("in a public channel", 200, "")
}

func TestOwnersOnly(t *testing.T) { check(t, ownersOnly, nil) }

// unfinished holds that nobody gets a part of a file for the whole.
func unfinished(h *house) error {
	path, err := h.create("alice", 10)
	if err != nil {
		return err
	}
	h.patch("alice", path, 0, []byte("abcd"))
	if err := h.do("GET", path, "alice", nil).want("get", 409, wire.CodeUploadUnfinished); err != nil {
		return err
	}
	return h.post("alice", "general", 1, fmt.Sprintf(`[{"upload":%q}]`, id(path))).want("post", 422, wire.CodeAttachmentUnusable)
}

func TestUnfinished(t *testing.T) { check(t, unfinished, nil) }

// repeats holds what a key does.
func repeats(h *house) error {
	named := []string{"Upload-Metadata", meta("key", "k1", "filename", "a")}
	first, err := h.create("alice", 10, named...)
	if err != nil {
		return err
	}
	h.patch("alice", first, 0, []byte("abcd"))
	for name, headers := range map[string][]string{
		"the same": named, "in another order": {"Upload-Metadata", meta("filename", "a", "key", "k1")},
		"with a body": append([]string{"Content-Type", "application/offset+octet-stream"}, named...),
	} {
		a := h.do("POST", "/api/uploads", "alice", "abcd", append([]string{"Upload-Length", "10"}, headers...)...)
		if a.status != 201 || a.header.Get("Location") != first || a.offset() != 4 {
			return fmt.Errorf("%s: %v", name, a)
		}
	}
	for name, headers := range map[string][]string{
		"another length": {"Upload-Length", "11", "Upload-Metadata", meta("key", "k1", "filename", "a")},
		"another name":   {"Upload-Length", "10", "Upload-Metadata", meta("key", "k1", "filename", "b")},
		"another kind":   {"Upload-Length", "10", "Upload-Concat", "partial", "Upload-Metadata", meta("key", "k1", "filename", "a")},
	} {
		if err := h.do("POST", "/api/uploads", "alice", nil, headers...).want(name, 409, wire.CodeIDReused); err != nil {
			return err
		}
	}
	if other, err := h.create("bob", 10, named...); err != nil || other == first {
		return fmt.Errorf("bob's: %s, %w", other, errors.Join(err, os.ErrExist))
	}
	if err := h.s.Kill(); err != nil { // and after a restart
		return err
	}
	if err := h.start(); err != nil {
		return err
	}
	if again, err := h.create("alice", 10, named...); err != nil || again != first {
		return fmt.Errorf("after a restart: %s, %w", again, errors.Join(err, os.ErrNotExist))
	}
	return h.finishTen(first, 4)
}

func TestRepeatedCreation(t *testing.T) { check(t, repeats, nil) }

// TestConcurrentRepeats creates one upload from many requests at once.
func TestConcurrentRepeats(t *testing.T) {
	check(t, func(h *house) error {
		paths := make([]string, 32)
		var wg sync.WaitGroup
		for i := range paths {
			wg.Go(func() { paths[i], _ = h.create("alice", 10, "Upload-Metadata", meta("key", "k")) })
		}
		wg.Wait()
		slices.Sort(paths)
		if all := slices.Compact(paths); len(all) != 1 || all[0] == "" {
			return fmt.Errorf("made %q", all)
		}
		return nil
	}, nil)
}

// TestQuota fills one user's room, from many requests at once and in other ways.
func TestQuota(t *testing.T) {
	check(t, func(h *house) error {
		var wg sync.WaitGroup
		answers := make([]answer, 32)
		for i := range answers {
			wg.Go(func() { answers[i] = h.do("POST", "/api/uploads", "alice", nil, "Upload-Length", "1000") })
		}
		wg.Wait()
		made := 0
		for _, a := range answers {
			if a.status == 201 {
				made++
			} else if err := a.want("create", 413, wire.CodeQuotaExceeded); err != nil {
				return err
			}
		}
		if made != 2 {
			return fmt.Errorf("%d of 1000 bytes in a quota of 2500", made)
		}
		a := h.do("POST", "/api/uploads", "alice", nil, "Upload-Defer-Length", "1")
		path := a.header.Get("Location")
		if a := h.patch("alice", path, 0, make([]byte, 500)); a.status != 204 {
			return fmt.Errorf("up to the last byte: %v", a)
		}
		if err := h.patch("alice", path, 500, make([]byte, 1)).want("beyond", 413, wire.CodeQuotaExceeded); err != nil {
			return err
		}
		if at := h.at("alice", path); at != 500 {
			return fmt.Errorf("at %d", at)
		}
		if err := h.patch("alice", path, 500, nil, "Upload-Length", "501").want("declare", 413, wire.CodeQuotaExceeded); err != nil {
			return err
		}
		if _, err := h.create("bob", 1000); err != nil {
			return err
		}
		if err := h.do("DELETE", path, "alice", nil).want("delete", 204, ""); err != nil {
			return err
		}
		for range 8 { // of no bytes
			if _, err := h.create("alice", 0); err != nil {
				return err
			}
		}
		return h.do("POST", "/api/uploads", "alice", nil, "Upload-Length", "0").want("the 11th", 413, wire.CodeQuotaExceeded)
	}, small)
}

// wholeDigest holds that what isn't what was announced is never finished.
func wholeDigest(h *house) error {
	whole := []byte("abcdefghij")
	named := []string{"Upload-Metadata", meta("key", "k", "sha256", strings.ToUpper(digest(whole)))}
	path, err := h.create("alice", 10, named...)
	if err != nil {
		return err
	}
	if err := h.patch("alice", path, 0, []byte("abcdefghiX")).want("patch", 422, wire.CodeDigestMismatch); err != nil {
		return err
	}
	if err := h.do("HEAD", path, "alice", nil).want("head", 404, wire.CodeNotFound); err != nil { // net/http drops its body
		return err
	}
	if names, err := h.disk.Names(); err != nil || len(names) != 0 {
		return fmt.Errorf("the disk has %v, %w", names, errors.Join(err, os.ErrExist))
	}
	again, err := h.create("alice", 10, named...)
	if err != nil || again == path {
		return fmt.Errorf("anew: %s, %w", again, errors.Join(err, os.ErrExist))
	}
	return h.finishTen(again, 0)
}

func TestWholeDigest(t *testing.T) { check(t, wholeDigest, nil) }

// lastDigest holds the same for a digest that came with the last chunk: who can't know it before tells it then.
func lastDigest(h *house) error {
	path, err := h.create("alice", 10)
	if err != nil {
		return err
	}
	begun := h.patch("alice", path, 0, []byte("abcX"))
	last := h.patch("alice", path, 4, []byte("efghij"), "Repr-Digest", reprDigest("abcdefghij"))
	if err := errors.Join(begun.want("begin", 204, ""), last.want("end", 422, wire.CodeDigestMismatch)); err != nil {
		return err
	}
	names, err := h.disk.Names()
	if err != nil || len(names) != 0 || h.at("alice", path) >= 0 {
		return fmt.Errorf("the disk has %v, %w", names, errors.Join(err, os.ErrExist))
	}
	return nil
}

func TestLastDigest(t *testing.T) { check(t, lastDigest, nil) }

// badChunks damages chunks on their way, cut off and whole.
func badChunks(h *house) error {
	path, err := h.create("alice", 10)
	if err != nil {
		return err
	}
	whole := []byte("abcdefghij")
	if a := h.patch("alice", path, 0, whole[:4], "Upload-Checksum", sha1Header(whole[:4])); a.status != 204 {
		return fmt.Errorf("begin: %v", a)
	}
	err = h.patch("alice", path, 4, []byte("XXX"), "Upload-Checksum", sha1Header(whole[4:7])).want("damaged", 460, wire.CodeChecksumMismatch)
	if at := h.at("alice", path); err != nil || at != 4 {
		return fmt.Errorf("damaged: at %d, %w", at, errors.Join(err, os.ErrInvalid))
	}
	// The connection is cut: what came isn't taken, for nobody knows whether it is right.
	a := h.patch("alice", path, 4, whole[4:6], "Upload-Checksum", sha1Header(whole[4:7]), "Content-Length", "3")
	if at := h.at("alice", path); at != 4 || a.status == 204 {
		return fmt.Errorf("cut off: at %d, %v", at, a)
	}
	return h.finishTen(path, 4)
}

func TestBadChunks(t *testing.T) { check(t, badChunks, nil) }

// TestAttachments holds what a message may name, and what is made of it.
func TestAttachments(t *testing.T) {
	check(t, func(h *house) error {
		whole := []byte("abcdefghij")
		path, err := h.put("alice", whole, "Upload-Metadata", meta("filename", `../../C:\x\päper "1".txt`, "filetype", "text/plain"))
		if err != nil {
			return err
		}
		part, err := h.put("alice", whole, "Upload-Concat", "partial")
		if err != nil {
			return err
		}
		for name, attachments := range map[string]string{
			"unknown": `[{"upload":"00000000-0000-4000-8000-000000000000"}]`, "no id": `[{"upload":"../x"}]`,
			"a part": fmt.Sprintf(`[{"upload":%q}]`, id(part)), "another size": fmt.Sprintf(`[{"upload":%q,"size":9}]`, id(path)),
			"another sum":   fmt.Sprintf(`[{"upload":%q,"sha256":%q}]`, id(path), digest(nil)),
			"a second that": fmt.Sprintf(`[{"upload":%q},{"upload":%q}]`, id(path), id(part)),
		} {
			if err := h.post("alice", "general", 1, attachments).want(name, 422, wire.CodeAttachmentUnusable); err != nil {
				return err
			}
		}
		if err := h.post("alice", "general", 1, `[{"upload":7}]`).want("a number", 400, wire.CodeBadRequest); err != nil {
			return err
		}
		for _, odd := range []string{`{"Upload":%q}`, `{"uPload":%q}`} {
			if err := h.post("alice", "general", 1, "["+fmt.Sprintf(odd, id(path))+"]").want(odd, 400, wire.CodeBadRequest); err != nil {
				return err
			}
		}
		if err := h.post("eve", "general", 9, fmt.Sprintf(`[{"\u0075pload":%q}]`, id(path))).want("escaped", 422, wire.CodeAttachmentUnusable); err != nil {
			return err
		}
		named := fmt.Sprintf(`[{"upload":%q,"width":3,"size":10},{"mine":1}]`, id(path))
		if err := h.post("alice", "general", 1, named).want("post", 201, ""); err != nil {
			return err
		}
		if err := h.post("alice", "general", 1, named).want("again", 200, ""); err != nil {
			return err
		}
		if err := h.post("alice", "general", 1, `[{"mine":1}]`).want("with others", 409, wire.CodeIDReused); err != nil {
			return err
		}
		var page wire.HistoryReply
		a := h.do("GET", "/api/channels/general/messages", "eve", nil)
		if err := json.Unmarshal(a.body, &page); err != nil || len(page.Messages) != 1 {
			return fmt.Errorf("history: %v", a)
		}
		var got []wire.Attachment
		if err := json.Unmarshal(page.Messages[0].Attachments, &got); err != nil {
			return err
		}
		want := wire.Attachment{Upload: id(path), Name: `päper _1_.txt`, Size: 10, SHA256: digest(whole), Type: "text/plain"}
		if len(got) != 2 || got[0] != want || !strings.Contains(string(page.Messages[0].Attachments), `"width":3`) {
			return fmt.Errorf("attachments %s", page.Messages[0].Attachments)
		}
		return nil
	}, nil)
}

// TestDownload holds the headers of a download.
func TestDownload(t *testing.T) {
	check(t, func(h *house) error {
		whole := []byte("abcdefghij")
		path, err := h.put("alice", whole, "Upload-Metadata", meta("filename", "a\r\nb\"/../ü.html", "filetype", "text/html"))
		if err != nil {
			return err
		}
		a := h.do("GET", path, "alice", nil)
		for name, want := range map[string]string{
			"Content-Type": "text/html", "Content-Disposition": "attachment; filename*=UTF-8''%C3%BC.html",
			"X-Content-Type-Options": "nosniff", "Cache-Control": "private", "Etag": `"` + digest(whole) + `"`,
			"Accept-Ranges": "bytes", "Content-Length": "10", wire.HeaderUploadSHA256: digest(whole),
		} {
			if a.status != 200 || a.header.Get(name) != want {
				return fmt.Errorf("%s: %v", name, a)
			}
		}
		if a := h.do("GET", path, "alice", nil, "Range", "bytes=3-5"); a.status != 206 || string(a.body) != "def" {
			return fmt.Errorf("range: %v", a)
		}
		if a := h.do("GET", path, "alice", nil, "Range", "bytes=3-", "If-Range", `"old"`); a.status != 200 {
			return fmt.Errorf("if-range: %v", a)
		}
		if a := h.do("GET", path, "alice", nil, "If-None-Match", `"`+digest(whole)+`"`); a.status != 304 {
			return fmt.Errorf("if-none-match: %v", a)
		}
		if err := h.do("GET", path, "alice", nil, "Range", "bytes=10-").want("beyond", 416, wire.CodeRange); err != nil {
			return err
		}
		empty, err := h.put("alice", nil)
		if err != nil {
			return err
		}
		if a := h.do("GET", empty, "alice", nil); a.status != 200 || a.header.Get("Content-Length") != "0" {
			return fmt.Errorf("empty: %v", a)
		}
		for _, odd := range []string{"/api/uploads/..%2f..%2fetc%2fpasswd", "/api/uploads/x/y", "/api/uploads/%00", path + "/x"} {
			if err := h.do("GET", odd, "alice", nil).want(odd, 404, wire.CodeNotFound); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// TestFullDisk takes the room away in the middle of an upload and gives it back.
func TestFullDisk(t *testing.T) {
	check(t, func(h *house) error {
		body := []byte(strings.Repeat("x", 300<<10))
		path, err := h.create("alice", len(body))
		if err != nil {
			return err
		}
		h.disk.setRoom(200 << 10)
		a := h.patch("alice", path, 0, body)
		if err := a.want("patch", 507, wire.CodeDiskFull); err != nil {
			return err
		}
		at := h.at("alice", path)
		if at != 128<<10 || a.header.Get("Retry-After") == "" {
			return fmt.Errorf("at %d: %v", at, a)
		}
		if err := h.patch("alice", path, at, body[at:], "Upload-Checksum", sha1Header(body[at:])).want("again", 507, wire.CodeDiskFull); err != nil {
			return err
		}
		h.disk.setRoom(-1)
		if a := h.patch("alice", path, at, body[at:]); a.status != 204 || a.header.Get(wire.HeaderUploadSHA256) != digest(body) {
			return fmt.Errorf("with room: %v", a)
		}
		return nil
	}, nil)
}

// failedSyncs has one sync after the other fail, of those beside the receiving and of the last one. What came since the last
// acknowledgement may be lost then, whatever the next sync answers.
func failedSyncs(h *house) error {
	body := bytes.Repeat([]byte("0123456789abcdef"), 17<<16) // 17 MiB: two syncs beside the receiving
	for _, header := range [][]string{nil, {"Upload-Checksum", prefixHeader(body)}} {
		least := 2
		if header == nil {
			least = len(body) / (5 << 20)
		}
		for n := 1; ; n++ {
			path, err := h.create("alice", len(body))
			if err != nil {
				return err
			}
			h.disk.failSync(n)
			a := h.patch("alice", path, 0, body, header...)
			at := h.at("alice", path)
			if h.disk.willFail() { // there were fewer
				h.disk.failSync(0)
				if n <= least || a.status != 204 {
					return fmt.Errorf("%d syncs, %v", n-1, a)
				}
				break
			}
			if a.status == 204 || at >= int64(n)<<22 || header != nil && at != 0 { // a checkpoint is 4 MiB
				return fmt.Errorf("sync %d failed: at %d, %v", n, at, a)
			}
			if a := h.patch("alice", path, at, body[at:]); a.status != 204 || a.header.Get(wire.HeaderUploadSHA256) != digest(body) {
				return fmt.Errorf("sync %d failed, again: %v", n, a)
			}
		}
	}
	return nil
}

func TestFailedSyncs(t *testing.T) { check(t, failedSyncs, nil) }

// TestWithoutUploads asks a server that takes none.
func TestWithoutUploads(t *testing.T) {
	check(t, func(h *house) error {
		a := h.do("POST", "/api/uploads", "alice", nil, "Upload-Length", "1")
		if strings.Contains(a.header.Get(wire.HeaderCapabilities), "uploads") || strings.Contains(a.header.Get(wire.HeaderLimits), "uploadBytes") {
			return fmt.Errorf("%v", a)
		}
		return a.want("create", 404, wire.CodeNotFound)
	}, func(c *server.Config) { c.Uploads = server.Uploads{} })
}

// TestOrigins asks as a page of another host.
func TestOrigins(t *testing.T) {
	check(t, func(h *house) error {
		if err := h.do("POST", "/api/uploads", "alice", nil, "Upload-Length", "1", "Origin", "https://evil.example").want("evil", 403, wire.CodeForbidden); err != nil {
			return err
		}
		a := h.do(http.MethodOptions, "/api/uploads", "", nil, "Origin", "https://app.example", "Access-Control-Request-Method", "PATCH")
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Methods": "PATCH",
			"Access-Control-Allow-Headers": "Upload-Checksum", "Access-Control-Expose-Headers": "Upload-Offset",
		} {
			if a.status != 204 || !strings.Contains(a.header.Get(name), want) {
				return fmt.Errorf("%s: %v", name, a)
			}
		}
		return nil
	}, func(c *server.Config) { c.AllowedOrigins = []string{"https://app.example"} })
}
