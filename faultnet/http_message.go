package faultnet

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxHead bounds the head of a message. A longer one is passed on without being understood.
const maxHead = 256 << 10

// errNotHTTP says that a stream doesn't go on with an HTTP/1.x message.
var errNotHTTP = errors.New("not HTTP/1.x")

// sticky is a reader whose error stays: a socket says once only that it was reset.
type sticky struct {
	from io.Reader
	err  error
}

func (s *sticky) Read(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.from.Read(b)
	s.err = err
	return n, err
}

// readHead reads the head of a message, as it came. With an error it returns what it has read.
func readHead(from *bufio.Reader) ([]byte, error) {
	first, err := from.Peek(1)
	if err != nil {
		return nil, err
	}
	if c := first[0]; c != '\r' && c != '\n' && (c < 'A' || c > 'Z') { // such as TLS, which has no lines to wait for
		return nil, errNotHTTP
	}
	var raw []byte
	begun := false
	for {
		line, err := from.ReadSlice('\n')
		raw = append(raw, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(raw) <= maxHead:
			continue
		case err != nil || len(raw) > maxHead:
			return raw, cmpErr(err, errNotHTTP)
		}
		empty := len(bytes.TrimRight(line, "\r\n")) == 0
		switch {
		case empty && begun:
			return raw, nil
		case empty: // before the first line: RFC 9112 section 2.2
		case !begun && !bytes.Contains(raw, []byte("HTTP/1.")):
			return raw, errNotHTTP
		default:
			begun = true
		}
	}
}

// cmpErr is the first error that isn't nil.
func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// readRequest reads the head of a request. The request's own body isn't used: rawBody reads it.
func readRequest(from *bufio.Reader) (raw []byte, r *http.Request, err error) {
	if raw, err = readHead(from); err != nil {
		return raw, nil, err
	}
	r, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(raw, "\r\n"))))
	if err != nil {
		return raw, nil, errNotHTTP
	}
	return raw, r, nil
}

// readResponse reads the head of a reply to a request.
func readResponse(from *bufio.Reader, r *http.Request) (raw []byte, resp *http.Response, err error) {
	if raw, err = readHead(from); err != nil {
		return raw, nil, err
	}
	resp, err = http.ReadResponse(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(raw, "\r\n"))), r)
	if err != nil {
		return raw, nil, errNotHTTP
	}
	return raw, resp, nil
}

// rawBody reads a body as it is on the wire, chunk by chunk where it has chunks.
type rawBody struct {
	from    *bufio.Reader
	chunked bool
	toEnd   bool  // the end of the stream ends it
	left    int64 // of the body, or of the present chunk
	part    chunkPart
}

// chunkPart is what comes next of a chunked body (RFC 9112 section 7.1).
type chunkPart int

const (
	chunkSize chunkPart = iota
	chunkData
	chunkEnd
	chunkTrailer
	chunkDone
)

// requestBody is the body behind a request's head.
func requestBody(from *bufio.Reader, r *http.Request) *rawBody {
	b := &rawBody{from: from, chunked: chunked(r.TransferEncoding), left: r.ContentLength}
	if b.chunked || b.left < 0 {
		b.left = 0
	}
	return b
}

// responseBody is the body behind a reply's head.
func responseBody(from *bufio.Reader, r *http.Request, resp *http.Response) *rawBody {
	if r.Method == http.MethodHead || !bodyAllowed(resp.StatusCode) {
		return &rawBody{from: from}
	}
	b := &rawBody{from: from, chunked: chunked(resp.TransferEncoding), left: resp.ContentLength}
	if b.chunked {
		b.left = 0
	} else if b.left < 0 {
		b.left, b.toEnd = 1<<62, true
	}
	return b
}

func chunked(encodings []string) bool { return len(encodings) > 0 && encodings[0] == "chunked" }

// next reads a piece of at most limit bytes of payload: its bytes, which are valid until the next call, and how many of
// them are payload. It returns io.EOF behind the last.
func (b *rawBody) next(limit int64) (raw []byte, payload int64, err error) {
	if !b.chunked {
		if b.left == 0 {
			return nil, 0, io.EOF
		}
		raw, err = b.data(limit)
		if !b.toEnd {
			err = unexpected(err)
		}
		return raw, int64(len(raw)), err
	}
	switch b.part {
	case chunkData:
		if raw, err = b.data(limit); b.left == 0 {
			b.part = chunkEnd
		}
		return raw, int64(len(raw)), unexpected(err)
	case chunkDone:
		return nil, 0, io.EOF
	case chunkSize, chunkEnd, chunkTrailer: // are lines
	}
	line, err := b.from.ReadSlice('\n')
	if err != nil {
		return line, 0, unexpected(err)
	}
	return line, 0, b.afterLine(strings.TrimRight(string(line), "\r\n"))
}

// afterLine says what a line of a chunked body is followed by.
func (b *rawBody) afterLine(line string) error {
	switch b.part {
	case chunkSize:
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
		if err != nil {
			return errNotHTTP
		}
		b.left, b.part = int64(n), chunkData
		if n == 0 {
			b.part = chunkTrailer
		}
	case chunkEnd:
		b.part = chunkSize
	case chunkTrailer:
		if line == "" {
			b.part = chunkDone
		}
	case chunkData, chunkDone:
	}
	return nil
}

// data reads what there is, up to limit.
func (b *rawBody) data(limit int64) ([]byte, error) {
	if _, err := b.from.Peek(1); err != nil {
		return nil, err
	}
	raw, err := b.from.Peek(int(min(int64(b.from.Buffered()), limit, b.left)))
	if err != nil {
		return nil, err
	}
	_, err = b.from.Discard(len(raw))
	b.left -= int64(len(raw))
	return raw, err
}

// unexpected turns an end in the middle into an error of its own.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// skew moves the Date in a reply's head, or puts one in.
func (f *HTTPFault) skew(raw []byte, now time.Time) []byte {
	lines := bytes.SplitAfter(raw, []byte("\n"))
	var out []byte
	done := false
	for i, line := range lines {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if i > 0 && strings.EqualFold(string(name), "Date") {
			if !done {
				out = append(out, "Date: "+f.skewed(string(bytes.TrimSpace(value)), now)+"\r\n"...)
			}
			done = true
			continue
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 && len(line) > 0 && !done {
			out = append(out, "Date: "+f.skewed("", now)+"\r\n"...)
			done = true
		}
		out = append(out, line...)
	}
	return out
}
