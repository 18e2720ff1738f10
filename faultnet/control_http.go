package faultnet

import (
	"encoding/json"
	"math"
	"net/http"
	"time"
)

// isHTTP says whether a kind of toxic is about HTTP requests.
func isHTTP(kind string) bool {
	_, ok := httpAttributes(HTTPKind(kind))
	return ok
}

// httpAttributes lists what an HTTP kind takes. ok is false if there is no such kind.
func httpAttributes(kind HTTPKind) (list []attribute, ok bool) {
	list = []attribute{
		value("method", func(f *HTTPFault) *string { return &f.Method }),
		value("path", func(f *HTTPFault) *string { return &f.Path }),
		number("limit", 0, math.MaxInt64, func(t *toxic) *int64 { return &t.http.Limit }),
	}
	upgrade := value("upgrades", func(f *HTTPFault) *bool { return &f.Upgrades })
	status := value("status", func(f *HTTPFault) *int { return &f.Status })
	switch kind {
	case HTTPStatus:
		return append(list, upgrade, status, headers(),
			value("body", func(f *HTTPFault) *string { return &f.Body }),
			seconds("retry_after", 0, maxDelay, func(f *HTTPFault) *time.Duration { return &f.RetryAfter }),
			value("retry_after_date", func(f *HTTPFault) *bool { return &f.RetryAfterDate })), true
	case HTTPCaptive:
		return append(list, upgrade, status, value("location", func(f *HTTPFault) *string { return &f.Location })), true
	case HTTPRequestLost, HTTPReplyLost:
		return append(list, value("hang", func(f *HTTPFault) *bool { return &f.Hang })), true
	case HTTPSlowBody:
		return append(list, number("bytes_per_second", 1, math.MaxInt64, func(t *toxic) *int64 { return &t.http.Rate })), true
	case HTTPCutBody:
		return append(list, number("bytes", 0, math.MaxInt64, func(t *toxic) *int64 { return &t.http.Bytes })), true
	case HTTPDate:
		return append(list, seconds("skew", -maxSkew, maxSkew, func(f *HTTPFault) *time.Duration { return &f.Skew })), true
	case HTTPTokenExpired:
		return append(list, upgrade), true
	}
	return nil, false
}

// seconds is an attribute that is a time in whole seconds.
func seconds(name string, low, high time.Duration, field func(*HTTPFault) *time.Duration) attribute {
	var n int64
	a := number(name, int64(low/time.Second), int64(high/time.Second), func(*toxic) *int64 { return &n })
	return attribute{
		name: name,
		read: func(t *toxic, raw json.RawMessage) error {
			if err := a.read(t, raw); err != nil {
				return err
			}
			*field(&t.http) = time.Duration(n) * time.Second
			return nil
		},
		show: func(t *toxic) any { return int64(*field(&t.http) / time.Second) },
	}
}

// headers is the attribute of that name: one value for each field.
func headers() attribute {
	return attribute{
		name: "headers",
		read: func(t *toxic, raw json.RawMessage) error {
			var fields map[string]string
			if err := json.Unmarshal(raw, &fields); err != nil {
				return err
			}
			t.http.Header = make(http.Header)
			for name, value := range fields {
				t.http.Header.Set(name, value)
			}
			return nil
		},
		show: func(t *toxic) any {
			fields := make(map[string]string)
			for name := range t.http.Header {
				fields[name] = t.http.Header.Get(name)
			}
			return fields
		},
	}
}

// checkHTTP checks and completes the fault of an HTTP toxic.
func (t *toxic) checkHTTP() error {
	if !isHTTP(t.kind) {
		return nil
	}
	fault := t.http
	fault.Name, fault.Kind = t.name, HTTPKind(t.kind)
	fault, err := fault.withDefaults()
	if err != nil {
		return errBadBody.because(err.Error())
	}
	t.http = fault
	return nil
}
