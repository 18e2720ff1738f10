package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/upload"
)

const (
	// uploadSize takes 8 s at uploadRate.
	uploadSize = 24 << 20
	uploadRate = 3 << 20 // bytes a second of each connection, in both directions
	// uploadBack is how soon after the link's return the server has the first new byte, and behindOld the same where the
	// server still waits for more on the connection that is dead.
	uploadBack = time.Second
	behindOld  = 2 * time.Second
	// uploadOutage is how long a link stays broken.
	uploadOutage = 8 * time.Second
)

// uploadScenarios are those of a large file.
func uploadScenarios() []Scenario {
	link := faultnet.Symmetric(100 * time.Millisecond)
	link.Up.Rate, link.Down.Rate = uploadRate, uploadRate
	var out []Scenario
	add := func(id, name, why string, play func(ctx context.Context, g *uploadStage) error, change upload.Policy) {
		out = append(out, Scenario{
			ID: id, Name: name, Why: why, Link: link, Files: true,
			Play: func(ctx context.Context, w *World, s Scenario, r *Report, dir string) error {
				g, err := setUploadStage(ctx, w, s, r, dir, change)
				if err != nil {
					return err
				}
				if err := play(ctx, g); err != nil {
					return err
				}
				return bounded(ctx, func(ctx context.Context) error { return errors.Join(emptyQueues(ctx, w), settleDevices(ctx, w)) })
			},
		})
	}
	add("8", "large upload broken at 80%", "the upload begins anew, or never ends on a network that breaks more often than it lasts",
		playUploadCut, upload.Fail)
	add("8-halfopen", "upload behind its dead connection", "the server waits for the rest on a connection that is dead, and refuses the one that lives",
		playUploadHalfOpen, upload.Fail)
	add("8-reply", "upload whose last answer is lost", "the server has all of the file, the client doesn't know and uploads it twice",
		playUploadReply, upload.Fail)
	add("8-restart", "upload over a server restart", "the server comes back with less than it had acknowledged, or with none of it",
		playUploadRestart, upload.Fail)
	add("8-token", "token expires during an upload", "a refused token is taken for a lost upload, which begins anew",
		playUploadToken, upload.Fail)
	add("8-crash", "program killed during an upload", "the program comes back and knows nothing of what the server has",
		playUploadCrash, upload.Fail)
	add("8-changed", "file changed during its upload", "the server ends up with half of the old and half of the new file",
		playUploadChanged, upload.Fail)
	return out
}

// playUploadCut: the link is gone for a while when 80% have been sent.
func playUploadCut(ctx context.Context, g *uploadStage) error {
	if err := g.arrived(ctx, 80); err != nil {
		return err
	}
	over := g.fault("cut at 80%")
	g.d.Link.Cut()
	pause(ctx, uploadOutage)
	g.d.Link.Heal()
	over()
	return g.measure(ctx, "cut at 80%", uploadBack)
}

// measure waits for the first new byte from now on and for the end.
func (g *uploadStage) measure(ctx context.Context, fault string, limit time.Duration) error {
	g.w.opts.Record.mark()
	first, err := g.firstByte(ctx)
	if err != nil {
		g.r.problem("%s: %v", fault, err)
	}
	return g.end(ctx, fault, first, limit)
}

// playUploadHalfOpen: the link comes back, but the connection of before is dead without a word, and the server, which
// wasn't told either, holds the upload for it.
func playUploadHalfOpen(ctx context.Context, g *uploadStage) error {
	if err := g.arrived(ctx, 80); err != nil {
		return err
	}
	over := g.fault("half-open")
	g.d.Link.Strand(true, true)
	g.d.Link.Cut()
	pause(ctx, uploadOutage)
	if !g.held() {
		g.r.problem("half-open: the server doesn't wait for the rest any more: the run shows nothing")
	}
	g.d.Link.Heal()
	over()
	return g.measure(ctx, "half-open", behindOld)
}

// playUploadReply: the answer to the last request gets lost. Nothing comes down from the moment that the request is sent,
// so that the answer can't be faster than whoever loses it.
func playUploadReply(ctx context.Context, g *uploadStage) error {
	if err := until(ctx, "the last request", func() (bool, error) {
		patches := g.d.tap.view()
		if len(patches) == 0 {
			return false, nil
		}
		last := patches[len(patches)-1] // once all of it is on its way, nothing but its answer is to come
		return last.From+last.Length == uploadSize && last.Sent == last.Length, nil
	}); err != nil {
		return err
	}
	over := g.fault("last answer lost")
	g.d.Link.Update(func(c *faultnet.Conditions) { c.Down.Stall = true })
	if err := until(ctx, "the server to have all", func() (bool, error) { return g.finished(ctx) }); err != nil {
		return err
	}
	if u, err := g.present(ctx); err != nil || u.State.Settled() {
		g.r.problem("last answer lost: the client has it, %v, %v: the run shows nothing", u.State, err)
	}
	g.d.Link.Strand(false, true)
	g.d.Link.Heal()
	over()
	before := g.sent()
	if _, err := g.settled(ctx); err != nil {
		g.r.problem("last answer lost: %v", err)
	}
	if after := g.sent(); after != before || after != uploadSize {
		g.r.problem("last answer lost: %d bytes were sent, and %d more afterwards", before, after-before)
	}
	return g.end(ctx, "last answer lost", 0, 0)
}

// sent is how many bytes of files were handed to connections.
func (g *uploadStage) sent() (n int64) {
	for _, p := range g.d.tap.view() {
		n += p.Sent
	}
	return n
}

// serverDown is how long a server that restarts is away.
const serverDown = 3 * time.Second

// playUploadRestart: the server crashes and comes back, and later is restarted in order.
func playUploadRestart(ctx context.Context, g *uploadStage) error {
	var worst time.Duration
	for _, step := range []struct {
		percent  int64
		graceful bool
		limit    time.Duration
	}{
		{40, false, uploadBack},
		{80, true, uploadBack},
	} {
		if err := g.arrived(ctx, step.percent); err != nil {
			return err
		}
		name := fmt.Sprintf("server restart at %d%%", step.percent)
		over := g.fault(name)
		g.d.Link.Update(func(c *faultnet.Conditions) { c.Refused = true }) // a proxy would accept for a server that doesn't
		if err := g.w.StopServer(ctx, step.graceful); err != nil {
			return err
		}
		pause(ctx, serverDown)
		if err := g.w.StartServer(ctx); err != nil {
			return err
		}
		g.d.Link.Heal()
		over()
		g.w.opts.Record.mark()
		first, err := g.firstByte(ctx)
		if err != nil {
			g.r.problem("%s: %v", name, err)
		}
		if first > step.limit {
			g.r.problem("%s: the first new byte came after %v, at most %v is allowed", name, ms(first), step.limit)
		}
		worst = max(worst, first)
	}
	return g.end(ctx, "server restarts", worst, uploadBack)
}

// playUploadToken: the token is refused from a moment on. There is one request for a new one, and the copy stays.
func playUploadToken(ctx context.Context, g *uploadStage) error {
	if err := g.arrived(ctx, 50); err != nil {
		return err
	}
	before, err := g.present(ctx)
	if err != nil {
		return err
	}
	over := g.fault("token refused")
	err = g.w.opts.Faults.Set(faultnet.HTTPFault{Kind: faultnet.HTTPTokenExpired, Path: uploadsPath, Method: http.MethodPatch, Limit: 1})
	if err != nil {
		return err
	}
	u, err := g.settled(ctx)
	over()
	if err != nil {
		g.r.problem("token refused: %v", err)
	}
	if u.URL != before.URL || u.Restarts > 0 {
		g.r.problem("token refused: the upload began anew")
	}
	if n := g.w.opts.Faults.Stats().Injected[faultnet.HTTPTokenExpired]; n == 0 {
		g.r.problem("token refused: no request was: the run shows nothing")
	}
	if n := g.w.opts.Record.came(g.began, http.MethodPost, "/api/auth/refresh"); n != 1 {
		g.r.problem("token refused: %d requests for a new one, exactly 1 is needed", n)
	}
	return g.end(ctx, "token refused", 0, 0)
}

// playUploadCrash: the program is killed, and the machine loses power; both times it goes on from its profile.
func playUploadCrash(ctx context.Context, g *uploadStage) error {
	var worst time.Duration
	for _, step := range []struct {
		percent int64
		power   bool
	}{{40, false}, {80, true}} {
		if err := g.arrived(ctx, step.percent); err != nil {
			return err
		}
		name := map[bool]string{false: "kill", true: "power loss"}[step.power]
		over := g.fault(name)
		g.d.Crash(step.power)
		pause(ctx, time.Second)
		if err := g.d.Start(ctx); err != nil {
			return err
		}
		over()
		g.w.opts.Record.mark()
		first, err := g.firstByte(ctx)
		if err != nil {
			g.r.problem("%s: %v", name, err)
		}
		if first > uploadBack {
			g.r.problem("%s: the first new byte came %v after the start, at most %v is allowed", name, ms(first), uploadBack)
		}
		worst = max(worst, first)
	}
	if u, err := g.present(ctx); err != nil || u.Progress.ResumedFrom <= uploadSize/2 {
		g.r.problem("power loss: it went on from %d, %v", u.Progress.ResumedFrom, err)
	}
	return g.end(ctx, "kill, power loss", worst, uploadBack)
}

// playUploadChanged: the file is another one half-way. What was asked to fail fails and says why, and the server drops its
// copy with it; what was asked to begin anew does, and ends with the new file.
func playUploadChanged(ctx context.Context, g *uploadStage) error {
	if err := g.arrived(ctx, 50); err != nil {
		return err
	}
	over := g.fault("file changed")
	sum, err := g.file.fill(uploadSize, g.w.fork())
	if err != nil {
		return err
	}
	g.file.versions = map[string]bool{sum: true} // nobody may end up with what it was before
	u, err := g.settled(ctx)
	if err != nil {
		g.r.problem("file changed: %v", err)
	}
	l, err := g.d.program()
	if err != nil {
		return err
	}
	if _, err := l.chat.WaitUpload(ctx, g.id); u.State != upload.Failed || !errors.Is(err, upload.ErrSourceChanged) {
		g.r.problem("file changed: the upload is %v, and its error is %v", u.State, err)
	}
	if err := l.chat.CancelUpload(ctx, g.id); err != nil {
		return err
	}
	if _, err := g.settled(ctx); err != nil {
		g.r.problem("file changed: %v", err)
	}
	over()
	return g.restartChanged(ctx)
}

// restartChanged uploads the file again, lets it change once more half-way, and asks for the newest.
func (g *uploadStage) restartChanged(ctx context.Context) error {
	l, err := g.d.program()
	if err != nil {
		return err
	}
	u, err := l.chat.Upload(ctx, upload.Request{Path: g.file.path, OnChange: upload.Restart})
	if err != nil {
		return err
	}
	g.id = u.ID
	if err := until(ctx, "half of it", func() (bool, error) {
		u, err := g.present(ctx)
		return u.Progress.Sent*2 > uploadSize, err
	}); err != nil {
		return err
	}
	over := g.fault("file changed again")
	sum, err := g.file.replace(uploadSize, g.w.fork())
	if err != nil {
		return err
	}
	g.file.versions = map[string]bool{sum: true}
	if u, err = g.settled(ctx); err != nil || u.Restarts != 1 {
		g.r.problem("file changed again: it began anew %d times, %v", u.Restarts, err)
	}
	over()
	return g.end(ctx, "file changed", 0, 0)
}
