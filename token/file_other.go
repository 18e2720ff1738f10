//go:build !unix

package token

import (
	"io/fs"
	"os"
	"time"
)

const noFollow = 0

// Permissions aren't in the mode here: the folder's access list decides, and a user's own folders are theirs alone.
func checkMode(fs.FileInfo) error   { return nil }
func checkFolder(fs.FileInfo) error { return nil }

// syncFolder does nothing: folders can't be synced here, and the file system's journal keeps renames in order.
func syncFolder(string) error { return nil }

// rename waits a little for readers: Windows refuses to replace a file that somebody has open.
func rename(from, to string) error {
	const tries, pause = 50, 5 * time.Millisecond
	for range tries {
		if os.Rename(from, to) == nil {
			return nil
		}
		time.Sleep(pause)
	}
	return os.Rename(from, to)
}
