package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// edge is how much of a file's beginning and end is hashed to know it again.
const edge = 64 << 10

// errChanged means that a file isn't the one that it was.
var errChanged = errors.New("size, time or content differ from those of the file that was added")

// inspect looks at a file without reading it whole. Errors are those of package os, or say that it is no regular file.
func inspect(path string) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return Source{}, err
	}
	defer f.Close()
	return look(f)
}

// look is inspect for an open file.
func look(f *os.File) (Source, error) {
	info, err := f.Stat()
	if err != nil {
		return Source{}, err
	}
	if !info.Mode().IsRegular() {
		return Source{}, &fs.PathError{Op: "upload", Path: f.Name(), Err: errors.New("not a regular file")}
	}
	s := identity(info)
	if s.Head, err = hashRange(f, 0, min(edge, s.Size)); err != nil {
		return Source{}, err
	}
	if s.Tail, err = hashRange(f, max(0, s.Size-edge), s.Size); err != nil {
		return Source{}, err
	}
	return s, nil
}

// identity is what a directory tells of a file.
func identity(info fs.FileInfo) Source {
	s := Source{Size: info.Size(), ModTime: info.ModTime().Round(0).UTC()}
	systemIdentity(info, &s)
	return s
}

// hashRange returns the SHA-256 of a part of a file, in hex. A file that ends before is an error.
func hashRange(r io.ReaderAt, from, to int64) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(r, from, to-from))
	if err != nil {
		return "", err
	}
	if n != to-from {
		return "", fmt.Errorf("read file: %w", io.ErrUnexpectedEOF)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// same says whether the file is surely the one that it was. Its change time (ctime), which nobody can set back, is part
// of that: an edit that restores the modification time is found by it.
func (s Source) same(other Source) bool {
	return s.sameContent(other) && s.Changed.Equal(other.Changed) && s.Device == other.Device && s.Inode == other.Inode
}

// sameContent says whether the file may well be of the same content. Permissions, name, place or a copy that kept its
// time may differ: what was sent of it has to be read again to be sure.
func (s Source) sameContent(other Source) bool {
	return s.Size == other.Size && s.ModTime.Equal(other.ModTime) && s.Head == other.Head && s.Tail == other.Tail
}

// unmoved is same by what a directory tells alone, cheap enough to be asked before each request.
func (s Source) unmoved(info fs.FileInfo) bool {
	now := identity(info)
	now.Head, now.Tail = s.Head, s.Tail
	return now.same(s)
}
