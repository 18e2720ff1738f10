//go:build !linux && !darwin

package upload

import "io/fs"

// systemIdentity adds nothing: size, time and both ends of the file have to do.
func systemIdentity(fs.FileInfo, *Source) {}
