package faultnet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// attribute is one attribute of a kind of toxic.
type attribute struct {
	name string
	read func(*toxic, json.RawMessage) error
	show func(*toxic) any
}

// Bounds of attributes: a day in their units, and a size that fits any int.
const (
	maxMillis = 24 * 3600 * 1000
	maxMicros = maxMillis * 1000
	maxRate   = math.MaxInt64 / 1000 / 1024
	maxBytes  = math.MaxInt32
)

// attributesOf lists what a kind of toxic takes. ok is false if there is no such kind.
func attributesOf(kind string) (list []attribute, ok bool) {
	whole := func(name string, limit int64, field func(*attributes) *int64) attribute {
		return number(name, 0, limit, func(t *toxic) *int64 { return field(&t.attributes) })
	}
	switch kind {
	case toxicLatency:
		return []attribute{
			whole("latency", maxMillis, func(a *attributes) *int64 { return &a.Latency }),
			whole("jitter", maxMillis, func(a *attributes) *int64 { return &a.Jitter }),
		}, true
	case toxicBandwidth:
		return []attribute{whole("rate", maxRate, func(a *attributes) *int64 { return &a.Rate })}, true
	case toxicSlowClose:
		return []attribute{whole("delay", maxMillis, func(a *attributes) *int64 { return &a.Delay })}, true
	case toxicTimeout, toxicResetPeer:
		return []attribute{whole("timeout", maxMillis, func(a *attributes) *int64 { return &a.Timeout })}, true
	case toxicSlicer:
		return []attribute{
			whole("average_size", maxBytes, func(a *attributes) *int64 { return &a.AverageSize }),
			whole("size_variation", maxBytes, func(a *attributes) *int64 { return &a.SizeVary }),
			whole("delay", maxMicros, func(a *attributes) *int64 { return &a.Delay }),
		}, true
	case toxicLimitData:
		return []attribute{whole("bytes", math.MaxInt64, func(a *attributes) *int64 { return &a.Bytes })}, true
	case toxicLoss:
		return []attribute{number("loss", 0, 1, func(t *toxic) *float64 { return &t.attributes.Loss })}, true
	case toxicDown, toxicStall, toxicStrand, toxicHang, toxicUnreachable, toxicRefused:
		return nil, true
	}
	return httpAttributes(HTTPKind(kind))
}

// number is an attribute that is a number from low to high.
func number[N int64 | float64](name string, low, high N, field func(*toxic) *N) attribute {
	return attribute{
		name: name,
		read: func(t *toxic, raw json.RawMessage) error {
			var n N
			if err := json.Unmarshal(raw, &n); err != nil {
				return err
			}
			if n < low || n > high {
				return fmt.Errorf("%v isn't from %v to %v", n, low, high)
			}
			*field(t) = n
			return nil
		},
		show: func(t *toxic) any { return *field(t) },
	}
}

// value is an attribute that a later check judges.
func value[V string | bool | int](name string, field func(*HTTPFault) *V) attribute {
	return attribute{
		name: name,
		read: func(t *toxic, raw json.RawMessage) error {
			var v V
			if err := json.Unmarshal(raw, &v); err != nil {
				return err
			}
			*field(&t.http) = v
			return nil
		},
		show: func(t *toxic) any { return *field(&t.http) },
	}
}

// readAttributes sets the attributes that a client sent and leaves the others.
func (t *toxic) readAttributes(input map[string]json.RawMessage) error {
	list, _ := attributesOf(t.kind)
	for name, raw := range input {
		i := slices.IndexFunc(list, func(known attribute) bool { return known.name == name })
		if i < 0 {
			return errBadBody.because(fmt.Sprintf("%s has no attribute %q", t.kind, name))
		}
		if bytes.Equal(raw, []byte("null")) {
			continue
		}
		if err := list[i].read(t, raw); err != nil {
			return errBadBody.because(fmt.Sprintf("attribute %s: %v", name, err))
		}
	}
	return nil
}
