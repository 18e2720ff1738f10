package upload_test

import (
	"testing"

	"github.com/chatsdk/chatsdk/upload"
	"github.com/chatsdk/chatsdk/upload/uploadtest"
)

func TestMemoryStore(t *testing.T) {
	uploadtest.RunStore(t, func(*testing.T) uploadtest.Open {
		s := upload.NewMemory()
		return func() upload.Store { return s }
	})
}
