package profile

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/chatsdk/chatsdk/internal/sqlitefile"
	"github.com/chatsdk/chatsdk/outbox"
)

// ErrSound is returned by Rescue where there is nothing to rescue from: Open works.
var ErrSound = errors.New("profile: nothing is wrong with it")

// Rescued is what Rescue found.
type Rescued struct {
	Messages int      // how many were written
	Damaged  int      // how many more were found and can't be read
	Files    int      // files that go with them and whose paths can't be read
	Cut      error    // why reading ended before the end, or nil: then there may have been more
	Aside    []string // where the files lie now
}

// rescueLine is a message that wasn't sent, as "chatsdk chat --json" takes it. The server knows the id if it has the
// message already.
type rescueLine struct {
	Op          string          `json:"op"`
	Channel     string          `json:"channel"`
	Text        string          `json:"text"`
	ID          string          `json:"id"`
	Account     string          `json:"account,omitempty"` // whose it is; whoever takes the line has to be that
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Files       []string        `json:"files,omitempty"` // that were to be uploaded for it
}

// Rescue saves what can be saved from a profile that Open calls damaged: it writes the messages that weren't sent, parked
// ones included, to w, one JSON object a line, then moves the damaged files aside within the folder, so that Open makes a
// new profile. It works on a copy; the files themselves are never written. Where SQLite can't read the file any further,
// its pages are read for what they hold, and where it wouldn't read the log, those in the log; if the very first one is lost, messages may be among it that were sent or
// cancelled long ago: the server knows those that it has by their ids. Where Rescue returns an error nothing was moved,
// except that it says so: *Error as Open, ErrSound, or w's.
func Rescue(dir string, w io.Writer) (out Rescued, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return out, fmt.Errorf("find profile: %w", err)
	}
	held, err := take(dir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, held.release()) }()
	tmp, err := os.MkdirTemp(dir, "rescue-*")
	if err != nil {
		return out, folderError(dir, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	fault := silentFault(dir, held.me.User != "")
	names, err := copyFiles(dir, tmp)
	if err != nil {
		return out, folderError(dir, err)
	}
	entries, paths, err := salvage(context.Background(), filepath.Join(tmp, fileName), fault, &out)
	if err != nil {
		return out, (&Profile{dir: dir}).fail(err)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, place := range slices.Sorted(maps.Keys(entries)) {
		e := entries[place]
		files, lost := filesOf(e, paths)
		out.Files += lost
		if err := enc.Encode(rescueLine{"send", e.Channel, e.Text, e.ID, e.Account, e.Attachments, files}); err != nil {
			return out, fmt.Errorf("write rescued messages: %w", err)
		}
		out.Messages++
	}
	if out.Aside, err = setAside(dir, names, time.Now()); err == nil {
		held.owned("", "") // what Open makes now is nobody's yet
	}
	return out, err
}

// uploadNeed begins the name of what a message waits for that an upload brings, as the client writes it; the upload's id
// follows.
const uploadNeed = "upload:"

// filesOf are the paths of the files that a message still waits for, and the number of those that nobody knows.
func filesOf(e outbox.Entry, paths map[string]string) (files []string, lost int) {
	for _, n := range e.Needs {
		id, ok := strings.CutPrefix(n.Name, uploadNeed)
		switch {
		case !ok:
		case paths[id] == "":
			lost++
		default:
			files = append(files, paths[id])
		}
	}
	return files, lost
}

// files are the database's, the log after it since SQLite takes one without the other for an old one.
var files = []string{fileName, fileName + "-wal", fileName + "-journal"}

// copyFiles copies what there is of the database.
func copyFiles(from, to string) (names []string, err error) {
	for _, name := range files {
		in, err := os.Open(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out, err := os.OpenFile(filepath.Join(to, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = io.Copy(out, in)
			err = errors.Join(err, out.Close())
		}
		if err := errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// salvage reads the open entries of a damaged database, by place: from the beginning as far as it goes, then from the
// end, then from the pages themselves. Where fault is one that SQLite passes over, it reads the log itself too.
func salvage(ctx context.Context, path string, fault error, out *Rescued) (
	_ map[uint64]outbox.Entry, paths map[string]string, err error,
) {
	s := salvaging{
		found: map[uint64]outbox.Entry{}, seen: map[string]uint64{}, damaged: map[string]bool{}, paths: map[string]string{},
		faulty: fault != nil,
	}
	merged := path + "-merged"
	gone, torn := errors.Is(fault, errNoDatabase), errors.Is(fault, errLogDamaged)
	if gone || torn {
		if torn, err = mergeLog(path, merged); err != nil { // before SQLite drops what it doesn't read
			return nil, nil, err
		}
	}
	if out.Cut, err = s.all(ctx, path); err == nil && (gone || torn) {
		var cut error
		if cut, err = s.all(ctx, merged); gone {
			out.Cut = cut // the log may have all
		}
	}
	if out.Cut == nil && torn {
		out.Cut = errLogDamaged
	}
	out.Damaged = len(s.damaged)
	return s.found, s.paths, err
}

// all reads a database by asking SQLite, and where that is stopped by something, which it returns, from the pages.
func (s salvaging) all(ctx context.Context, path string) (cut, err error) {
	if cut, err = s.query(ctx, path); err != nil || cut == nil {
		return nil, err
	}
	return cut, s.scan(path)
}

// query asks SQLite, and returns what stopped it. With writable_schema it takes a file that is shorter than it should be.
// When it returns, what the log held is in the file, as far as SQLite could read that.
func (s salvaging) query(ctx context.Context, path string) (cut, err error) {
	db, err := driver.Open(sqlitefile.DSN(path, "", "locking_mode(exclusive)", "writable_schema(on)"))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	sqlitefile.Limit(db, 1)
	if err := soundness(ctx, db); err != nil && (!s.faulty || !errors.Is(err, ErrSound)) {
		return nil, err
	}
	s.readPaths(ctx, db)
	if cut = s.read(ctx, db, "ASC"); cut != nil {
		_ = s.read(ctx, db, "DESC") // it ends where the damage is, or at the end of the world: cut says that it was cut
	}
	return cut, nil
}

// readPaths finds out where the files of messages are, as far as it goes. Those that can't be read are counted with their
// messages.
func (s salvaging) readPaths(ctx context.Context, db *sql.DB) {
	for _, direction := range []string{"ASC", "DESC"} {
		rows, err := db.QueryContext(ctx, `SELECT place, id, data FROM uploads NOT INDEXED ORDER BY place `+direction)
		if err != nil {
			return // the table is damaged, or of before there were uploads
		}
		for rows.Next() {
			var place int64
			var id string
			var data sql.RawBytes
			if rows.Scan(&place, &id, &data) == nil {
				if u, err := decodeUpload(place, id, data); err == nil {
					s.paths[id] = u.Path
				}
			}
		}
		err = rows.Err()
		if rows.Close() == nil && err == nil {
			return
		}
	}
}

// scan looks for what SQLite didn't find.
func (s salvaging) scan(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	p, err := openPages(file)
	if err != nil {
		return err
	}
	p.rows(func(place int64, id string, data []byte) {
		e, err := decodeEntry(place, id, data)
		if err == nil {
			s.keep(e)
		} else if _, ok := s.seen[id]; !ok {
			s.damaged[id] = true
		}
	})
	return nil
}

// soundness returns ErrSound, or why the database isn't Rescue's affair.
func soundness(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err == nil && version > len(migrations) {
		return &sqlitefile.NewerError{Version: version, Known: len(migrations)}
	}
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil || verdict != "ok" {
		return nil
	}
	is, version, err := schemaOf(ctx, db)
	if err != nil {
		return nil
	}
	if was, err := schemaAt(ctx, version); err != nil || !slices.Equal(is, was) {
		return err
	}
	if version == 0 {
		return ErrSound // nothing was ever in it
	}
	rows, err := db.QueryContext(ctx, `SELECT place, id, data FROM outbox_entries`)
	if err != nil {
		return nil
	}
	var entries []outbox.Entry
	if damaged, err := readEntries(rows, &entries, nil); err != nil || damaged > 0 {
		return nil
	}
	return ErrSound
}

// salvaging is what was found so far.
type salvaging struct {
	found   map[uint64]outbox.Entry // open ones
	seen    map[string]uint64       // how late what was found of an id is, settled ones too
	damaged map[string]bool
	paths   map[string]string // of uploads, by their ids
	faulty  bool              // something is wrong that SQLite doesn't see
}

// keep takes an entry, unless a later state of it was found: where the list of free pages is lost, old ones turn up.
func (s salvaging) keep(e outbox.Entry) {
	delete(s.damaged, e.ID)
	late := 2 * e.Version
	if over(e.State) {
		late++
	}
	if was, ok := s.seen[e.ID]; ok && was >= late {
		return
	}
	s.seen[e.ID] = late
	if over(e.State) {
		delete(s.found, e.Order)
	} else {
		s.found[e.Order] = e
	}
}

// read goes through the table itself, since an index may be what is damaged, and returns what stopped it.
func (s salvaging) read(ctx context.Context, db *sql.DB, direction string) error {
	rows, err := db.QueryContext(ctx, `SELECT place, id, data FROM outbox_entries NOT INDEXED ORDER BY place `+direction)
	if err != nil {
		return err
	}
	var entries []outbox.Entry
	_, err = readEntries(rows, &entries, func(a outbox.Aside) { s.damaged[a.ID] = true })
	for _, e := range entries {
		s.keep(e)
	}
	return err
}

// setAside gives files names that nothing opens. The database goes first: a log without it is nothing's.
func setAside(dir string, names []string, now time.Time) (aside []string, err error) {
	for _, name := range names {
		stamp := ".damaged-" + now.UTC().Format("20060102T150405Z")
		to := filepath.Join(dir, name+stamp)
		for n := 2; ; n++ {
			if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
				break
			}
			to = filepath.Join(dir, fmt.Sprint(name, stamp, "-", n))
		}
		if err := os.Rename(filepath.Join(dir, name), to); err != nil {
			return aside, folderError(dir, err)
		}
		aside = append(aside, to)
	}
	return aside, syncFolder(dir)
}
