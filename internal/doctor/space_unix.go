//go:build linux || darwin

package doctor

import "syscall"

// freeBytes is the room that this user has left on the disk of dir.
func freeBytes(dir string) (n int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the types differ between systems
}
