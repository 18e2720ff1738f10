package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/chatsdk/chatsdk/outbox"
)

// An entry's data is a version, the fields in the order of encodeEntry, and a CRC-32C over the row's id and all before
// it. A number is a varint, a text or bytes are their length and then they. JSON would take ten times as long to read,
// and a queue of a month offline is read before a client can do anything.
const entryVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const checksumBytes = 4

// encodeEntry is the data of e's row.
func encodeEntry(e *outbox.Entry) []byte {
	b := make([]byte, 0, 128+len(e.Text)+len(e.Attachments))
	b = append(b, entryVersion)
	b = binary.AppendUvarint(b, uint64(e.State))
	for _, n := range []uint64{e.Version, e.DeviceSeq, e.Seq, uint64(e.Attempt)} {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range []int64{int64(e.ExpiresIn), unixNano(e.CreatedAt), unixNano(e.ExpiresAt), unixNano(e.SentAt)} {
		b = binary.AppendVarint(b, n)
	}
	for _, s := range []string{e.Account, e.Channel, e.Text, string(e.Attachments), e.Err} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(e.After)))
	for _, id := range e.After {
		b = appendText(b, id)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Needs)))
	for _, n := range e.Needs {
		b = appendText(b, n.Name)
		b = appendText(b, string(n.Result))
	}
	return binary.BigEndian.AppendUint32(b, checksum(e.ID, b))
}

func checksum(id string, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(id), castagnoli), castagnoli, b)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// unixNano is 0 for the zero time.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

var errEntryChecksum = errors.New("its checksum is wrong: the row was damaged")

// decodeEntry reads a row.
func decodeEntry(place int64, id string, data []byte) (outbox.Entry, error) {
	n := len(data) - checksumBytes
	if n < 1 || checksum(id, data[:n]) != binary.BigEndian.Uint32(data[n:]) {
		return outbox.Entry{}, errEntryChecksum
	}
	if data[0] != entryVersion {
		return outbox.Entry{}, fmt.Errorf("it has version %d, and this program knows %d", data[0], entryVersion)
	}
	r := reader{b: data[1:n], s: string(data[1:n])}
	e := outbox.Entry{ID: id, Order: uint64(place), State: outbox.State(r.uint())}
	e.Version, e.DeviceSeq, e.Seq, e.Attempt = r.uint(), r.uint(), r.uint(), int(r.uint())
	e.ExpiresIn = time.Duration(r.int())
	e.CreatedAt, e.ExpiresAt, e.SentAt = r.time(), r.time(), r.time()
	e.Account, e.Channel, e.Text, e.Attachments, e.Err = r.text(), r.text(), r.text(), r.bytes(), r.text()
	for range r.length() {
		e.After = append(e.After, r.text())
	}
	for range r.length() {
		e.Needs = append(e.Needs, outbox.Need{Name: r.text(), Result: r.bytes()})
	}
	if r.short || len(r.b) != 0 || e.State < outbox.Queued || e.State > outbox.Expired {
		return outbox.Entry{}, errors.New("it can't be read, though its checksum is right: another program wrote it")
	}
	return e, nil
}

// reader takes a row's data apart. Where it is too short, short is set and everything is zero from then on.
type reader struct {
	b     []byte // what is left
	s     string // all of it: texts are parts of this one copy
	short bool
}

func (r *reader) fail() { r.b, r.short = nil, true }

func (r *reader) uint() uint64 { return number(r, binary.Uvarint) }
func (r *reader) int() int64   { return number(r, binary.Varint) }

func number[T int64 | uint64](r *reader, read func([]byte) (T, int)) T {
	v, n := read(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// length is a number of things of at least one byte each.
func (r *reader) length() int {
	v := r.uint()
	if v > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(v)
}

func (r *reader) text() string {
	n := r.length()
	at := len(r.s) - len(r.b)
	r.b = r.b[n:]
	return r.s[at : at+n]
}

func (r *reader) bytes() []byte {
	if s := r.text(); s != "" {
		return []byte(s)
	}
	return nil
}

func (r *reader) time() time.Time {
	ns := r.int()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
