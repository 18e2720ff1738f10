package uploads

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of Upload-Metadata.
const (
	maxMetadata = 4 << 10 // of the header; a head of the server is 16 KiB at most
	maxPairs    = 32
	maxKey      = 64 // of a pair's key
	// MaxKey bounds the value of "key", which names a creation.
	MaxKey = 128
	// maxName bounds the file name that others are shown, in bytes; file systems take 255.
	maxName = 255
)

// metadata are the pairs of Upload-Metadata. Known are "key", "sha256", "filename" and "filetype"; others are kept.
type metadata map[string]string

// parseMetadata reads Upload-Metadata. It refuses what tusd would pass over: a pair that isn't base64, or comes twice.
func parseMetadata(header string) (metadata, error) {
	m := metadata{}
	if header == "" {
		return m, nil
	}
	if len(header) > maxMetadata {
		return nil, fmt.Errorf("Upload-Metadata is longer than %d bytes", maxMetadata)
	}
	for pair := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
		data, err := base64.StdEncoding.Strict().DecodeString(value)
		_, twice := m[key]
		switch {
		case key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("a key of Upload-Metadata is 1 to %d printable ASCII characters", maxKey)
		case err != nil:
			return nil, errors.New("a value of Upload-Metadata isn't base64")
		case twice:
			return nil, errors.New("a key of Upload-Metadata comes twice")
		case len(m) == maxPairs:
			return nil, fmt.Errorf("Upload-Metadata has more than %d pairs", maxPairs)
		}
		m[key] = string(data)
	}
	return m, m.check()
}

// check looks at the values that mean something here.
func (m metadata) check() error {
	if key, ok := m["key"]; ok && (key == "" || len(key) > MaxKey || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl)) {
		return fmt.Errorf("the key in Upload-Metadata is 1 to %d bytes of text", MaxKey)
	}
	if sum, ok := m["sha256"]; ok {
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 {
			return errors.New("the sha256 in Upload-Metadata is 64 hexadecimal digits")
		}
	}
	return nil
}

// sum is the SHA-256 that the whole has to have, or empty.
func (m metadata) sum() string { return strings.ToLower(m["sha256"]) }

// String is the header again, sorted by key, so that equal metadata are equal strings.
func (m metadata) String() string {
	pairs := make([]string, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, strings.TrimSpace(key+" "+base64.StdEncoding.EncodeToString([]byte(m[key]))))
	}
	return strings.Join(pairs, ",")
}

// Name is a file name that may be shown and saved: the last part of what the client called it, without what file systems
// and terminals take for more than a letter. Empty if nothing is left. It is data: the server's files have other names.
func Name(u Upload) string {
	m, err := parseMetadata(u.Metadata)
	if err != nil {
		return ""
	}
	name := strings.ToValidUTF8(m["filename"], "_")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	for len(name) > maxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return strings.Trim(name, ". ")
}

// Type is the media type that the client gave the file, if it is one.
func Type(u Upload) string {
	m, err := parseMetadata(u.Metadata)
	if err != nil {
		return ""
	}
	kind, params, err := mime.ParseMediaType(m["filetype"])
	if err != nil || !strings.Contains(kind, "/") {
		return ""
	}
	return mime.FormatMediaType(kind, params)
}
