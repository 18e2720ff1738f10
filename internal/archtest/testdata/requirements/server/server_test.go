package server_test

import "testing"

func TestServer(t *testing.T) {
	t.Run("runs", func(t *testing.T) {})
}
