package profile

import "encoding/binary"

// EncodeEntry and DecodeEntry are a row's data.
var (
	EncodeEntry = encodeEntry
	DecodeEntry = decodeEntry
)

// SealEntry gives a row's data its version and checksum.
func SealEntry(id string, body []byte) []byte {
	b := append([]byte{entryVersion}, body...)
	return binary.BigEndian.AppendUint32(b, checksum(id, b))
}
