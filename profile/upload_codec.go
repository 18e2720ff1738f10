package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/chatsdk/chatsdk/upload"
)

// An upload's data is built as an entry's is. It is written once a second while the upload moves, so it is short too.
// Version 2 has the metadata of Leftovers; rows of version 1 are read, and written as 2 when they change.
const uploadVersion = 2

// Flags of an upload's data.
const (
	uploadPosted = 1 << iota
	uploadForget
	uploadVerified
)

// encodeUpload is the data of u's row.
func encodeUpload(u *upload.Upload) []byte {
	b := append(make([]byte, 0, 768), uploadVersion)
	flags := uint64(0)
	for bit, on := range map[uint64]bool{uploadPosted: u.Posted, uploadForget: u.Forget, uploadVerified: u.Verified} {
		if on {
			flags |= bit
		}
	}
	for _, n := range []uint64{flags, uint64(u.OnChange), uint64(u.State), uint64(u.Restarts), u.Source.Device, u.Source.Inode} {
		b = binary.AppendUvarint(b, n)
	}
	for _, n := range []int64{u.Source.Size, u.Offset, u.HashedTo} {
		b = binary.AppendVarint(b, n)
	}
	for _, t := range []time.Time{u.Source.ModTime, u.Source.Changed, u.ExpiresAt, u.CreatedAt, u.UpdatedAt, u.DoneAt} {
		b = appendTime(b, t)
	}
	for _, s := range []string{
		u.Account, u.Label, u.Path, u.Name, u.ContentType, u.Source.Head, u.Source.Tail, u.SHA256, u.Key, u.URL,
		string(u.HashState), string(u.Code), u.Err,
	} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(u.Leftovers)))
	for _, l := range u.Leftovers {
		b = appendText(binary.AppendVarint(appendText(appendText(b, l.URL), l.Key), l.Size), l.Metadata)
	}
	return binary.BigEndian.AppendUint32(b, checksum(u.ID, b))
}

// decodeUpload reads a row.
func decodeUpload(place int64, id string, data []byte) (upload.Upload, error) {
	n := len(data) - checksumBytes
	if n < 1 || checksum(id, data[:n]) != binary.BigEndian.Uint32(data[n:]) {
		return upload.Upload{}, errEntryChecksum
	}
	version := data[0]
	if version < 1 || version > uploadVersion {
		return upload.Upload{}, fmt.Errorf("it has version %d, and this program knows up to %d", version, uploadVersion)
	}
	r := reader{b: data[1:n], s: string(data[1:n])}
	flags := r.uint()
	u := upload.Upload{
		ID: id, Order: uint64(place),
		Posted: flags&uploadPosted != 0, Forget: flags&uploadForget != 0, Verified: flags&uploadVerified != 0,
	}
	u.OnChange, u.State, u.Restarts = upload.Policy(r.uint()), upload.State(r.uint()), int(r.uint())
	u.Source.Device, u.Source.Inode = r.uint(), r.uint()
	u.Source.Size, u.Offset, u.HashedTo = r.int(), r.int(), r.int()
	for _, t := range []*time.Time{&u.Source.ModTime, &u.Source.Changed, &u.ExpiresAt, &u.CreatedAt, &u.UpdatedAt, &u.DoneAt} {
		*t = r.moment()
	}
	for _, s := range []*string{
		&u.Account, &u.Label, &u.Path, &u.Name, &u.ContentType, &u.Source.Head, &u.Source.Tail, &u.SHA256, &u.Key, &u.URL,
	} {
		*s = r.text()
	}
	u.HashState, u.Code, u.Err = r.bytes(), upload.Code(r.text()), r.text()
	for range r.length() {
		l := upload.Leftover{URL: r.text(), Key: r.text(), Size: r.int()}
		if version > 1 {
			l.Metadata = r.text()
		}
		u.Leftovers = append(u.Leftovers, l)
	}
	kept := u.State == upload.Queued || u.State == upload.Paused || u.State.Settled()
	if r.short || len(r.b) != 0 || !kept || u.OnChange < upload.Fail || u.OnChange > upload.Restart {
		return upload.Upload{}, errors.New("it can't be read, though its checksum is right: another program wrote it")
	}
	return u, nil
}

// appendTime keeps every moment apart from every other, the zero time from 1970 too: files have been changed then.
func appendTime(b []byte, t time.Time) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
}

// moment reads what appendTime wrote.
func (r *reader) moment() time.Time {
	s, ns := r.int(), r.uint()
	if ns >= uint64(time.Second) {
		r.fail()
		return time.Time{}
	}
	return time.Unix(s, int64(ns)).UTC()
}
