package profile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/google/uuid"

	"github.com/chatsdk/chatsdk/inbox"
	"github.com/chatsdk/chatsdk/internal/sqlitefile"
	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/token"
	"github.com/chatsdk/chatsdk/upload"
)

// fileName is the database's name in its folder. SQLite puts fileName-wal beside it.
const fileName = "profile.db"

// Options are what Open leaves at its defaults.
type Options struct {
	// VFS is the name of a registered SQLite file system that holds the folder, for tests such as those with
	// profiletest. Then dir is a name in it, and no lock keeps a second opening out. Empty means the operating system's.
	VFS string
	// KeepMessages is how many received messages of each channel are kept, the newest; older ones are fetched again if
	// somebody asks for them. Defaults to 20,000, some megabytes.
	KeepMessages int
}

// keepMessages is the default: what a busy channel brings in a week.
const keepMessages = 20_000

// Profile is a store in a folder. It may be used concurrently. End it with Close after the client that uses it.
type Profile struct {
	dir    string
	opts   Options
	held   *hold // or nil with a VFS
	db     *sql.DB
	lock   sqlitefile.Lock // held over each use of the one connection
	device string
	inbox  inbox.Store
	tokens token.Store
	outbox outbox.Store
	upload upload.Store

	closing sync.Once
	err     error // of Close
}

// Open opens the profile in the folder dir and makes both if they aren't there, readable only by the user (0700).
// Errors are an *Error; errors.Is tells which of this package's sentinels it is. Nothing that is there is changed when
// it fails.
func Open(dir string) (*Profile, error) { return OpenWith(dir, Options{}) }

// OpenWith is Open with options.
func OpenWith(dir string, o Options) (*Profile, error) {
	abs := dir
	if o.VFS == "" {
		var err error
		if abs, err = filepath.Abs(dir); err != nil {
			return nil, fmt.Errorf("find profile: %w", err)
		}
	}
	if o.KeepMessages <= 0 {
		o.KeepMessages = keepMessages
	}
	p := &Profile{dir: abs, opts: o, lock: sqlitefile.NewLock()}
	if o.VFS == "" {
		if err := makeFolder(abs); err != nil {
			return nil, folderError(abs, err)
		}
		var err error
		if p.held, err = take(abs); err != nil {
			return nil, err
		}
	}
	if err := p.open(context.Background()); err != nil {
		_ = p.Close() // what went wrong before says more
		return nil, err
	}
	return p, nil
}

// Exists says whether there is a profile in the folder dir, also a damaged one, without opening it or changing anything.
func Exists(dir string) (bool, error) {
	for _, name := range []string{fileName, fileName + logEnd, holderName} {
		_, err := os.Lstat(filepath.Join(dir, name))
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// makeFolder makes dir, and the entries that lead to it survive power loss.
func makeFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return syscall.ENOTDIR
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncFolder(parent)
}

// Close closes the database and lets the folder go. Later calls of anything answer ErrClosed. It is safe to call more
// than once.
func (p *Profile) Close() error {
	p.closing.Do(func() {
		if p.db != nil {
			p.err = p.fail(p.db.Close())
		}
		if p.held != nil {
			p.err = errors.Join(p.err, p.held.release())
		}
	})
	return p.err
}

// Dir is the profile's folder.
func (p *Profile) Dir() string { return p.dir }

// Device names this installation to the server. It was made with the profile and stays as long as that.
func (p *Profile) Device() (string, error) { return p.device, nil }

// Tokens keeps the signed-in session.
func (p *Profile) Tokens() token.Store { return p.tokens }

// Outbox keeps the messages on their way out.
func (p *Profile) Outbox() outbox.Store { return p.outbox }

// Uploads keeps the files on their way.
func (p *Profile) Uploads() upload.Store { return p.upload }

// Inbox keeps the messages that came in and what the application has processed of them.
func (p *Profile) Inbox() inbox.Store { return p.inbox }

// readDevice reads the device's name, and makes it the first time.
func readDevice(ctx context.Context, tx *sql.Tx) (device string, err error) {
	if planted == bugDeviceAnew {
		return uuid.NewString(), nil
	}
	fresh, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make device id: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ('device', ?) ON CONFLICT DO NOTHING`, fresh.String())
	if err != nil {
		return "", err
	}
	err = tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'device'`).Scan(&device)
	return device, err
}
