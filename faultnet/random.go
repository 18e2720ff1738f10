package faultnet

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
)

// Streams of random numbers of one connection, beside its two directions.
const (
	streamHandshake = 2
	streamToxicity  = 3
	streamAcks      = 4 // and the next: the acknowledgements of the two directions
)

// newRand is the random source of one stream of one connection: the same five values give the same draws, whatever
// other streams do.
func newRand(seed uint64, from, to string, number int64, stream int) *rand.Rand {
	h := fnv.New64a()
	for _, name := range []string{from, to} {
		_, _ = h.Write([]byte(name)) // never fails
		_, _ = h.Write([]byte{0})
	}
	var tail [16]byte
	binary.BigEndian.PutUint64(tail[:8], uint64(number))
	binary.BigEndian.PutUint64(tail[8:], uint64(stream))
	_, _ = h.Write(tail[:])
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// share is a number in [0, 1) that depends on nothing but its arguments. It decides which connections a toxic with a
// toxicity below 1 meets, so that adding and removing other toxics changes nothing about it.
func share(seed uint64, from, to string, number int64, name string) float64 {
	return newRand(seed, from, to+"\x00"+name, number, streamToxicity).Float64()
}
