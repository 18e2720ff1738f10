package chatsdk

import (
	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

// Store is where a Client keeps what it must not lose. Open asks for one, so that nobody loses messages by leaving an
// option out.
type Store interface {
	// Tokens keeps the signed-in session.
	Tokens() token.Store
	// Device names this installation to the server. It is made once and stays for the life of the store.
	Device() (string, error)
	// Outbox keeps the messages on their way out.
	Outbox() outbox.Store
	// Uploads keeps the files on their way.
	Uploads() upload.Store
	// Inbox keeps the messages that came in and what the application has processed of them.
	Inbox() inbox.Store
}

// InMemory returns a store that forgets everything when the process ends: queued messages, the session, the device and
// what was processed. It is for tests, and for programs whose messages may be lost with them.
func InMemory() Store {
	return &memory{
		device: uuid.Must(uuid.NewV7()).String(),
		tokens: token.NewMemory(), outbox: outbox.NewMemory(), inbox: inbox.NewMemory(),
		uploads: upload.NewMemory(),
	}
}

// memory is the store of InMemory.
type memory struct {
	device  string
	tokens  token.Store
	outbox  outbox.Store
	inbox   inbox.Store
	uploads upload.Store
}

func (m *memory) Device() (string, error) { return m.device, nil }
func (m *memory) Tokens() token.Store     { return m.tokens }
func (m *memory) Outbox() outbox.Store    { return m.outbox }
func (m *memory) Inbox() inbox.Store      { return m.inbox }
func (m *memory) Uploads() upload.Store   { return m.uploads }
