package chatsdk

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chatsdk/chatsdk/internal/backoff"
	"github.com/chatsdk/chatsdk/internal/wire"
)

// ErrCorrupt says that a download has another SHA-256 than what was uploaded. Nothing of it was kept.
var ErrCorrupt = errors.New("chatsdk: the download isn't what was uploaded; try again")

// ErrExists says that a download would replace a file.
var ErrExists = errors.New("chatsdk: there is a file of that name already")

// DownloadRequest says what to download where. Attachment.ID and Dir are required.
type DownloadRequest struct {
	Attachment
	// Dir is the folder that the file goes to. Nothing outside of it is written, whatever names and links say.
	Dir string
	// Name is the file's name in Dir, without folders. Defaults to what the sender called it, made safe; see SafeName.
	Name string
	// Overwrite replaces a file of that name. Without it, that is ErrExists.
	Overwrite bool
	// OnProgress is told how far it is, before each write. It must not block. Nil means nobody.
	OnProgress func(Download)
}

// Download is one on its way, or done.
type Download struct {
	Attachment
	Path        string // where the file is once it is done
	Done        int64  // bytes that are there
	ResumedFrom int64  // bytes that were there when it began
}

const (
	// downloadStall is how long a download may stand still before another connection is tried.
	downloadStall = 10 * time.Second
	// downloadChunk is what is read at a time.
	downloadChunk = 64 << 10
	// partEnd ends the name of a file that isn't complete, after the attachment's id.
	partEnd = ".part"
)

// attachmentID is what the server names uploads, and what may stand in a path.
var attachmentID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_.-]{0,127}$`)

// Download brings a file of a message here. It tries until ctx ends or the server refuses for good; what has arrived stays
// in Dir, in a file that ends in .part, and the next call goes on from there. The file has its name only once its SHA-256
// is right: that of the Attachment, or else the server's. Errors: ErrExists, ErrCorrupt, *ServerError, ErrClosed,
// ErrSignedOut, ErrSessionDamaged, ctx's, or those of the disk.
func (c *Client) Download(ctx context.Context, r DownloadRequest) (Download, error) {
	if c.ctx.Err() != nil {
		return Download{}, ErrClosed
	}
	switch {
	case !attachmentID.MatchString(r.ID):
		return Download{}, fmt.Errorf("chatsdk: %q is no attachment's id", r.ID)
	case strings.ContainsAny(r.Name, `/\`), r.Name != "" && !filepath.IsLocal(r.Name), r.Name == ".":
		return Download{}, fmt.Errorf("chatsdk: %q is no name of a file in a folder", r.Name)
	}
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return Download{}, fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	r.SHA256 = strings.ToLower(r.SHA256)
	d := &download{c: c, root: root, want: r, rng: fork(c.opts.Rand), is: Download{Attachment: r.Attachment}}
	if r.Name != "" {
		if err := d.call(r.Name); err != nil {
			return d.is, err
		}
	}
	ctx, stop := c.bound(ctx)
	defer stop()
	if err := d.openPart(); err != nil {
		return d.is, err
	}
	if err = d.run(ctx); err == nil {
		err = d.part.Sync()
	}
	err = errors.Join(err, d.part.Close())
	if errors.Is(err, ErrCorrupt) {
		return d.is, errors.Join(err, root.Remove(r.ID+partEnd))
	}
	if err != nil {
		return d.is, err
	}
	return d.is, d.finish()
}

// SafeName makes a file's name of what a stranger calls one: no folders, no hidden files, nothing that a system takes for
// something else, at most 200 bytes.
func SafeName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || strings.ContainsRune(`<>:"|?*`, r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '_' // the last two turn the direction of writing around, which hides a name's end
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	for len(name) > 200 {
		_, size := utf8.DecodeRuneInString(name)
		name = name[size:] // what stands at the end says what it is
	}
	name = strings.TrimRight(strings.TrimLeft(name, ". "), ". ")
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	if reservedName.MatchString(base) {
		name = "_" + name
	}
	return cmp.Or(name, "download")
}

// reservedName is what Windows takes for a device.
var reservedName = regexp.MustCompile(`^(CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³])$`)

// download is one call of Download.
type download struct {
	c    *Client
	root *os.Root
	want DownloadRequest
	rng  *rand.Rand

	part *os.File
	hash hash.Hash // of the first is.Done bytes
	is   Download
	name string // of the file in the end; "" until it is known
}

// call gives the file its name.
func (d *download) call(name string) error {
	if _, err := d.root.Lstat(name); err == nil && !d.want.Overwrite {
		return fmt.Errorf("%w: %s", ErrExists, name)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.name = name
	d.is.Path = filepath.Join(d.root.Name(), name)
	return nil
}

// openPart opens what an earlier call left, and reads what it has of it.
func (d *download) openPart() (err error) {
	d.part, err = d.root.OpenFile(d.want.ID+partEnd, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := d.part.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("chatsdk: what is in the way of the download is no file")
	}
	d.hash = sha256.New()
	if err == nil {
		d.is.Done, err = io.Copy(d.hash, d.part)
	}
	if err == nil && d.want.Size > 0 && d.is.Done > d.want.Size {
		err = d.restart()
	}
	d.is.ResumedFrom = d.is.Done
	if err != nil {
		return errors.Join(err, d.part.Close())
	}
	return nil
}

// restart begins from the first byte.
func (d *download) restart() error {
	d.is.Done, d.is.ResumedFrom = 0, 0
	d.hash.Reset()
	_, err := d.part.Seek(0, io.SeekStart)
	return errors.Join(err, d.part.Truncate(0))
}

// run tries until all is there, and compares.
func (d *download) run(ctx context.Context) error {
	for failed := 0; ; {
		before := d.is.Done
		over, err := d.attempt(ctx)
		switch {
		case over:
			return err
		case ctx.Err() != nil && d.c.ctx.Err() != nil:
			return ErrClosed
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		}
		if failed++; d.is.Done > before {
			failed = 1
		}
		wait := backoff.Delay(d.rng, 100*time.Millisecond, time.Second, failed)
		if se, ok := errors.AsType[*ServerError](err); ok {
			wait = max(wait, se.RetryAfter)
		}
		d.c.log.Debug("download is tried again", "id", d.want.ID, "at", d.is.Done, "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// attempt makes one request; over says that another makes no sense.
func (d *download) attempt(ctx context.Context) (over bool, err error) {
	access, err := d.c.tokens.Token(ctx)
	if err != nil {
		return needsSignIn(err), err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(downloadStall, cancel)
	defer watchdog.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.c.ep.url(uploadsPath+url.PathEscape(d.want.ID)), nil)
	if err != nil {
		return true, err
	}
	maps.Copy(req.Header, d.c.opts.keyHeader())
	req.Header.Set("Authorization", "Bearer "+access)
	if d.is.Done > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.is.Done))
	}
	client := *d.c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the token stays here
	res, err := client.Do(req)
	if err != nil {
		return false, fmt.Errorf("download: %w", err)
	}
	defer res.Body.Close()
	if over, err := d.begin(ctx, res, access); over || err != nil {
		return over, err
	}
	return d.copy(res.Body, watchdog)
}

// begin looks at the head of a reply and makes ready for its body.
func (d *download) begin(ctx context.Context, res *http.Response, access string) (over bool, err error) {
	from, total := int64(0), res.ContentLength
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		if from, total, err = contentRange(res.Header.Get("Content-Range")); err != nil || from != d.is.Done && planted != bugAppendBlindly {
			return false, errors.Join(errors.New("download: the server sent another part"), err, d.restart())
		}
	case http.StatusRequestedRangeNotSatisfiable:
		if d.is.Done == 0 || d.want.Size > 0 && d.is.Done == d.want.Size && d.want.SHA256 != "" {
			return true, d.compare()
		}
		if _, total, err = contentRange(res.Header.Get("Content-Range")); err == nil && total == d.is.Done && d.is.SHA256 != "" {
			return true, d.compare()
		}
		return false, errors.Join(errors.New("download: more is here than the server has"), d.restart())
	default:
		return d.refused(ctx, res, access)
	}
	if from != d.is.Done && planted != bugAppendBlindly {
		if err := d.restart(); err != nil {
			return true, err
		}
	}
	return d.learn(res, total)
}

// learn takes from a reply what isn't known of the file, and refuses what contradicts what is.
func (d *download) learn(res *http.Response, total int64) (over bool, err error) {
	sum := strings.ToLower(res.Header.Get(wire.HeaderUploadSHA256))
	want := d.want.SHA256
	switch {
	case want != "" && sum != "" && sum != want, d.want.Size > 0 && total >= 0 && total != d.want.Size:
		return true, fmt.Errorf("%w (it has another size or SHA-256 than the message says)", ErrCorrupt)
	case want == "" && sum == "":
		return false, errors.New("download: the server doesn't tell its SHA-256; is it a chatsdk server?")
	}
	d.is.SHA256 = cmp.Or(want, sum)
	if total >= 0 {
		d.is.Size = total
	}
	if d.is.Name == "" {
		if _, params, err := mime.ParseMediaType(res.Header.Get("Content-Disposition")); err == nil {
			d.is.Name = params["filename"]
		}
	}
	d.is.Type = cmp.Or(d.is.Type, res.Header.Get("Content-Type"))
	if d.name == "" {
		if err := d.call(SafeName(d.is.Name)); err != nil {
			return true, err
		}
	}
	return false, nil
}

// refused reads a refusal. A token that the server doesn't take is renewed.
func (d *download) refused(ctx context.Context, res *http.Response, access string) (over bool, err error) {
	se := &ServerError{Status: res.StatusCode}
	var p wire.Problem
	if b, err := io.ReadAll(io.LimitReader(res.Body, 64<<10)); err == nil && json.Unmarshal(b, &p) == nil {
		se.Code, se.Detail = p.Code, p.Detail
		se.RetryAfter = min(time.Duration(max(p.RetryAfterMS, 0))*time.Millisecond, maxRetryAfter)
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && se.RetryAfter == 0 {
		se.RetryAfter = min(time.Duration(max(s, 0))*time.Second, maxRetryAfter)
	}
	if res.StatusCode == http.StatusUnauthorized {
		if _, err := d.c.tokens.Renew(ctx, access); err != nil {
			return needsSignIn(err), err
		}
		return false, se
	}
	return se.Code != "" && !se.Retryable(), se
}

// copy takes the body and compares what there is in the end.
func (d *download) copy(body io.Reader, watchdog *time.Timer) (over bool, err error) {
	buf := make([]byte, downloadChunk)
	arrived := d.c.receiving()
	defer arrived.end()
	for {
		n, err := body.Read(buf)
		if n > 0 {
			watchdog.Reset(downloadStall)
			arrived.add(n)
			if _, err := d.part.Write(buf[:n]); err != nil {
				return true, err
			}
			_, _ = d.hash.Write(buf[:n]) // never fails
			d.is.Done += int64(n)
			if d.want.OnProgress != nil {
				d.want.OnProgress(d.is)
			}
		}
		switch {
		case errors.Is(err, io.EOF) && (d.is.Size == 0 || d.is.Done >= d.is.Size):
			return true, d.compare()
		case err != nil:
			return false, fmt.Errorf("download: %w", err)
		}
	}
}

// compare wants the SHA-256 to be right.
func (d *download) compare() error {
	if got := hex.EncodeToString(d.hash.Sum(nil)); got != d.is.SHA256 && planted != bugTrustDownload {
		return ErrCorrupt
	}
	return nil
}

// finish gives the file its name. Under that it is there whole or not at all, whatever happens.
func (d *download) finish() error {
	if err := d.call(cmp.Or(d.name, SafeName(d.is.Name))); err != nil {
		return err
	}
	return d.root.Rename(d.want.ID+partEnd, d.name)
}

// contentRange reads "bytes 3-9/10" and "bytes */10".
func contentRange(s string) (from, total int64, err error) {
	bad := fmt.Errorf("download: Content-Range %.40q", s)
	rest, ok := strings.CutPrefix(s, "bytes ")
	span, all, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return 0, 0, bad
	}
	if total, err = strconv.ParseInt(all, 10, 64); err != nil || total < 0 {
		return 0, 0, bad
	}
	if span == "*" {
		return 0, total, nil
	}
	first, _, _ := strings.Cut(span, "-")
	if from, err = strconv.ParseInt(first, 10, 64); err != nil || from < 0 {
		return 0, 0, bad
	}
	return from, total, nil
}
