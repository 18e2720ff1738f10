package agent

import (
	"net/http"
)

const (
	typeJSON  = "application/json"
	typeBytes = "application/octet-stream"
)

// routes are all that the agent answers to.
func (a *Agent) routes() http.Handler {
	s := Site{Token: a.opts.Token, Origins: a.opts.Origins, Prefix: "/v1/", Calls: map[string]map[string]http.HandlerFunc{
		"/v1/state":              {http.MethodGet: a.state},
		"/v1/events":             {http.MethodGet: a.events},
		"/v1/metrics":            {http.MethodGet: a.metrics.serve},
		"/v1/messages":           {http.MethodGet: a.history, http.MethodPost: a.send},
		"/v1/uploads":            {http.MethodPost: a.upload},
		"/v1/outbox/{id}/cancel": {http.MethodPost: a.cancelEntry},
		"/v1/outbox/{id}/retry":  {http.MethodPost: a.retryEntry},
	}}
	for _, methods := range s.Calls {
		for method, serve := range methods {
			methods[method] = a.entered(serve)
		}
	}
	return s.Handler()
}

// entered lets through for as long as the agent isn't closed.
func (a *Agent) entered(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, leave, ok := a.enter(r.Context())
		if !ok {
			refuse(w, http.StatusServiceUnavailable, codeBusy, ErrClosed.Error())
			return
		}
		defer leave()
		next(w, r.WithContext(ctx))
	}
}
