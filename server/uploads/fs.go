package uploads

import (
	"io"
	"os"
	"runtime"
)

// File is an open file.
type File interface {
	io.ReadSeekCloser
	io.WriterAt
	Truncate(size int64) error
	Sync() error
}

// FS is one folder of files, the seam for tests of disks that fail. Names are made by this package. Errors wrap those of
// package os: os.ErrNotExist, syscall.ENOSPC.
type FS interface {
	// Create opens a file to write, and makes it if it isn't there.
	Create(name string) (File, error)
	// Open opens a file to read.
	Open(name string) (File, error)
	// Remove deletes a file.
	Remove(name string) error
	// Sync brings the names of new files to the disk.
	Sync() error
	// Names lists the files.
	Names() ([]string, error)
	// Close ends the use of the folder.
	Close() error
}

// folder is a folder of the operating system.
type folder struct {
	*os.Root

	dir string
}

// OpenFolder opens a folder and makes it if it isn't there, readable only by the user (0700).
func OpenFolder(dir string) (FS, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return folder{root, dir}, nil
}

func (f folder) Create(name string) (File, error) {
	return file(f.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600))
}

func (f folder) Open(name string) (File, error) { return file(f.Root.Open(name)) }

// file keeps a nil *os.File from becoming a File that isn't nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f folder) Sync() error {
	if runtime.GOOS == "windows" { // it has no such call; NTFS keeps a journal of names
		return nil
	}
	d, err := f.Root.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // it was only read
	return d.Sync()
}

func (f folder) Names() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
