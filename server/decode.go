package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/chatsdk/chatsdk/internal/wire"
)

// decodeJSON reads one JSON object and nothing after it. Unknown fields are for newer servers and don't matter.
func decodeJSON(r io.Reader, into any) *wire.Problem {
	d := json.NewDecoder(r)
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("more than one JSON value")
		}
	}
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return problem(wire.CodeTooLarge, "the body is too long, see "+wire.HeaderLimits)
	}
	return problem(wire.CodeBadRequest, "the body isn't the JSON that is expected here") // the cause may quote a password
}
