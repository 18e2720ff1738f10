// Package scenario is planted: it can only run as a test.
package scenario

import _ "testing"
