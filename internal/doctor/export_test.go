package doctor

import (
	"github.com/chatsdk/chatsdk/profile"
)

// OpenWith replaces the opening of the profile.
func (o Options) OpenWith(open func(string) (*profile.Profile, error)) Options {
	o.open = open
	return o
}

// JudgeDisk says what comes of an error of the system, of package profile, or of how much room there is.
func JudgeDisk(system, of error, free int64) Check {
	f := Figures{Disk: &Room{FreeBytes: free}}
	switch {
	case system != nil:
		return diskFailed(f, system)
	case of != nil:
		return profileFailed(f, of)
	}
	return judgeRoom(f, 0)
}

// SlowWrite is a disk as slow as is told, or a little less.
func SlowWrite(slower bool) Check {
	f := Figures{Disk: &Room{FreeBytes: 1 << 40}}
	if slower {
		return judgeRoom(f, slowWrite+1)
	}
	return judgeRoom(f, slowWrite)
}
