package profile

import "encoding/binary"

// Encode… and Decode… are a row's data.
var (
	EncodeEntry  = encodeEntry
	DecodeEntry  = decodeEntry
	EncodeUpload = encodeUpload
	DecodeUpload = decodeUpload
)

// SealEntry gives a row's data its version and checksum.
func SealEntry(id string, body []byte) []byte { return SealRow(entryVersion, id, body) }

// SealRow is SealEntry for any version.
func SealRow(version byte, id string, body []byte) []byte {
	b := append([]byte{version}, body...)
	return binary.BigEndian.AppendUint32(b, checksum(id, b))
}
