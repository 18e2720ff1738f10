package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
)

const (
	// putSync is after how many bytes the bare server brings them to the disk: the most that ours takes at a time.
	putSync = 64 << 20
	// putBehind is the same for one whose disk writes beside the receiving, as ours does.
	putBehind = 8 << 20
	// putBuffer is what it holds of a body, as ours does.
	putBuffer = 128 << 10
)

// barePut is the least that a server does which doesn't lose what it acknowledged, and says what it has.
type barePut struct {
	dir    string
	behind bool // it doesn't wait for a sync until the next one, or the end
}

func (b *uploadBench) barePut(behind bool) (*barePut, *httptest.Server) {
	p := &barePut{b.dir, behind}
	return p, httptest.NewServer(p)
}

func (p *barePut) path() string { return filepath.Join(p.dir, fmt.Sprint("put-", p.behind)) }

func (p *barePut) tidy(context.Context) error { return os.Remove(p.path()) }

// ServeHTTP keeps the body in a file and answers its SHA-256.
func (p *barePut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sum, err := p.keep(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, sum)
}

func (p *barePut) keep(body io.Reader) (sum string, err error) {
	f, err := os.Create(p.path())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h, buf, unsynced, every := sha256.New(), make([]byte, putBuffer), 0, putSync
	if p.behind {
		every = putBehind
	}
	syncing := make(chan error, 1) // what the last sync came to
	syncing <- nil
	for {
		n, readErr := body.Read(buf)
		if _, err := f.Write(buf[:n]); err != nil {
			return "", err
		}
		h.Write(buf[:n])
		if unsynced += n; unsynced >= every || readErr == io.EOF {
			if err := <-syncing; err != nil {
				return "", err
			}
			if p.behind && readErr == nil {
				go func() { syncing <- f.Sync() }()
			} else {
				syncing <- f.Sync()
			}
			unsynced = 0
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return "", readErr
		}
	}
	if err := <-syncing; err != nil {
		return "", err
	}
	d, err := os.Open(p.dir)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), errors.Join(d.Sync(), d.Close())
}

// putFile uploads a file over a connection of its own, and compares what the server has.
func putFile(ctx context.Context, path, address string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := sha256.New()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, io.TeeReader(f, h))
	if err != nil {
		return err
	}
	req.ContentLength = info.Size()
	t := &http.Transport{WriteBufferSize: 64 << 10}
	defer t.CloseIdleConnections()
	res, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if want := hex.EncodeToString(h.Sum(nil)); res.StatusCode != http.StatusOK || string(got) != want {
		return fmt.Errorf("status %d, SHA-256 %q instead of %q", res.StatusCode, got, want)
	}
	return nil
}
