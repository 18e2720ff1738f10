package faultnet

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HTTPKind is what an HTTPFault does. The values are also the types of the control API's toxics.
type HTTPKind string

// The kinds of HTTP faults. The first five decide about a request, of which the first that fires does; the last three
// change a reply and add up.
const (
	// HTTPStatus answers in the server's place with a status, headers and a body.
	HTTPStatus HTTPKind = "http_status"
	// HTTPTokenExpired answers requests that carry an Authorization as our server does when the access token has run
	// out: 401 with the code token_expired. A token that was answered so stays run out, and its requests meet the fault
	// whatever Share says; Limit counts tokens.
	HTTPTokenExpired HTTPKind = "http_token_expired"
	// HTTPCaptive answers as the login page of a network does: by default 200 with HTML.
	HTTPCaptive HTTPKind = "http_captive_portal"
	// HTTPRequestLost loses the request: the server never sees it, and the connection is cut or hangs.
	HTTPRequestLost HTTPKind = "http_request_lost"
	// HTTPReplyLost loses the reply: the server has carried the request out, and the connection is cut or hangs.
	HTTPReplyLost HTTPKind = "http_reply_lost"
	// HTTPSlowBody delivers the reply's body at a rate.
	HTTPSlowBody HTTPKind = "http_slow_body"
	// HTTPCutBody cuts the connection in the middle of the reply's body, which then is shorter than was announced.
	HTTPCutBody HTTPKind = "http_cut_body"
	// HTTPDate moves the reply's Date, as a server with a wrong clock does.
	HTTPDate HTTPKind = "http_date"
)

// HTTPFault is one thing that goes wrong with HTTP requests. Which fields count depends on the kind; the others are
// ignored.
type HTTPFault struct {
	// Name tells the fault from others of the same set. Defaults to the kind.
	Name string
	// Kind is what it does. Required.
	Kind HTTPKind

	// Method and Path choose the requests; empty means every one. In a path * stands for one segment, and a / at the end
	// for everything below: "/api/channels/*/messages", "/api/".
	Method, Path string
	// Upgrades also chooses requests that ask for an upgrade (WebSocket), for the kinds that answer in the server's place:
	// HTTPStatus, HTTPTokenExpired and HTTPCaptive. Without it they always pass.
	Upgrades bool
	// Share is the probability, 0 to 1, that a chosen request meets the fault. 0 means 1: remove a fault to end it.
	Share float64
	// Limit bounds how many requests meet the fault, the first ones. 0 means no limit.
	Limit int64

	// Status is the status of HTTPStatus (200 to 599, defaults to 503) and of HTTPCaptive (200, 302 or 511, defaults to
	// 200).
	Status int
	// Header is added to the reply of HTTPStatus. Nil adds nothing.
	Header http.Header
	// Body is the body of HTTPStatus.
	Body string
	// RetryAfter adds a Retry-After to HTTPStatus, in whole seconds, rounded up; as an HTTP date if RetryAfterDate is
	// set. 0 adds none.
	RetryAfter     time.Duration
	RetryAfterDate bool
	// Location is where HTTPCaptive with 302 sends the client, an absolute URL. Defaults to http://portal.invalid/login.
	Location string
	// Hang makes a lost request or reply a silence instead of a cut: until the client gives up, or after 15 minutes.
	Hang bool
	// Rate is the bytes a second of HTTPSlowBody. Defaults to 1024.
	Rate int64
	// Bytes is how much of the body HTTPCutBody lets through. A shorter body isn't cut.
	Bytes int64
	// Skew is added to the Date of HTTPDate: positive when the server's clock is ahead.
	Skew time.Duration
}

const (
	// defaultBodyRate is a body that everybody finds slow: 1 KiB/s.
	defaultBodyRate = 1024
	defaultPortal   = "http://portal.invalid/login" // .invalid never resolves (RFC 6761)
	// maxFaultBody bounds the body of a made answer.
	maxFaultBody = 64 << 10
	// maxFaultHeaders bounds its headers.
	maxFaultHeaders = 32
	// maxFaultText bounds every other text.
	maxFaultText = 2048
)

// withDefaults checks the fault and fills it up.
func (f HTTPFault) withDefaults() (HTTPFault, error) {
	if f.Name == "" {
		f.Name = string(f.Kind)
	}
	if f.Share == 0 {
		f.Share = 1
	}
	if f.Rate == 0 {
		f.Rate = defaultBodyRate
	}
	if f.Location == "" {
		f.Location = defaultPortal
	}
	f.Header = f.Header.Clone()
	switch f.Kind {
	case HTTPStatus:
		if f.Status == 0 {
			f.Status = http.StatusServiceUnavailable
		}
	case HTTPCaptive:
		if f.Status == 0 {
			f.Status = http.StatusOK
		}
	case HTTPTokenExpired, HTTPRequestLost, HTTPReplyLost, HTTPSlowBody, HTTPCutBody, HTTPDate:
	default:
		return f, fmt.Errorf("faultnet: HTTP fault %q: unknown kind %q", f.Name, f.Kind)
	}
	if err := f.check(); err != nil {
		return f, fmt.Errorf("faultnet: HTTP fault %q: %w", f.Name, err)
	}
	return f, nil
}

// check refuses what couldn't be sent or waited for.
func (f *HTTPFault) check() error {
	switch {
	case !(f.Share >= 0 && f.Share <= 1): // also NaN
		return errors.New("share isn't from 0 to 1")
	case f.Limit < 0 || f.Rate < 0 || f.Bytes < 0:
		return errors.New("limit, rate and bytes can't be negative")
	case f.RetryAfter < 0 || f.RetryAfter > maxDelay:
		return errors.New("retry-after isn't from 0 to a day")
	case f.Skew.Abs() > maxSkew:
		return errors.New("skew is more than ten years")
	case f.Method != "" && !token(f.Method):
		return fmt.Errorf("method %q isn't a token", f.Method)
	case f.Path != "" && f.Path[0] != '/':
		return fmt.Errorf("path %q doesn't begin with /", f.Path)
	case len(f.Method) > maxFaultText || len(f.Path) > maxFaultText || len(f.Location) > maxFaultText:
		return errors.New("text is too long")
	case !printable(f.Location):
		return errors.New("location has characters that can't stand in a header")
	case len(f.Body) > maxFaultBody:
		return fmt.Errorf("body is longer than %d bytes", maxFaultBody)
	}
	if f.Kind == HTTPStatus && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status %d isn't from 200 to 599", f.Status)
	}
	if f.Kind == HTTPCaptive && !slices.Contains([]int{200, 302, 511}, f.Status) {
		return fmt.Errorf("status %d isn't 200, 302 or 511", f.Status)
	}
	return checkHeader(f.Header)
}

// maxSkew bounds a wrong clock: batteries that were empty give 1970, which tests can tell from ten years.
const maxSkew = 10 * 365 * 24 * time.Hour

// checkHeader refuses fields that would break the reply's framing.
func checkHeader(h http.Header) error {
	fields := 0
	for name, values := range h {
		switch {
		case !token(name):
			return fmt.Errorf("header %q isn't a token", name)
		case slices.Contains([]string{"Content-Length", "Transfer-Encoding", "Trailer"}, http.CanonicalHeaderKey(name)):
			return fmt.Errorf("header %s is the carrier's own", name)
		}
		for _, value := range values {
			fields++
			if len(value) > maxFaultText || !printable(value) {
				return fmt.Errorf("header %s has a value that can't be sent", name)
			}
		}
	}
	if fields > maxFaultHeaders {
		return fmt.Errorf("more than %d headers", maxFaultHeaders)
	}
	return nil
}

// token says whether a text is a token (RFC 9110 section 5.6.2).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// printable says whether a text can be the value of a header field.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// chooses says whether a request is one that the fault is about.
func (f *HTTPFault) chooses(r *http.Request) bool {
	switch {
	case upgrades(r) && (!f.Upgrades || !f.answers()):
		return false
	case f.Method != "" && f.Method != r.Method:
		return false
	case f.Kind == HTTPTokenExpired && r.Header.Get("Authorization") == "":
		return false
	}
	return f.Path == "" || matchPath(f.Path, r.URL.Path)
}

// answers says whether the kind answers in the server's place.
func (f *HTTPFault) answers() bool {
	return f.Kind == HTTPStatus || f.Kind == HTTPTokenExpired || f.Kind == HTTPCaptive
}

// matchPath compares segment by segment.
func matchPath(pattern, path string) bool {
	for pattern != "" {
		if pattern == "/" { // everything below, and the / itself
			return strings.HasPrefix(path, "/")
		}
		var want, got string
		var ok bool
		want, pattern = cutSegment(pattern)
		if got, path = cutSegment(path); want != got {
			ok = want == "/*" && len(got) > 1
			if !ok {
				return false
			}
		}
	}
	return path == ""
}

// cutSegment splits "/a/b" into "/a" and "/b".
func cutSegment(path string) (first, rest string) {
	if path == "" {
		return "", ""
	}
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[:i+1], path[i+1:]
	}
	return path, ""
}

// made is a reply that was made in the server's place.
type made struct {
	status int
	header http.Header
	body   string
}

// answer makes the reply of a fault that answers. ok is false for those that lose.
func (f *HTTPFault) answer(now time.Time) (m made, ok bool) {
	m = made{header: http.Header{}}
	switch f.Kind {
	case HTTPStatus:
		m.status, m.body = f.Status, f.Body
		if f.Header != nil {
			m.header = f.Header.Clone()
		}
		if f.RetryAfter > 0 {
			m.header.Set("Retry-After", f.retryAfter(now))
		}
	case HTTPTokenExpired:
		m.status = http.StatusUnauthorized
		m.header.Set("Content-Type", "application/problem+json")
		m.header.Set("Www-Authenticate", `Bearer error="invalid_token", error_description="The access token expired"`)
		m.body = `{"title":"Unauthorized","status":401,"code":"token_expired","detail":"access token expired"}` + "\n"
	case HTTPCaptive:
		m.status = f.Status
		m.header.Set("Content-Type", "text/html; charset=utf-8")
		m.body = "<!doctype html><title>Welcome</title><p>Sign in to use this network.\n"
		if f.Status == http.StatusFound {
			m.header.Set("Location", f.Location)
		}
	case HTTPRequestLost, HTTPReplyLost, HTTPSlowBody, HTTPCutBody, HTTPDate:
		return made{}, false
	}
	m.header.Set("Date", now.UTC().Format(http.TimeFormat))
	return m, true
}

// retryAfter is the header's value. A date has whole seconds: it is rounded up, so that nobody who obeys it comes back
// too early.
func (f *HTTPFault) retryAfter(now time.Time) string {
	if !f.RetryAfterDate {
		return strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10)
	}
	return now.Add(f.RetryAfter + time.Second - 1).UTC().Format(http.TimeFormat)
}

// skewed is a Date moved by the fault. What isn't a date counts as now.
func (f *HTTPFault) skewed(date string, now time.Time) string {
	at, err := http.ParseTime(date)
	if err != nil {
		at = now
	}
	return at.Add(f.Skew).UTC().Format(http.TimeFormat)
}
