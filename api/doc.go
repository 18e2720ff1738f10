// Package api is an HTTP client that knows when to try again.
//
// A Client is an http.RoundTripper, so that any http.Client gets it:
//
//	c, err := api.New(api.Options{})
//	…
//	defer c.Close()
//	res, err := c.HTTP().Get("https://example.com/")
//
// and Do on top of it speaks JSON with the server of Options.BaseURL.
//
// Each call has a deadline, each attempt a timeout from the measured round trip, a token of its own and a verdict:
// whose fault was it (Fault), and what of the request may have been processed (Sent). Only what is provably safe is sent
// again: what was certainly not processed, and what is idempotent. Only faults of the server charge the host's retry
// budget and its circuit; a lossy path doesn't stop the retries that it needs. Whatever the server asks for (Retry-After,
// RateLimit) holds for all calls to the host.
package api
