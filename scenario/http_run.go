package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chatsdk/chatsdk/faultnet"
)

// settleLimit bounds the wait for the last messages of a run after its faults: beyond it they count as not done.
const settleLimit = 2 * time.Minute

// HTTPBounds are what has to hold around one fault of a scenario whose clients talk by HTTP. Zero fields aren't asked.
type HTTPBounds struct {
	Hit        float64       // least share of the requests that meet the fault, without which the run shows nothing
	Load       float64       // most requests that arrive for each message that is offered meanwhile
	OpenWithin time.Duration // the circuit opens, from the beginning
	DoneWithin time.Duration // everything that was offered so far is done and the circuit closed, from the end
}

// HTTPThresholds are what has to hold in a whole run. Everything done, and nothing twice, holds always.
type HTTPThresholds struct {
	Done99     time.Duration // 99 of 100 messages are done so soon; 0 means not asked
	Refreshes  int           // exactly so many requests for new tokens; negative means not asked
	RetryAfter bool          // the server's waits are obeyed, and nobody comes back in a crowd
}

// runHTTP plays a scenario whose clients talk by HTTP.
func runHTTP(ctx context.Context, w *World, s Scenario, o RunOptions, r Report) (_ Report, err error) {
	began := time.Now()
	var clients []*httpClient
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.close())
		}
	}()
	for i := range s.Clients {
		c, err := w.addHTTPClient(ctx, clientName(i))
		if err != nil {
			return r, fmt.Errorf("start %s: %w", clientName(i), err)
		}
		clients = append(clients, c)
	}
	w.opts.Record.note(func(v *HTTPView) { v.RTT = s.Link.Up.Delay + s.Link.Down.Delay })
	talk := startHTTPTalk(ctx, clients, s.Every)
	pause(ctx, s.Warm)
	for _, f := range s.Faults {
		if err := playHTTP(ctx, w, clients[0], f); err != nil {
			r.problem("%s: %v", f.Name, err)
		}
		pause(ctx, s.Gap)
	}
	talk.stop(clients)
	if ctx.Err() != nil {
		return r, ctx.Err() // there is nothing to judge
	}
	view := w.opts.Record.View()
	r.HTTP, r.Problems = view.Summary(), append(r.Problems, view.Check(*s.Thresholds.HTTP)...)
	if err := w.DumpTable(ctx); err != nil {
		return r, err
	}
	r.Verdict = Check(w.History, CheckOptions{Final: true, Acks: true})
	r.Took = time.Since(began)
	r.OK = r.Verdict.OK && len(r.Problems) == 0
	if o.Out != nil {
		fmt.Fprintf(o.Out, "  %s\n", r.HTTP)
	}
	return r, nil
}

// playHTTP makes one fault, for as long as it lasts.
func playHTTP(ctx context.Context, w *World, c *httpClient, f Fault) error {
	w.History.FaultBegan(f.Name, c.Name)
	window := HTTPWindow{Name: f.Name, From: time.Now(), Bounds: f.HTTP}
	asked, met := injected(w, c)
	if err := f.Begin(ctx, w, c.Client); err != nil {
		return err
	}
	pause(ctx, f.Lasts)
	askedBy, metBy := injected(w, c)
	window.Requests, window.Met = askedBy-asked, metBy-met
	if f.End != nil {
		if err := f.End(ctx, w, c.Client); err != nil {
			return err
		}
	}
	w.History.FaultEnded(f.Name, c.Name)
	window.To = time.Now()
	w.opts.Record.note(func(v *HTTPView) { v.Faults = append(v.Faults, window) })
	return nil
}

// injected counts the requests that were looked at by the faults on the client's way or by those at the server's door,
// and those that met one.
func injected(w *World, c *httpClient) (asked, met int64) {
	for _, stats := range []faultnet.HTTPStats{c.HTTP.Stats(), w.opts.Faults.Stats()} {
		asked = max(asked, stats.Requests)
		for _, n := range stats.Injected {
			met += n
		}
	}
	return asked, met
}

// httpTalk is clients that keep posting.
type httpTalk struct {
	stopOffers, giveUp context.CancelFunc
	offers             work
}

// startHTTPTalk makes each client offer one message each every, whatever has become of the ones before.
func startHTTPTalk(ctx context.Context, clients []*httpClient, every time.Duration) *httpTalk {
	k := &httpTalk{}
	calls, giveUp := context.WithCancel(ctx)
	offers, stop := context.WithCancel(ctx)
	k.giveUp, k.stopOffers = giveUp, stop
	for i, c := range clients {
		k.offers.wg.Go(func() {
			pause(offers, every*time.Duration(i)/time.Duration(len(clients)))
			for n := 1; offers.Err() == nil; n++ {
				c.offer(calls, fmt.Sprintf("%s %d", c.Name, n))
				pause(offers, every)
			}
		})
	}
	return k
}

// stop ends the offers, and waits for what was offered to be done.
func (k *httpTalk) stop(clients []*httpClient) {
	k.stopOffers()
	k.offers.wg.Wait()
	defer k.giveUp()
	late := time.AfterFunc(settleLimit, k.giveUp)
	defer late.Stop()
	for _, c := range clients {
		c.calls.Wait()
	}
}
