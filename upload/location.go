package upload

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// maxURL is the longest URL of a copy that is taken.
const maxURL = 4 << 10

// errLocation means that a server sent us where we don't go.
var errLocation = errors.New("the server's Location is missing, or leads to an origin that isn't allowed; see Options.Origins")

// locate resolves a Location against the URL that was asked, and refuses what leads elsewhere.
func (q *Queue) locate(asked *url.URL, location string) (string, error) {
	if location == "" || len(location) > maxURL {
		return "", errLocation
	}
	u, err := asked.Parse(location)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", errLocation
	}
	if o := originOf(u); o != q.origin && !slices.Contains(q.allowed, o) && planted != bugTokenAnywhere {
		return "", errLocation
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String(), nil
}

// ours says whether a token may go to u.
func (q *Queue) ours(u *url.URL) bool {
	return originOf(u) == q.origin || planted == bugTokenAnywhere
}

// originOf is scheme, host and port, in one spelling.
func originOf(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		port = ""
	} else {
		port = ":" + port
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host + port
}
