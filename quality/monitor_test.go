package quality_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/quality"
)

// goes runs a check and fails with what it finds.
func goes(t *testing.T, check func(*testing.T) error) {
	t.Helper()
	if err := check(t); err != nil {
		t.Error(err)
	}
}

func TestBlackoutIsSeen(t *testing.T) {
	for _, row := range []struct {
		profile          quality.Profile
		rtt, gone, again time.Duration
	}{
		{quality.Foreground, 20 * ms, 2 * second, 2 * second},
		{quality.Foreground, 100 * ms, 2 * second, 2 * second},
		{quality.Foreground, 300 * ms, 2 * second, 2 * second},
		{quality.Background, 100 * ms, 13 * second, 2 * second},
	} {
		t.Run(fmt.Sprintf("%s %v", row.profile, row.rtt), func(t *testing.T) {
			goes(t, run(row.rtt, quality.Options{Effort: row.profile.Effort()}, func(r *rig) error {
				var gone, again time.Duration
				for i := range 20 { // at any moment between two probes
					time.Sleep(30*second + time.Duration(i)*137*ms)
					if err := r.is(levelAt(row.rtt-1), quality.ReachOnline); err != nil {
						return err
					}
					r.Cut()
					took, err := r.until(quality.ReachOffline, row.gone)
					if err != nil {
						return err
					}
					gone = max(gone, took)
					time.Sleep(47*second + time.Duration(i)*71*ms)
					if err := r.is(quality.Offline, quality.ReachOffline); err != nil {
						return err
					}
					r.Heal()
					if took, err = r.until(quality.ReachOnline, row.again); err != nil {
						return err
					}
					again = max(again, took)
				}
				t.Logf("seen within %v, back within %v", gone, again)
				return nil
			}))
		})
	}
}

func checkPages(t *testing.T) error {
	for name, page := range map[string]http.HandlerFunc{
		"redirect":          says(http.StatusFound, "Location", "http://portal/login"),
		"login page":        says(http.StatusOK),
		"empty page":        says(http.StatusNoContent),
		"another challenge": says(http.StatusNoContent, "Chatsdk-Challenge", "x"),
		"511":               says(http.StatusNetworkAuthenticationRequired),
		"proxy login":       says(http.StatusProxyAuthRequired),
	} {
		if err := run(60*ms, quality.Options{}, func(r *rig) error {
			time.Sleep(5 * second)
			r.answers(page)
			if _, err := r.until(quality.ReachCaptive, second); err != nil {
				return err
			}
			if err := r.never(quality.ReachOffline, 5*time.Minute); err != nil {
				return err
			}
			if err := r.is(quality.Unknown, quality.ReachCaptive); err != nil {
				return err
			}
			r.answers(nil)
			_, err := r.until(quality.ReachOnline, back(quality.Foreground))
			return err
		})(t); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func TestPortalIsCaptiveAndNeverOffline(t *testing.T) { goes(t, checkPages) }

func TestServerDownIsNeverOffline(t *testing.T) {
	for name, row := range map[string]struct {
		down  func(*rig)
		limit time.Duration // until it is told
	}{
		"500":     {func(r *rig) { r.answers(says(500)) }, 2 * second},
		"503":     {func(r *rig) { r.answers(says(503, "Retry-After", "9")) }, 2 * second},
		"429":     {func(r *rig) { r.answers(says(429)) }, 2 * second},
		"refused": {func(r *rig) { r.Update(func(c *faultnet.Conditions) { c.Refused = true }); r.Reset() }, 2 * second},
		"hangs":   {func(r *rig) { r.Update(func(c *faultnet.Conditions) { c.Hang = true }); r.Strand(true, true) }, 5 * second},
	} {
		t.Run(name, func(t *testing.T) {
			goes(t, run(60*ms, quality.Options{}, func(r *rig) error {
				time.Sleep(5 * second)
				row.down(r)
				took, err := r.until(quality.ReachServerDown, row.limit)
				if err != nil {
					return err
				}
				t.Logf("told after %v", took)
				if err := r.never(quality.ReachOffline, 5*time.Minute); err != nil {
					return err
				}
				r.answers(nil)
				r.Heal()
				_, err = r.until(quality.ReachOnline, back(quality.Foreground))
				return err
			}))
		})
	}
}

// checkSetup: the answer on a new connection takes two round trips, and what was measured is one.
func checkSetup(t *testing.T) error {
	return run(100*ms, quality.Options{Effort: quality.Background.Effort()}, func(r *rig) error {
		time.Sleep(2 * second) // the burst at the start is over
		s := r.m.State()
		if s.RTT.Samples == 0 || s.RTT.Median.Round(ms) != 100*ms || s.RTT.Tail != 100*ms {
			return fmt.Errorf("%d samples of %v, the longest %v, want 100ms all", s.RTT.Samples, s.RTT.Median, s.RTT.Tail)
		}
		return r.is(quality.Good, quality.ReachOnline)
	})(t)
}

func TestSetUpOfAConnectionIsNoRoundTrip(t *testing.T) { goes(t, checkSetup) }
