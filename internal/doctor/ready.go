package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxProblem bounds what is read of a refusal.
const maxProblem = 4096

// ready asks the server whether it can serve.
func (r *run) ready(ctx context.Context) Check {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url("/readyz"), nil)
	if err != nil {
		return fail(FaultOther, Figures{}, "", "%s", plainly(err))
	}
	req.Header.Set("User-Agent", userAgent)
	begun := time.Now()
	res, err := r.web.Do(req)
	if err != nil {
		if timedOut(err) {
			return fail(FaultOther, Figures{}, "it answered a ping and doesn't say whether it is ready: it is overloaded, or its disk hangs",
				"no answer within %s", inMS(time.Since(begun)))
		}
		return fail(FaultNetwork, Figures{}, "the ping before got through: a link that comes and goes, or a server that has just stopped",
			"no answer: %s", plainly(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		body = nil
	}
	return r.judgeReady(res, body)
}

func (r *run) judgeReady(res *http.Response, body []byte) Check {
	f := Figures{Status: res.StatusCode}
	own := res.Header.Get(headerAPI) != ""
	later := ""
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		later = "; it asks to come back in " + (time.Duration(s) * time.Second).String()
	}
	switch {
	case res.StatusCode == http.StatusServiceUnavailable && own:
		why := detailOf(body)
		if why == "draining" {
			return fail(FaultOther, f, "it is being stopped or restarted: clients come back by themselves", "the server is stopping%s", later)
		}
		return fail(FaultOther, f, "whoever runs it should look at its log and its disk", "the server isn't ready: %s%s", why, later)
	case res.StatusCode >= 500:
		return fail(FaultOther, f, "something before the server answers for it: it is down or can't be reached from there; whoever runs it should look",
			"answered with %d%s", res.StatusCode, later)
	case r.ping.status >= 500:
		return fail(FaultOther, f, "whoever runs the server should look at its log, and at what stands before it",
			"answers %d to a ping, though it says that it is ready", r.ping.status)
	case res.StatusCode == http.StatusOK && r.API != 0 && r.ping.api != "" && r.ping.api != strconv.Itoa(r.API):
		return warn(f, "use the program and the server of one version", "ready, and speaks version %s of the API; this program speaks %d", short(r.ping.api), r.API)
	case res.StatusCode == http.StatusOK && own:
		return ok(f, "ready")
	case res.StatusCode == http.StatusNotFound:
		return warn(f, "what stands before the server doesn't pass /readyz on, which only this check needs", "it answers, and doesn't say whether it is ready (404)")
	}
	return warn(f, "what stands before the server may treat its paths differently", "it answers, and doesn't say whether it is ready (%d)", res.StatusCode)
}

// detailOf is the server's word in a problem (RFC 9457), or a stand-in.
func detailOf(body []byte) string {
	var p struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return "it doesn't say why"
	}
	return short(p.Detail)
}
