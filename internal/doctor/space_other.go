//go:build !linux && !darwin

package doctor

import "errors"

// freeBytes isn't known here.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
