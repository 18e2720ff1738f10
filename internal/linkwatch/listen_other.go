//go:build !linux

package linkwatch

import (
	"context"
	"errors"
)

// listen isn't written for this system: looking every few seconds finds the same.
func listen(context.Context, func()) error { return errors.ErrUnsupported }
