package uploads_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/chatsdk/chatsdk/server/uploads"
)

// FuzzMetadata reads Upload-Metadata: what is taken is bounded, comes back as it went in, and makes no name that means
// anything to a file system or a terminal.
func FuzzMetadata(f *testing.F) {
	for _, s := range []string{
		"", "a", "a ", "a YQ==", "a YQ==,b", " a YQ== , b ", "a YQ", "a  YQ==", ",", "a YQ==,a", "filename Li4vLi4vZXRj", "filename AAo=",
		meta("filename", "\u202egpj.exe", "filetype", "text/html; charset=utf-8", "key", "k"), meta("sha256", digest(nil)),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		again, m, err := uploads.ParseMetadata(header)
		if err != nil {
			return
		}
		if len(header) > uploads.MaxMetadataBytes || len(m) > 32 {
			t.Fatalf("%d bytes, %d pairs", len(header), len(m))
		}
		third, m2, err := uploads.ParseMetadata(again)
		if err != nil || third != again || len(m2) != len(m) {
			t.Fatalf("%q, then %q: %v", again, third, err)
		}
		for k, v := range m {
			if m2[k] != v {
				t.Fatalf("%q was %q, is %q", k, v, m2[k])
			}
		}
		u := uploads.Upload{Metadata: again}
		name := uploads.Name(u)
		bad := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`/\:*?"<>|`, r) }
		if !utf8.ValidString(name) || strings.ContainsFunc(name, bad) || len(name) > 255 || strings.HasPrefix(name, ".") {
			t.Fatalf("name %q", name)
		}
		if strings.ContainsAny(uploads.Type(u), "\r\n\x00") {
			t.Fatalf("type %q", uploads.Type(u))
		}
	})
}

// FuzzChecksum reads Upload-Checksum: what is taken is an algorithm that we know, and as many bytes as it has.
func FuzzChecksum(f *testing.F) {
	for _, s := range []string{"", "sha1", "sha1 ", sha1Header(nil), sha256Header(nil), prefixHeader(nil), "md5 AAAA", "SHA1 AAAA", sha1Header(nil) + " x", " " + sha1Header(nil)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		size, want, err := uploads.ParseChecksum(header)
		if err != nil || header == "" {
			return
		}
		name, value, _ := strings.Cut(header, " ")
		if sizes := map[string]int{"sha1": 20, "sha256": 32, "sha256-prefix": 32}; sizes[name] != size || len(want) != size {
			t.Fatalf("%q: %d bytes of %d", header, len(want), size)
		}
		if base64.StdEncoding.EncodeToString(want) != strings.NewReplacer("\r", "", "\n", "").Replace(value) {
			t.Fatalf("%q is read as %x", header, want)
		}
	})
}

// FuzzReprDigest reads Repr-Digest: what is taken is a SHA-256, and the one that our own replies would say so.
func FuzzReprDigest(f *testing.F) {
	for _, s := range []string{
		"", "sha-256", "sha-256=", "sha-256=:", "sha-256=::", "sha-256=:AAAA:", reprDigest("a"), "md5=:AAAA:, " + reprDigest("a"), reprDigest("a") + ";q=1", reprDigest("a") + ",,",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		sum, err := uploads.ParseReprDigest(http.Header{"Repr-Digest": {header}})
		if err != nil || sum == "" {
			return
		}
		raw, err := hex.DecodeString(sum)
		if err != nil || len(raw) != 32 || !strings.Contains(header, "sha-256=") || !strings.Contains(header, base64.StdEncoding.EncodeToString(raw)[:40]) {
			t.Fatalf("%q is read as %q", header, sum)
		}
	})
}
