package upload

import (
	"io/fs"
	"syscall"
	"time"
)

// systemIdentity adds what macOS and iOS tell of a file.
func systemIdentity(info fs.FileInfo, s *Source) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Device, s.Inode = uint64(st.Dev), st.Ino
		s.Changed = time.Unix(st.Ctimespec.Unix()).UTC()
	}
}
