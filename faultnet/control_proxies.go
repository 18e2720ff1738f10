package faultnet

import (
	"fmt"
	"net"
	"net/http"
)

// proxyJSON is a proxy as the API shows it.
type proxyJSON struct {
	Name     string      `json:"name"`
	Listen   string      `json:"listen"`
	Upstream string      `json:"upstream"`
	Enabled  bool        `json:"enabled"`
	Toxics   []toxicJSON `json:"toxics"`
}

// proxyInput is a proxy as clients send it. Missing fields keep their present or default values.
type proxyInput struct {
	Name     string  `json:"name"`
	Listen   *string `json:"listen"`
	Upstream *string `json:"upstream"`
	Enabled  *bool   `json:"enabled"`
}

func showProxy(p *Proxy) proxyJSON {
	return proxyJSON{
		Name: p.name, Listen: p.Addr(), Upstream: p.Upstream(), Enabled: p.Running(),
		Toxics: p.showToxics(),
	}
}

func (c *Control) getProxies(*http.Request) (int, any, error) {
	shown := make(map[string]proxyJSON)
	for _, p := range c.list() {
		shown[p.name] = showProxy(p)
	}
	return http.StatusOK, shown, nil
}

func (c *Control) getProxy(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, showProxy(p), nil
}

func (c *Control) createProxy(r *http.Request) (int, any, error) {
	var input proxyInput
	if err := decode(r, &input); err != nil {
		return 0, nil, err
	}
	p, err := c.build(input, "")
	if err != nil {
		return 0, nil, err
	}
	if err := c.install(p, input.enabled()); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, showProxy(p), nil
}

// build makes a proxy of what a client sent. where says which one of several it is.
func (c *Control) build(input proxyInput, where string) (*Proxy, error) {
	if input.Name == "" {
		return nil, errMissingField.because("name" + where)
	}
	if err := checkName(input.Name); err != nil {
		return nil, err
	}
	opts := ProxyOptions{Name: input.Name, Seed: c.opts.Seed, Logger: c.logger}
	if input.Upstream == nil || *input.Upstream == "" {
		return nil, errMissingField.because("upstream" + where)
	}
	opts.Upstream = *input.Upstream
	if input.Listen != nil {
		opts.Listen = *input.Listen
	}
	p, err := NewProxy(opts)
	if err != nil {
		return nil, &apiError{err.Error(), http.StatusBadRequest}
	}
	return p, nil
}

func (i *proxyInput) enabled() bool { return i.Enabled == nil || *i.Enabled }

// install adds a new proxy and starts it.
func (c *Control) install(p *Proxy, start bool) error {
	if err := c.Add(p); err != nil {
		return err
	}
	if !start {
		return nil
	}
	if err := p.Start(); err != nil {
		c.remove(p.name)
		return err
	}
	return nil
}

// populateJSON is the answer to /populate: what was done, and the error that ended it.
type populateJSON struct {
	*apiError
	Proxies []proxyJSON `json:"proxies"`
}

// populate creates many proxies; one that exists with the same addresses stays as it is, else it is replaced.
func (c *Control) populate(r *http.Request) (int, any, error) {
	var inputs []proxyInput
	if err := decode(r, &inputs); err != nil {
		return 0, nil, err
	}
	var proxies []*Proxy
	for i, input := range inputs { // all of the input is looked at before anything is done
		p, err := c.build(input, fmt.Sprintf(" at proxy %d", i+1))
		if err != nil {
			return 0, nil, err
		}
		proxies = append(proxies, p)
	}
	result := populateJSON{Proxies: []proxyJSON{}}
	for i, p := range proxies {
		p, err := c.replace(p, inputs[i].enabled())
		if err != nil {
			result.apiError = &apiError{err.Error(), statusOf(err)}
			return result.Status, result, nil
		}
		result.Proxies = append(result.Proxies, showProxy(p))
	}
	return http.StatusCreated, result, nil
}

// replace installs a proxy in the place of one of the same name, unless that is the same.
func (c *Control) replace(p *Proxy, start bool) (*Proxy, error) {
	if old := c.Proxy(p.name); old != nil {
		if sameAddr(old.Addr(), p.Addr()) && old.Upstream() == p.Upstream() {
			return old, nil
		}
		if err := old.Close(); err != nil {
			return nil, err
		}
		c.remove(old.name)
	}
	return p, c.install(p, start)
}

func (c *Control) updateProxy(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	var input proxyInput
	if err := decode(r, &input); err != nil {
		return 0, nil, err
	}
	listen, upstream, enabled := p.Addr(), p.Upstream(), p.Running()
	if input.Listen != nil && *input.Listen != "" && !sameAddr(listen, *input.Listen) {
		listen = *input.Listen
	}
	if input.Upstream != nil && *input.Upstream != "" {
		upstream = *input.Upstream
	}
	if input.Enabled != nil {
		enabled = *input.Enabled
	}
	if err := p.reconfigure(listen, upstream, enabled); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, showProxy(p), nil
}

// reconfigure changes addresses, which ends the live connections as in Toxiproxy, and starts or stops.
func (p *Proxy) reconfigure(listen, upstream string, enabled bool) error {
	opts := ProxyOptions{Listen: listen, Upstream: upstream}
	if _, err := opts.withDefaults(); err != nil {
		return &apiError{err.Error(), http.StatusBadRequest}
	}
	if listen != p.Addr() || upstream != p.Upstream() {
		if err := p.Stop(); err != nil {
			return err
		}
		p.setListen(listen)
		p.SetUpstream(upstream)
	}
	if enabled {
		return p.Start()
	}
	return p.Stop()
}

func (c *Control) deleteProxy(r *http.Request) (int, any, error) {
	p, err := c.find(r)
	if err != nil {
		return 0, nil, err
	}
	if err := p.Close(); err != nil {
		return 0, nil, err
	}
	c.remove(p.name)
	return http.StatusNoContent, nil, nil
}

// sameAddr compares addresses by what they mean: "localhost:80" is "127.0.0.1:80". An address that was found for port
// 0 is the same as one that asks for port 0.
func sameAddr(present, wanted string) bool {
	if present == wanted {
		return true
	}
	a, errA := net.ResolveTCPAddr("tcp", present)
	b, errB := net.ResolveTCPAddr("tcp", wanted)
	return errA == nil && errB == nil && a.IP.Equal(b.IP) && (a.Port == b.Port || b.Port == 0)
}
