package profile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Numbers of the log that SQLite keeps beside a database (https://www.sqlite.org/fileformat2.html, section 4.1).
const (
	logEnd       = "-wal"
	logHeader    = 32
	frameHeader  = 24
	logMagic     = 0x377f0682 // the lowest bit: its checksums read numbers from the big end
	logReadAhead = 1 << 16
)

// What SQLite passes over without a word: it takes a log without its database for an old one and deletes it, and it ends
// a log at the first frame that doesn't fit, whatever comes after.
var (
	errNoDatabase = errors.New("its database is gone or empty, and the log beside it holds what was written last")
	errEmptied    = errors.New("its database is gone or empty, and it was somebody's")
	errLogDamaged = errors.New("its log is damaged in the middle: what was written after that place would be lost")
)

// silentFault says what is wrong with the database in dir that SQLite wouldn't tell, or nil. owned says that the profile
// was somebody's, and so had a database.
func silentFault(dir string, owned bool) error {
	path := filepath.Join(dir, fileName)
	db, err := sizeOf(path)
	if err != nil {
		return nil // SQLite says it better
	}
	log, err := sizeOf(path + logEnd)
	switch {
	case err != nil:
		return nil
	case db == 0 && log > 0:
		return errNoDatabase
	case db == 0 && owned:
		return errEmptied
	case log == 0:
		return nil
	}
	file, err := os.Open(path + logEnd)
	if err != nil {
		return nil
	}
	defer file.Close()
	if logDamaged(file) {
		return errLogDamaged
	}
	return nil
}

// sizeOf is a file's size, 0 where there is none.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// frame is a page in the log.
type frame struct {
	page   uint32
	commit bool // a transaction ends with it
	linked bool // it follows on the one before it: written after that one, whole, and not damaged since
	data   []byte
}

// logReader reads a log frame by frame, beyond those that are damaged too: each holds the sum of all before it, and so
// tells by itself whether the one after it is whole.
type logReader struct {
	r     io.Reader
	order binary.ByteOrder
	sound bool // the header is
	salt  [8]byte
	sum   [2]uint32
	buf   []byte
}

// openLog reads the header. What can't be read of it is taken from the first frame, and else as this program writes it.
func openLog(r io.Reader) *logReader {
	l := &logReader{r: bufio.NewReaderSize(r, logReadAhead), order: binary.LittleEndian}
	var h [logHeader]byte
	if _, err := io.ReadFull(l.r, h[:]); err != nil {
		return l
	}
	magic, page := binary.BigEndian.Uint32(h[:]), binary.BigEndian.Uint32(h[8:])
	if magic == logMagic|1 {
		l.order = binary.BigEndian
	}
	l.sum = [2]uint32{binary.BigEndian.Uint32(h[24:]), binary.BigEndian.Uint32(h[28:])}
	l.salt = [8]byte(h[16:])
	l.sound = magic&^1 == logMagic && page >= leastPage && page <= greatestPage && page&(page-1) == 0 &&
		l.add([2]uint32{}, h[:24]) == l.sum
	if !l.sound {
		page = usualPage
	}
	l.buf = make([]byte, frameHeader+int(page))
	return l
}

// add continues a checksum, with numbers in pairs.
func (l *logReader) add(sum [2]uint32, b []byte) [2]uint32 {
	for ; len(b) >= 8; b = b[8:] {
		sum[0] += l.order.Uint32(b) + sum[1]
		sum[1] += l.order.Uint32(b[4:]) + sum[0]
	}
	return sum
}

// next returns the next frame, whose data is good until the next call; ok is false at the end.
func (l *logReader) next() (f frame, ok bool) {
	if l.buf == nil {
		return f, false
	}
	if _, err := io.ReadFull(l.r, l.buf); err != nil {
		return f, false // what isn't whole is no frame
	}
	b := l.buf
	if !l.sound {
		l.salt, l.sound = [8]byte(b[8:]), true
	}
	f = frame{page: binary.BigEndian.Uint32(b), commit: binary.BigEndian.Uint32(b[4:]) != 0, data: b[frameHeader:]}
	sum := [2]uint32{binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])}
	f.linked = [8]byte(b[8:16]) == l.salt && f.page != 0 && l.add(l.add(l.sum, b[:8]), f.data) == sum
	l.sum = sum
	return f, true
}

// logDamaged says whether a log can't have come about by a crash. A crash leaves at most the last transaction torn, and
// parts of earlier ones that were torn: where a frame isn't whole, and behind it a transaction ends and another one
// follows on it, the disk had been waited for in between, and what isn't whole now was whole then. Damage in the last
// transactions of a log can't be told from a crash.
func logDamaged(r io.Reader) bool {
	l := openLog(r)
	bad, ended := !l.sound, false
	for {
		f, ok := l.next()
		switch {
		case !ok:
			return false
		case !f.linked:
			bad, ended = true, false
		case bad && ended:
			return true
		default:
			ended = f.commit
		}
	}
}

// mergeLog makes a database at to, of the one at path and the whole transactions in the log beside it, and says whether
// that is damaged: then those behind the damage are part of it too. Pages that are missing are empty.
func mergeLog(path, to string) (damaged bool, err error) {
	log, err := os.Open(path + logEnd)
	if err != nil {
		return false, err
	}
	defer log.Close()
	damaged = logDamaged(log)
	if _, err := log.Seek(0, io.SeekStart); err != nil {
		return damaged, err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return damaged, err
	}
	err = copyInto(out, path)
	if err == nil {
		err = writeFrames(out, log, damaged)
	}
	return damaged, errors.Join(err, out.Close())
}

// writeFrames writes the pages of a log's whole transactions where they belong, up to the first frame that isn't whole, or
// the later ones too.
func writeFrames(out io.WriterAt, log io.Reader, later bool) error {
	l := openLog(log)
	pending := map[uint32][]byte{}
	for {
		f, ok := l.next()
		if !ok || !f.linked && !later {
			return nil
		}
		if !f.linked {
			continue
		}
		pending[f.page] = append([]byte(nil), f.data...)
		if !f.commit {
			continue
		}
		for page, data := range pending {
			if _, err := out.WriteAt(data, int64(page-1)*int64(len(data))); err != nil {
				return err
			}
		}
		clear(pending)
	}
}

// copyInto copies the file at path, if there is one.
func copyInto(out io.Writer, path string) error {
	in, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, in.Close())
}
