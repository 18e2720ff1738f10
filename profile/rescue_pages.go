package profile

import (
	"encoding/binary"
	"io"
	"os"
)

// Numbers of SQLite's file format (https://www.sqlite.org/fileformat2.html, sections 1.3, 1.5, 1.6 and 2.1).
const (
	headerBytes    = 100  // of the file, on its first page
	usualPage      = 4096 // the size of a page where the header is gone: this program's
	leastPage      = 512
	greatestPage   = 65536
	leafOfTable    = 0x0d
	leafHeader     = 8
	greatestVarint = 9
)

// pages reads a database page by page, whatever its schema says: a table whose definition is damaged, or whose place
// nobody knows, still has its rows where they were.
type pages struct {
	file io.ReaderAt
	size int64
	page int             // bytes of one
	free map[uint32]bool // pages that are no part of a table any more, with old rows on them
}

// openPages looks at the header and the list of free pages as far as they can be read.
func openPages(file *os.File) (*pages, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	p := &pages{file: file, size: info.Size(), page: usualPage, free: map[uint32]bool{}}
	header := make([]byte, headerBytes)
	if _, err := file.ReadAt(header, 0); err != nil {
		return p, nil // shorter than a header: there is no page either
	}
	size := int(binary.BigEndian.Uint16(header[16:]))
	if size == 1 {
		size = greatestPage
	}
	if string(header[:16]) != "SQLite format 3\x00" || size < leastPage || size&(size-1) != 0 {
		return p, nil
	}
	p.page = size
	for trunk := binary.BigEndian.Uint32(header[32:]); trunk != 0 && !p.free[trunk]; {
		b := p.read(trunk)
		if b == nil {
			break
		}
		p.free[trunk] = true
		n := min(binary.BigEndian.Uint32(b[4:]), uint32(len(b)/4-2))
		for i := range n {
			p.free[binary.BigEndian.Uint32(b[8+4*i:])] = true
		}
		trunk = binary.BigEndian.Uint32(b)
	}
	return p, nil
}

// read returns a page, counted from 1, or nil if there is none.
func (p *pages) read(n uint32) []byte {
	if n == 0 || int64(n)*int64(p.page) > p.size {
		return nil
	}
	b := make([]byte, p.page)
	if _, err := p.file.ReadAt(b, int64(n-1)*int64(p.page)); err != nil {
		return nil
	}
	return b
}

// rows hands over every row that has the columns of outbox_entries. Other tables may have such rows, and damage may look
// like one: the checksum in data tells.
func (p *pages) rows(take func(place int64, id string, data []byte)) {
	for n := uint32(1); int64(n)*int64(p.page) <= p.size; n++ {
		b := p.read(n)
		at := 0
		if n == 1 {
			at = headerBytes
		}
		if p.free[n] || len(b) < at+leafHeader || b[at] != leafOfTable {
			continue
		}
		cells := int(binary.BigEndian.Uint16(b[at+3:]))
		for i := range min(cells, (len(b)-at-leafHeader)/2) {
			cell := int(binary.BigEndian.Uint16(b[at+leafHeader+2*i:]))
			if cell >= len(b) {
				continue
			}
			if place, record := p.cell(b[cell:]); record != nil {
				if id, data, ok := entryColumns(record); ok {
					take(place, id, data)
				}
			}
		}
	}
}

// cell takes a cell of a leaf apart: the length of the record, its row's number, and the record, which goes on from page
// to page if it is long. record is nil where that can't be.
func (p *pages) cell(b []byte) (place int64, record []byte) {
	length, n := varint(b)
	number, m := varint(b[n:])
	b = b[n+m:]
	if n == 0 || m == 0 || length > uint64(p.size) {
		return 0, nil
	}
	here, next := p.local(int(length)), uint32(0)
	if here < int(length) {
		if len(b) < here+4 {
			return 0, nil
		}
		next = binary.BigEndian.Uint32(b[here:])
	}
	if len(b) < here {
		return 0, nil
	}
	record = append(record, b[:here]...)
	for len(record) < int(length) { // each turn adds something
		more := p.read(next)
		if more == nil {
			return 0, nil
		}
		next = binary.BigEndian.Uint32(more)
		record = append(record, more[4:min(len(more), 4+int(length)-len(record))]...)
	}
	return int64(number), record
}

// local is how much of a record of a length lies on its leaf.
func (p *pages) local(length int) int {
	most, least := p.page-35, (p.page-12)*32/255-23
	if length <= most {
		return length
	}
	if k := least + (length-least)%(p.page-4); k <= most {
		return k
	}
	return least
}

// entryColumns are id and data of a record with the columns of outbox_entries: place, which is the row's number and so
// left out, id, state and data.
func entryColumns(record []byte) (id string, data []byte, ok bool) {
	header, n := varint(record)
	if n == 0 || header > uint64(len(record)) {
		return "", nil, false
	}
	var types [4]uint64
	at := n
	for i := range types {
		v, n := varint(record[at:int(header)])
		if n == 0 {
			return "", nil, false
		}
		types[i], at = v, at+n
	}
	place, text, state, blob := types[0], types[1], types[2], types[3]
	wide, known := map[uint64]uint64{1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}[state]
	if at != int(header) || place != 0 || text < 13 || text%2 == 0 || !known || blob < 12 || blob%2 != 0 {
		return "", nil, false
	}
	idLen, dataLen, body := (text-13)/2, (blob-12)/2, record[at:]
	if left := uint64(len(body)); idLen > left || dataLen > left || idLen+wide+dataLen != left {
		return "", nil, false
	}
	return string(body[:idLen]), body[idLen+wide:], true
}

// varint reads SQLite's kind of number: seven bits a byte, the highest first, and all eight of the ninth. n is 0 where
// there is none.
func varint(b []byte) (v uint64, n int) {
	for n < min(len(b), greatestVarint) {
		c := b[n]
		n++
		if n == greatestVarint {
			return v<<8 | uint64(c), n
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, n
		}
	}
	return 0, 0
}
