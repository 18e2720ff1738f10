package realtime_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/realtime"
)

func TestCloseCodes(t *testing.T) {
	for _, row := range []struct {
		code   uint32
		reason string
		class  realtime.Class
		delay  time.Duration
	}{
		{1000, "", realtime.ClassServer, 0},
		{1001, "", realtime.ClassServer, 0},
		{1009, "", realtime.ClassLong, 0},
		{1012, "", realtime.ClassServer, 0},
		{1013, "", realtime.ClassServer, 0},
		{3000, "", realtime.ClassServer, 0},
		{3001, "shutdown", realtime.ClassServer, 0},
		{3005, "expired", realtime.ClassToken, 0},
		{3008, "slow", realtime.ClassLocal, 0},
		{3010, "insufficient state", realtime.ClassLocal, 0},
		{3012, "no pong", realtime.ClassLocal, 0},
		{3014, "state invalidated", realtime.ClassToken, 0},
		{3500, "invalid token", realtime.ClassRenew, 0},
		{3501, "bad request", realtime.ClassTerminal, 0},
		{3502, "stale", realtime.ClassServer, 0},
		{3503, "force no reconnect", realtime.ClassTerminal, 0},
		{3504, "connection limit", realtime.ClassLong, 0},
		{3507, "permission denied", realtime.ClassTerminal, 0},
		{3999, "", realtime.ClassTerminal, 0},
		{4001, "drain retry-after-ms=1500", realtime.ClassDirected, 1500 * ms},
		{4001, "drain", realtime.ClassServer, 0},
		{4002, "retry-after-ms=999999999", realtime.ClassDirected, 15 * time.Minute},
		{4002, "retry-after-ms=99999999999999999999", realtime.ClassDirected, 15 * time.Minute},
		{3001, "retry-after-ms=1500", realtime.ClassServer, 0},
		{4501, "replaced", realtime.ClassTerminal, 0},
		{5000, "", realtime.ClassServer, 0},
	} {
		c := realtime.CloseCause(row.code, row.reason)
		if c.Class() != row.class || c.Delay() != row.delay {
			t.Errorf("%d %q: class %v delay %v, want %v and %v", row.code, row.reason, c.Class(), c.Delay(), row.class, row.delay)
		}
	}
}

func TestConnectCodes(t *testing.T) {
	for code, want := range map[uint32]realtime.Class{
		100: realtime.ClassServer, 111: realtime.ClassServer, 109: realtime.ClassToken,
		101: realtime.ClassTerminal, 103: realtime.ClassTerminal, 107: realtime.ClassTerminal,
	} {
		if got := realtime.ConnectCause(code, false).Class(); got != want {
			t.Errorf("%d: class %v, want %v", code, got, want)
		}
	}
	if got := realtime.ConnectCause(1234, true).Class(); got != realtime.ClassServer {
		t.Errorf("a temporary error has class %v", got)
	}
}

func TestUpgradeAnswers(t *testing.T) {
	for _, row := range []struct {
		err  error
		want realtime.Class
	}{
		{&realtime.HTTPError{Status: 200}, realtime.ClassLong},
		{&realtime.HTTPError{Status: 404}, realtime.ClassLong},
		{&realtime.HTTPError{Status: 401}, realtime.ClassRenew},
		{&realtime.HTTPError{Status: 403}, realtime.ClassRenew},
		{&realtime.HTTPError{Status: 502}, realtime.ClassServer},
		{&realtime.HTTPError{Status: 503, RetryAfter: time.Second}, realtime.ClassDirected},
		{&realtime.HTTPError{Status: 429, RetryAfter: time.Second}, realtime.ClassDirected},
		{syscall.ECONNREFUSED, realtime.ClassLocal},
		{realtime.ErrProtocol, realtime.ClassLong},
	} {
		if got := realtime.DialCause(row.err).Class(); got != row.want {
			t.Errorf("%v: class %v, want %v", row.err, got, row.want)
		}
	}
	if !errors.Is(&realtime.HTTPError{Status: 404}, realtime.ErrProtocol) || errors.Is(&realtime.HTTPError{Status: 500}, realtime.ErrProtocol) {
		t.Error("404 means another server, 500 doesn't")
	}
}

func TestPauses(t *testing.T) {
	most := func(n int64) int64 { return n - 1 }
	fg, bg := realtime.Foreground.Effort(), realtime.Background.Effort()
	local, herd := realtime.CloseCause(3012, ""), realtime.CloseCause(3001, "")
	for _, row := range []struct {
		name     string
		c        realtime.Cause
		e        realtime.Effort
		failures int
		outage   time.Duration
		want     time.Duration
	}{
		{"local, first", local, fg, 0, 0, 0},
		{"local, second", local, fg, 1, 0, 200 * ms},
		{"local, capped", local, fg, 9, 9 * time.Minute, fg.RetryCap},
		{"local, huge count", local, fg, 1000, 9 * time.Minute, fg.RetryCap},
		{"local, long outage", local, fg, 99, 11 * time.Minute, fg.PatientCap},
		{"local, background", local, bg, 99, time.Minute, bg.RetryCap},
		{"herd, first", herd, fg, 0, 0, fg.Spread},
		{"herd, second", herd, fg, 1, 0, 200 * ms},
		{"told", realtime.CloseCause(4001, "retry-after-ms=1234"), fg, 7, time.Hour, 1234 * ms},
		{"limit", realtime.CloseCause(3504, ""), fg, 1, 0, 2*realtime.LongPause - 1},
	} {
		if got := realtime.Pause(row.c, row.e, row.failures, row.outage, most); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
	if fg.RetryCap > time.Second {
		t.Error("foreground retries are to be at most 1 s apart")
	}
}

func TestRefreshMarginFitsTheLifetime(t *testing.T) {
	for _, ttl := range []time.Duration{time.Second, 10 * time.Second, 15 * time.Minute, 49 * 24 * time.Hour} {
		if m := realtime.RefreshMargin(ttl); m <= 0 || m > ttl/2 || m > time.Minute {
			t.Errorf("ttl %v: margin %v", ttl, m)
		}
	}
}
