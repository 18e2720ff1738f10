package faultnet

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// apiError is an error of the API as its clients know it.
type apiError struct {
	Message string `json:"error"`
	Status  int    `json:"status"`
}

func (e *apiError) Error() string { return e.Message }

// The errors that clients of Toxiproxy compare by their words.
var (
	errBadBody       = &apiError{"bad request body", http.StatusBadRequest}
	errMissingField  = &apiError{"missing required field", http.StatusBadRequest}
	errProxyNotFound = &apiError{"proxy not found", http.StatusNotFound}
	errProxyExists   = &apiError{"proxy already exists", http.StatusConflict}
	errStream        = &apiError{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
	errToxicType     = &apiError{"invalid toxic type", http.StatusBadRequest}
	errToxicExists   = &apiError{"toxic already exists", http.StatusConflict}
	errToxicNotFound = &apiError{"toxic not found", http.StatusNotFound}
)

// because is the error with a detail behind it.
func (e *apiError) because(detail string) *apiError {
	return &apiError{e.Message + ": " + detail, e.Status}
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	var known *apiError
	if errors.As(err, &known) {
		return known.Status
	}
	return http.StatusInternalServerError
}

// decode reads a request body of one JSON value.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("more than one JSON value")
		}
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &apiError{errBadBody.because(err.Error()).Message, http.StatusRequestEntityTooLarge}
	}
	return errBadBody.because(err.Error())
}

// checkName refuses names that couldn't be told apart in a path or a log.
func checkName(name string) error {
	switch {
	case len(name) > maxNameLen:
		return errBadBody.because("name is too long")
	case name == "." || name == ".." || strings.ContainsRune(name, '/'):
		return errBadBody.because("name can't stand in a path")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errBadBody.because("name has characters that can't be shown")
	}
	return nil
}

// answer writes a result or an error.
func (c *Control) answer(w http.ResponseWriter, status int, body any, err error) {
	if err != nil {
		status := statusOf(err)
		if status == http.StatusInternalServerError {
			c.logger.Warn("control request", "error", err)
		}
		writeError(w, &apiError{err.Error(), status})
		return
	}
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	writeJSON(w, status, body)
}

func writeError(w http.ResponseWriter, err *apiError) { writeJSON(w, err.Status, err) }

func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil { // no type of ours fails; answer in the same form all the same
		status, data = http.StatusInternalServerError, []byte(`{"error":"can't encode the answer","status":500}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a client that has gone needs no answer
}
