package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/tus/tusd/v2/pkg/filestore"
	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
	xslog "golang.org/x/exp/slog"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/upload"
)

// uploadBench is what all ways to upload share.
type uploadBench struct {
	w      *world
	token  string
	dir    string
	js     bool
	report *report
	made   int // profiles
}

// held is a token that outlives the measurement.
type held string

func (h held) Token(context.Context) (string, error) { return string(h), nil }
func (h held) Renew(context.Context, string) (string, error) {
	return "", errors.New("the token was refused")
}

// uploaders makes the ways; the bare PUT is the first. On loopback all are there, on a link only the bare ones and ours. Stop ends
// what was made, on an error too.
func (b *uploadBench) uploaders(ctx context.Context, cond faultnet.Conditions) (all []*uploader, stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, f := range slices.Backward(stops) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	loopback := cond == faultnet.Conditions{}
	near := func(address string) (string, error) {
		if loopback {
			return address, nil
		}
		through, end, err := throughLink(address, cond)
		if err == nil {
			stops = append(stops, end)
		}
		return through, err
	}
	for i, what := range []string{whatPut, whatPutBehind} {
		bare, server := b.barePut(i > 0)
		stops = append(stops, func() error { server.Close(); return nil })
		at, err := near(server.URL)
		if err != nil {
			return nil, stop, err
		}
		all = append(all, &uploader{
			what: what, tidy: bare.tidy,
			once: func(ctx context.Context, path string) error { return putFile(ctx, path, at) },
		})
	}
	tusURL, err := near("http://" + b.w.addr)
	if err != nil {
		return nil, stop, err
	}
	all = append(all, b.ours(whatOurs, tusURL+"/api/uploads/", b.token))
	if !loopback {
		return all, stop, nil
	}
	if b.js {
		js, end, err := b.tusJS(ctx, tusURL+"/api/uploads/")
		if err != nil {
			return nil, stop, err
		}
		stops, all = append(stops, end), append(all, js)
	}
	tusd, err := stockTusd(filepath.Join(b.dir, "tusd"))
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, func() error { tusd.Close(); return nil })
	return append(all, b.ours(whatTusd, tusd.URL+"/files/", "")), stop, nil
}

// throughLink puts a proxy with a link before a server.
func throughLink(address string, cond faultnet.Conditions) (near string, end func() error, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, err
	}
	p, err := faultnet.NewProxy(faultnet.ProxyOptions{Upstream: u.Host})
	if err != nil {
		return "", nil, err
	}
	p.Link().Set(cond)
	if err := p.Start(); err != nil {
		return "", nil, err
	}
	return "http://" + p.Addr(), p.Close, nil
}

// ours uploads with a queue in a profile on disk, a new one each time, which knows nothing of the path yet.
func (b *uploadBench) ours(what, endpoint, token string) *uploader {
	at := "" // of the server's copy
	once := func(ctx context.Context, path string) (err error) {
		b.made++
		p, err := profile.Open(filepath.Join(b.dir, fmt.Sprintf("profile-%d", b.made)))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		o := upload.Options{Endpoint: endpoint, Store: p.Uploads()}
		if token != "" {
			o.Token = held(token)
		}
		q, err := upload.New(o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, q.Close()) }()
		if err := q.Start(); err != nil {
			return err
		}
		u, err := q.Add(ctx, upload.Request{Path: path})
		if err != nil {
			return err
		}
		u, err = q.Wait(ctx, u.ID)
		at = u.URL
		if err == nil && token != "" && !u.Verified {
			err = errors.New("the server's SHA-256 wasn't compared")
		}
		return err
	}
	return &uploader{what: what, once: once, tidy: func(ctx context.Context) error { return terminate(ctx, at, token) }}
}

// terminate deletes a server's copy.
func terminate(ctx context.Context, address, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Tus-Resumable", "1.0.0")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("delete the server's copy: status %d", res.StatusCode)
	}
	return nil
}

// tusJS uploads with tus-js-client in a Node.js process that runs already.
func (b *uploadBench) tusJS(ctx context.Context, endpoint string) (_ *uploader, end func() error, err error) {
	if err := installJS(ctx, "tus-js-client"); err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, "node", "upload.mjs")
	cmd.Dir, cmd.Stderr = jsDir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start node: %w", err)
	}
	end = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	replies := bufio.NewScanner(out)
	at := ""
	once := func(_ context.Context, path string) error { // the process ends with the run, and its output with it
		line, err := json.Marshal(map[string]string{"path": path, "endpoint": endpoint, "token": b.token})
		if err != nil {
			return err
		}
		if _, err := in.Write(append(line, '\n')); err != nil {
			return err
		}
		if !replies.Scan() {
			return errors.Join(errors.New("the node process ended"), replies.Err())
		}
		var reply struct{ URL, Error string }
		if err := json.Unmarshal(replies.Bytes(), &reply); err != nil {
			return err
		}
		if reply.Error != "" {
			return errors.New(reply.Error)
		}
		at = reply.URL
		return nil
	}
	return &uploader{what: whatTusJS, once: once, tidy: func(ctx context.Context) error { return terminate(ctx, at, b.token) }}, end, nil
}

// stockTusd starts tusd as its own program sets it up, with files and locks in memory.
func stockTusd(dir string) (*httptest.Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	stores := handler.NewStoreComposer()
	filestore.New(dir).UseIn(stores)
	memorylocker.New().UseIn(stores)
	h, err := handler.NewHandler(handler.Config{
		BasePath: "/files/", StoreComposer: stores, Logger: xslog.New(xslog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/files/", http.StripPrefix("/files/", h))
	return httptest.NewServer(mux), nil
}
