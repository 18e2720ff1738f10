package faultnet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
)

// toxicJSON is a toxic as the API shows it.
type toxicJSON struct {
	Attributes map[string]any `json:"attributes"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"`
	Toxicity   float64        `json:"toxicity"`
}

// toxicInput is a toxic as clients send it.
type toxicInput struct {
	Name       string                     `json:"name"`
	Type       string                     `json:"type"`
	Stream     string                     `json:"stream"`
	Toxicity   *float64                   `json:"toxicity"`
	Attributes map[string]json.RawMessage `json:"attributes"`
}

// attribute is one number of a kind of toxic.
type attribute struct {
	name  string
	max   int64
	whole func(*attributes) *int64
	share func(*attributes) *float64 // instead of whole: a number from 0 to 1
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
		return attribute{name: name, max: limit, whole: field}
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
		return []attribute{{name: "loss", share: func(a *attributes) *float64 { return &a.Loss }}}, true
	case toxicDown, toxicStall, toxicStrand, toxicHang, toxicUnreachable, toxicRefused:
		return nil, true
	}
	return nil, false
}

// read sets the attributes that a client sent and leaves the others.
func (a *attributes) read(kind string, input map[string]json.RawMessage) error {
	list, _ := attributesOf(kind)
	for name, raw := range input {
		i := slices.IndexFunc(list, func(known attribute) bool { return known.name == name })
		if i < 0 {
			return errBadBody.because(fmt.Sprintf("%s has no attribute %q", kind, name))
		}
		if bytes.Equal(raw, []byte("null")) {
			continue
		}
		if err := list[i].read(a, raw); err != nil {
			return errBadBody.because(fmt.Sprintf("attribute %s: %v", name, err))
		}
	}
	return nil
}

func (known *attribute) read(a *attributes, raw json.RawMessage) error {
	if known.share != nil {
		var x float64
		if err := json.Unmarshal(raw, &x); err != nil {
			return err
		}
		if x < 0 || x > 1 {
			return fmt.Errorf("%v isn't from 0 to 1", x)
		}
		*known.share(a) = x
		return nil
	}
	var n int64
	if err := json.Unmarshal(raw, &n); err != nil {
		return err
	}
	if n < 0 || n > known.max {
		return fmt.Errorf("%d isn't from 0 to %d", n, known.max)
	}
	*known.whole(a) = n
	return nil
}

func showToxics(toxics []*toxic) []toxicJSON {
	shown := make([]toxicJSON, 0, len(toxics))
	for _, d := range []direction{upward, downward} { // Toxiproxy's order
		for _, t := range toxics {
			if t.dir == d {
				shown = append(shown, showToxic(t))
			}
		}
	}
	return shown
}

func showToxic(t *toxic) toxicJSON {
	shown := toxicJSON{
		Attributes: make(map[string]any), Name: t.name, Type: t.kind, Stream: t.dir.stream(), Toxicity: t.toxicity,
	}
	list, _ := attributesOf(t.kind)
	a := t.attributes
	for _, known := range list {
		if known.share != nil {
			shown.Attributes[known.name] = *known.share(&a)
		} else {
			shown.Attributes[known.name] = *known.whole(&a)
		}
	}
	return shown
}

// stream is the API's word for a direction.
func (d direction) stream() string {
	if d == upward {
		return "upstream"
	}
	return "downstream"
}

// toxic makes a toxic of what a client sent.
func (i *toxicInput) toxic() (*toxic, error) {
	t := &toxic{name: i.Name, kind: i.Type, toxicity: 1}
	switch i.Stream {
	case "", "downstream":
		t.dir = downward
	case "upstream":
		t.dir = upward
	default:
		return nil, errStream
	}
	if _, ok := attributesOf(i.Type); !ok {
		return nil, errToxicType
	}
	if t.name == "" {
		t.name = t.kind + "_" + t.dir.stream()
	}
	if err := checkName(t.name); err != nil {
		return nil, err
	}
	return t, i.amend(t)
}

// amend sets toxicity and attributes where a client sent them.
func (i *toxicInput) amend(t *toxic) error {
	if i.Toxicity != nil {
		if *i.Toxicity < 0 || *i.Toxicity > 1 {
			return errBadBody.because("toxicity isn't from 0 to 1")
		}
		t.toxicity = *i.Toxicity
	}
	return t.attributes.read(t.kind, i.Attributes)
}

func (c *Control) getToxics(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, showToxics(p.link.listToxics()), nil
}

func (c *Control) getToxic(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	toxics := p.link.listToxics()
	i := indexToxic(toxics, r.PathValue("toxic"))
	if i < 0 {
		return 0, nil, errToxicNotFound
	}
	return http.StatusOK, showToxic(toxics[i]), nil
}

func indexToxic(toxics []*toxic, name string) int {
	return slices.IndexFunc(toxics, func(t *toxic) bool { return t.name == name })
}

func (c *Control) createToxic(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	var input toxicInput
	if err := decode(r, &input); err != nil {
		return 0, nil, err
	}
	t, err := input.toxic()
	if err != nil {
		return 0, nil, err
	}
	err = p.link.changeToxics(func(toxics []*toxic) ([]*toxic, error) {
		switch {
		case indexToxic(toxics, t.name) >= 0:
			return nil, errToxicExists
		case len(toxics) >= maxToxics:
			return nil, &apiError{fmt.Sprintf("too many toxics, at most %d", maxToxics), http.StatusTooManyRequests}
		}
		return append(slices.Clone(toxics), t), nil
	})
	if err != nil {
		return 0, nil, err
	}
	if t.kind == toxicStrand {
		p.link.strand(t.dir == upward, t.dir == downward, func(c *circuit) bool { return t.meets(c.link, c.number) })
	}
	return http.StatusOK, showToxic(t), nil
}

func (c *Control) updateToxic(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	var input toxicInput
	if err := decode(r, &input); err != nil {
		return 0, nil, err
	}
	var shown toxicJSON
	err = p.link.changeToxics(func(toxics []*toxic) ([]*toxic, error) {
		i := indexToxic(toxics, r.PathValue("toxic"))
		if i < 0 {
			return nil, errToxicNotFound
		}
		changed := *toxics[i]
		if err := input.amend(&changed); err != nil {
			return nil, err
		}
		shown = showToxic(&changed)
		toxics = slices.Clone(toxics)
		toxics[i] = &changed
		return toxics, nil
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, shown, nil
}

func (c *Control) deleteToxic(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	err = p.link.changeToxics(func(toxics []*toxic) ([]*toxic, error) {
		i := indexToxic(toxics, r.PathValue("toxic"))
		if i < 0 {
			return nil, errToxicNotFound
		}
		return slices.Delete(slices.Clone(toxics), i, i+1), nil
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}
