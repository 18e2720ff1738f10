package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/chatsdk/chatsdk/web"
)

const (
	// headerTimeout and headerBytes bound what comes before a request is looked at.
	headerTimeout = 5 * time.Second
	headerBytes   = 16 << 10
	// idleTimeout keeps a connection for a page that asks now and then.
	idleTimeout = 2 * time.Minute
	// bodyBytes holds the longest text that a queue takes, 16 KiB, with every byte escaped.
	bodyBytes = 128 << 10
	// bodyTimeout bounds how long a small body may take.
	bodyTimeout = 10 * time.Second
)

// Site is what a page of this machine finds at one origin: the dashboard at /, and calls, behind the doors that an agent has.
// An agent is one; others may stand beside it.
type Site struct {
	Token   string   // lets in to the calls
	Origins []string // whose pages may ask too; see Options.Origins
	// Prefix is what the paths of all calls begin with, such as /v1/.
	Prefix string
	// Calls are by path, as http.ServeMux has it, and method. One that takes a body reads it with ReadJSON.
	Calls map[string]map[string]http.HandlerFunc
}

// Handler serves the site, to requests that name this machine by a loopback address or localhost.
func (s Site) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range s.Calls {
		mux.HandleFunc(path, s.withToken(func(w http.ResponseWriter, r *http.Request) {
			if serve := methods[r.Method]; serve != nil {
				serve(w, r)
				return
			}
			refuse(w, http.StatusMethodNotAllowed, codeMethod, r.Method+" isn't for "+path)
		}))
	}
	mux.HandleFunc(s.Prefix, s.withToken(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, codeNotFound, "there is no such call")
	}))
	mux.HandleFunc("/", page(web.Dashboard()))
	return s.guarded(mux)
}

// NewServer makes a server for an agent's handler, or for a Site, with limits that fit. What is out of the ordinary goes to l.
func NewServer(h http.Handler, l *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes,
		ErrorLog: log.New(logWriter{l}, "", 0),
	}
}

// logWriter takes what the HTTP server has to say.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(b []byte) (int, error) {
	w.log.Warn("http", "message", string(b))
	return len(b), nil
}

// Tagged answers with JSON under a tag, or with 304 if that is what the asker has.
func Tagged(w http.ResponseWriter, r *http.Request, tag string, body []byte) {
	tag = `"` + tag + `"`
	w.Header().Set("ETag", tag)
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Type", typeJSON)
	_, _ = w.Write(body) // nobody is left to tell
}

// ReadJSON reads a small body with one object, without fields that aren't known to v: who sends one means something by it. Bodies
// that forms of other pages can send aren't read. If it returns false it has answered.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if !typed(w, r, typeJSON) {
		return false
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // a writer that can't has its server's
	stop := context.AfterFunc(r.Context(), func() { _ = control.SetReadDeadline(time.Now()) })
	defer func() {
		if stop() {
			_ = control.SetReadDeadline(time.Time{})
		}
	}()
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytes))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err == nil {
		return true
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refuseFor(w, err)
	} else {
		refuse(w, http.StatusBadRequest, codeBadRequest, "the body isn't the object that is wanted: "+err.Error())
	}
	return false
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
