package sqlitefile

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Kind is what an error says of a database. The zero value is Other.
type Kind int

// What an error says of a database.
const (
	Other    Kind = iota // a fault of the program, or no error of SQLite
	Full                 // the disk is full
	ReadOnly             // it may not be written, or not be opened
	Busy                 // another process holds it
	Corrupt              // it is damaged, or no database
	Failing              // the disk or the memory fails, or the call was interrupted
	Closed               // it was closed here
)

// kinds gives SQLite's codes their Kind.
var kinds = map[sqlite3.ErrorCode]Kind{
	sqlite3.FULL: Full, sqlite3.READONLY: ReadOnly, sqlite3.PERM: ReadOnly, sqlite3.CANTOPEN: ReadOnly,
	sqlite3.BUSY: Busy, sqlite3.LOCKED: Busy, sqlite3.CORRUPT: Corrupt, sqlite3.NOTADB: Corrupt,
	sqlite3.IOERR: Failing, sqlite3.NOMEM: Failing, sqlite3.INTERRUPT: Failing,
}

// KindOf returns what err says; nil and what isn't known are Other.
func KindOf(err error) Kind {
	if err == nil {
		return Other
	}
	for code, kind := range kinds {
		if errors.Is(err, code) {
			return kind
		}
	}
	if errors.Is(err, sql.ErrConnDone) || strings.HasSuffix(err.Error(), "database is closed") { // sql's own has no name
		return Closed
	}
	return Other
}
