package agent

import (
	"io/fs"
	"net/http"
	"strings"

	"github.com/chatsdk/chatsdk/web"
)

const (
	typeJSON  = "application/json"
	typeBytes = "application/octet-stream"
)

// routes are all that the agent answers to.
func (a *Agent) routes() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range map[string]map[string]http.HandlerFunc{
		"/v1/state":              {http.MethodGet: a.state},
		"/v1/events":             {http.MethodGet: a.events},
		"/v1/metrics":            {http.MethodGet: a.metrics.serve},
		"/v1/messages":           {http.MethodGet: a.history, http.MethodPost: typed(typeJSON, a.send)},
		"/v1/uploads":            {http.MethodPost: typed(typeBytes, a.upload)},
		"/v1/outbox/{id}/cancel": {http.MethodPost: typed(typeJSON, a.cancelEntry)},
		"/v1/outbox/{id}/retry":  {http.MethodPost: typed(typeJSON, a.retryEntry)},
	} {
		mux.HandleFunc(path, a.withToken(func(w http.ResponseWriter, r *http.Request) {
			if serve := methods[r.Method]; serve != nil {
				serve(w, r)
				return
			}
			refuse(w, http.StatusMethodNotAllowed, codeMethod, r.Method+" isn't for "+path)
		}))
	}
	mux.HandleFunc("/v1/", a.withToken(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, codeNotFound, "there is no such call")
	}))
	mux.HandleFunc("/", page(web.Dashboard()))
	return a.guarded(mux)
}

// page serves the built files. They need no token: a page can't send one for them, and nothing secret is in them.
func page(files fs.FS) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		}
		info, err := fs.Stat(files, name)
		switch {
		case err != nil || info.IsDir():
			refuse(w, http.StatusNotFound, codeNotFound, "there is no such page")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			refuse(w, http.StatusMethodNotAllowed, codeMethod, r.Method+" isn't for pages")
		case name == "index.html": // ServeFileFS would send it on to its folder
			b, err := fs.ReadFile(files, name)
			if err != nil {
				refuseFor(w, err)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(b) // nobody is left to tell
		default:
			http.ServeFileFS(w, r, files, name)
		}
	}
}
