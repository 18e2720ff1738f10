package faultnet

import (
	"encoding/json"
	"fmt"
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
	Injected   *int64         `json:"injected,omitempty"` // requests that met it; of HTTP toxics only
}

// toxicInput is a toxic as clients send it.
type toxicInput struct {
	Name       string                     `json:"name"`
	Type       string                     `json:"type"`
	Stream     string                     `json:"stream"`
	Toxicity   *float64                   `json:"toxicity"`
	Attributes map[string]json.RawMessage `json:"attributes"`
}

func (p *Proxy) showToxics() []toxicJSON {
	toxics := p.link.listToxics()
	shown := make([]toxicJSON, 0, len(toxics))
	for _, d := range []direction{upward, downward} { // Toxiproxy's order
		for _, t := range toxics {
			if t.dir == d {
				shown = append(shown, p.showToxic(t))
			}
		}
	}
	return shown
}

func (p *Proxy) showToxic(t *toxic) toxicJSON {
	shown := toxicJSON{
		Attributes: make(map[string]any), Name: t.name, Type: t.kind, Stream: t.dir.stream(), Toxicity: t.toxicity,
	}
	list, _ := attributesOf(t.kind)
	for _, known := range list {
		shown.Attributes[known.name] = known.show(t)
	}
	if isHTTP(t.kind) {
		shown.Injected = new(p.http.injected(t.name))
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
	if err := t.readAttributes(i.Attributes); err != nil {
		return err
	}
	return t.checkHTTP()
}

func (c *Control) getToxics(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.showToxics(), nil
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
	return http.StatusOK, p.showToxic(toxics[i]), nil
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
	return http.StatusOK, p.showToxic(t), nil
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
	var changed toxic
	err = p.link.changeToxics(func(toxics []*toxic) ([]*toxic, error) {
		i := indexToxic(toxics, r.PathValue("toxic"))
		if i < 0 {
			return nil, errToxicNotFound
		}
		changed = *toxics[i]
		if err := input.amend(&changed); err != nil {
			return nil, err
		}
		toxics = slices.Clone(toxics)
		toxics[i] = &changed
		return toxics, nil
	})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, p.showToxic(&changed), nil
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
