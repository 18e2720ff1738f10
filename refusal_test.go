package chatsdk_test

import (
	"testing"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/internal/wire"
)

// TestRefusals says for each answer of a server whether the same message is sent again.
func TestRefusals(t *testing.T) {
	for name, row := range map[string]struct {
		problem   wire.Problem
		permanent bool
	}{
		"forbidden":                      {wire.Problem{Status: 403, Code: wire.CodeForbidden}, true},
		"forbidden, without a status":    {wire.Problem{Code: wire.CodeForbidden}, true},
		"id reused":                      {wire.Problem{Status: 409, Code: wire.CodeIDReused}, true},
		"attachment":                     {wire.Problem{Status: 422, Code: wire.CodeAttachmentUnusable}, true},
		"gap":                            {wire.Problem{Status: 409, Code: wire.CodeSeqGap, Expected: 7}, false},
		"rate":                           {wire.Problem{Status: 429, Code: wire.CodeRateLimited, RetryAfterMS: 50}, false},
		"token":                          {wire.Problem{Status: 401, Code: wire.CodeTokenExpired}, false},
		"stopping":                       {wire.Problem{Status: 503, Code: wire.CodeUnavailable}, false},
		"internal":                       {wire.Problem{Status: 500, Code: wire.CodeInternal}, false},
		"unknown 400":                    {wire.Problem{Status: 400, Code: "emoji_only"}, true},
		"unknown 403":                    {wire.Problem{Status: 403, Code: "muted"}, true},
		"unknown 404":                    {wire.Problem{Status: 404, Code: "archived"}, true},
		"unknown 413":                    {wire.Problem{Status: 413, Code: "too_many_attachments"}, true},
		"unknown 422":                    {wire.Problem{Status: 422, Code: "profanity"}, true},
		"unknown 403, for a while":       {wire.Problem{Status: 403, Code: "muted", RetryAfterMS: 60_000}, false},
		"unknown 409":                    {wire.Problem{Status: 409, Code: "busy"}, false},
		"unknown 451":                    {wire.Problem{Status: 451, Code: "elsewhere"}, false},
		"unknown 500":                    {wire.Problem{Status: 500, Code: "broken"}, false},
		"no code: not the server's word": {wire.Problem{Status: 403}, false},
	} {
		r := chatsdk.Refusal(&row.problem)
		if r.Permanent != row.permanent || r.Code != row.problem.Code || r.Expected != row.problem.Expected ||
			r.RetryAfter != time.Duration(row.problem.RetryAfterMS)*time.Millisecond {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
