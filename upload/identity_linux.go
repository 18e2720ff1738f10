package upload

import (
	"io/fs"
	"syscall"
	"time"
)

// systemIdentity adds what Linux tells of a file.
func systemIdentity(info fs.FileInfo, s *Source) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Device, s.Inode = uint64(st.Dev), uint64(st.Ino) //nolint:unconvert // their types differ between architectures
		s.Changed = time.Unix(st.Ctim.Unix()).UTC()
	}
}
