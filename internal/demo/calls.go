package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/chatsdk/chatsdk/agent"
)

// prefix is before all calls of the demo's own.
const prefix = "/demo/v1/"

// errClosing says that the demo is ending.
var errClosing = &agent.Problem{Status: http.StatusServiceUnavailable, Code: "busy", Detail: "the demo is ending"}

func conflict(detail string) *agent.Problem {
	return &agent.Problem{Status: http.StatusConflict, Code: "conflict", Detail: detail}
}

func badRequest(detail string) *agent.Problem {
	return &agent.Problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: detail}
}

func notFound(detail string) *agent.Problem {
	return &agent.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: detail}
}

// Handler serves the page, the agents and the demo's own calls.
func (d *Demo) Handler() http.Handler {
	site := agent.Site{Token: d.token, Prefix: prefix, Calls: map[string]map[string]http.HandlerFunc{
		prefix + "state":                    {http.MethodGet: d.getState},
		prefix + "clients/{name}/link":      {http.MethodPost: call(d, d.postLink)},
		prefix + "clients/{name}/reset":     {http.MethodPost: call(d, d.postReset)},
		prefix + "clients/{name}/half-open": {http.MethodPost: call(d, d.postHalfOpen)},
		prefix + "clients/{name}/busy":      {http.MethodPost: call(d, d.postBusy)},
		prefix + "clients/{name}/expire":    {http.MethodPost: call(d, d.postExpire)},
		prefix + "clients/{name}/heal":      {http.MethodPost: call(d, d.postHeal)},
		prefix + "server":                   {http.MethodPost: call(d, d.postServer)},
		prefix + "talk":                     {http.MethodPost: call(d, d.postTalk)},
		prefix + "play":                     {http.MethodPost: call(d, d.postPlay)},
		prefix + "stop":                     {http.MethodPost: call(d, d.postStop)},
	}}
	mux := http.NewServeMux()
	mux.Handle("/", site.Handler())
	for _, c := range d.clients {
		mux.Handle("/"+c.name+"/", http.StripPrefix("/"+c.name, c.agent.Handler()))
	}
	return mux
}

// getState answers with the state.
func (d *Demo) getState(w http.ResponseWriter, r *http.Request) {
	leave, ok := d.enter()
	if !ok {
		refuse(w, errClosing)
		return
	}
	defer leave()
	body, tag, err := d.tell(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	agent.Tagged(w, r, tag, body)
}

// call is a POST that does something, and answers with the state after it.
func call[In any](d *Demo, do func(ctx context.Context, name string, in In) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if !agent.ReadJSON(w, r, &in) {
			return
		}
		leave, ok := d.enter() // not before: Close waits for nobody's body
		if !ok {
			refuse(w, errClosing)
			return
		}
		defer leave()
		err := d.act(r.Context(), func() error { return do(r.Context(), r.PathValue("name"), in) })
		var body []byte
		if err == nil {
			body, _, err = d.tell(r.Context())
		}
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == prefix+"play" {
			w.WriteHeader(http.StatusAccepted)
		}
		_, _ = w.Write(body) // nobody is left to tell
	}
}

// refuse says what went wrong.
func refuse(w http.ResponseWriter, err error) {
	var p *agent.Problem
	if !errors.As(err, &p) {
		p = &agent.Problem{Status: http.StatusInternalServerError, Code: "failed", Detail: err.Error()}
	}
	p.Answer(w)
}

// client finds the client of a name.
func (d *Demo) client(name string) (*client, error) {
	for _, c := range d.clients {
		if c.name == name {
			return c, nil
		}
	}
	return nil, notFound(fmt.Sprintf("there is no client %.20q: they are %q", name, names))
}

type none struct{}

func (d *Demo) postLink(_ context.Context, name string, in linkChange) error {
	c, err := d.client(name)
	if err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return badRequest(err.Error())
	}
	return c.change(in.applied(c.look().Link))
}

func (d *Demo) postReset(_ context.Context, name string, _ none) error {
	c, err := d.client(name)
	if err == nil {
		c.guest.Link.Reset()
	}
	return err
}

func (d *Demo) postHalfOpen(_ context.Context, name string, in struct {
	Direction string `json:"direction"`
},
) error {
	c, err := d.client(name)
	switch {
	case err != nil:
		return err
	case in.Direction != "up" && in.Direction != "down":
		return badRequest(`direction has to be "up" or "down"`)
	}
	c.guest.Link.Strand(in.Direction == "up", in.Direction == "down")
	return nil
}

func (d *Demo) postBusy(_ context.Context, name string, _ none) error {
	c, err := d.client(name)
	if err != nil {
		return err
	}
	return c.overload()
}

func (d *Demo) postExpire(_ context.Context, name string, _ none) error {
	c, err := d.client(name)
	switch {
	case err != nil:
		return err
	case !d.world.Running():
		return conflict("the server is stopped, and has no tokens to let run out: start it first")
	}
	return d.world.ExpireTokens(c.guest.User)
}

func (d *Demo) postHeal(_ context.Context, name string, _ none) error {
	c, err := d.client(name)
	if err != nil {
		return err
	}
	return c.heal()
}

func (d *Demo) postServer(ctx context.Context, _ string, in struct {
	Running *bool `json:"running"`
},
) error {
	switch {
	case in.Running == nil:
		return badRequest("running has to be true or false")
	case *in.Running == d.world.Running():
		return nil
	case *in.Running:
		return d.world.StartServer(ctx)
	}
	return d.world.StopServer(context.WithoutCancel(ctx), false)
}

func (d *Demo) postTalk(_ context.Context, _ string, in struct {
	On *bool `json:"on"`
},
) error {
	if in.On == nil {
		return badRequest("on has to be true or false")
	}
	d.setTalk(*in.On)
	return nil
}

func (d *Demo) postPlay(_ context.Context, _ string, in struct {
	Scenario string `json:"scenario"`
},
) error {
	for _, s := range d.opts.Scenarios {
		if s.ID == in.Scenario {
			return d.begin(s)
		}
	}
	return notFound(fmt.Sprintf("there is no scenario %.20q: state lists them", in.Scenario))
}

func (d *Demo) postStop(context.Context, string, none) error {
	d.stop()
	return nil
}
