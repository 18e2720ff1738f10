package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.golang/autopaho/queue/file"
	"github.com/ncruces/go-sqlite3/driver"

	"github.com/chatsdk/chatsdk/outbox"
	"github.com/chatsdk/chatsdk/profile"
	"github.com/chatsdk/chatsdk/scenario"
)

const (
	// queueTextBytes is the length of a queued message's text, and of what the others write.
	queueTextBytes = 300
	// enqueueRounds is how often each subject has its turn, so that what else the machine does hits all alike.
	enqueueRounds = 25
	// enqueueAlone is how many messages one caller queues in a turn.
	enqueueAlone = 20
	// enqueueCallers is how many queue at once where callers share a commit, and enqueueEach how many messages each of
	// them queues in a turn.
	enqueueCallers, enqueueEach = 64, 8
)

// enqueued is what it costs to keep one message in one way.
type enqueued struct {
	What      string  `json:"what"`
	Callers   int     `json:"callers"`
	N         int     `json:"n"`
	P50       float64 `json:"p50Ms"` // of one call
	P95       float64 `json:"p95Ms"`
	PerSecond float64 `json:"perSecond"` // median of the rounds
	Floor     float64 `json:"timesFloor"`
	Goal      string  `json:"goal,omitempty"`
	Met       bool    `json:"goalMet,omitempty"`
}

// The ways to keep a message.
const (
	whatFloor   = "append and fsync: the floor"
	whatSQLite  = "bare SQLite insert, WAL, synchronous=FULL"
	whatPaho    = "autopaho file queue (no fsync: not durable)"
	whatAlone   = "chatsdk, one caller"
	whatGrouped = "chatsdk, 64 callers"
)

// enqueuer is one way to keep a message under measurement.
type enqueuer struct {
	what          string
	callers, each int
	keep          func(ctx context.Context) error
	took          []time.Duration // of each call
	rates         []float64       // of each round, a second
}

// round lets all callers keep their messages.
func (e *enqueuer) round(ctx context.Context) error {
	took, errs := make([][]time.Duration, e.callers), make([]error, e.callers)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range e.callers {
		wg.Go(func() {
			for range e.each {
				start := time.Now()
				if err := e.keep(ctx); err != nil {
					errs[i] = fmt.Errorf("%s: %w", e.what, err)
					return
				}
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	e.rates = append(e.rates, float64(e.callers*e.each)/time.Since(began).Seconds())
	e.took = append(e.took, slices.Concat(took...)...)
	return errors.Join(errs...)
}

// measureEnqueue gives each way its turns, beginning with another one each time.
func measureEnqueue(ctx context.Context, dir string, rounds int, r *report) (err error) {
	all, stop, err := enqueuers(dir)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return err
	}
	for i := range rounds {
		for k := range all {
			if err := all[(i+k)%len(all)].round(ctx); err != nil {
				return err
			}
		}
	}
	r.addEnqueued(all)
	return nil
}

// addEnqueued compares with the floor, and many callers with one.
func (r *report) addEnqueued(all []*enqueuer) {
	by := map[string]enqueued{}
	for _, e := range all {
		slices.Sort(e.rates)
		v := enqueued{
			What: e.what, Callers: e.callers, N: len(e.took), PerSecond: e.rates[len(e.rates)/2],
			P50: ms(scenario.Percentile(e.took, 50)), P95: ms(scenario.Percentile(e.took, 95)),
		}
		by[e.what] = v
		v.Floor = v.P50 / by[whatFloor].P50
		switch e.what {
		case whatAlone:
			v.Goal, v.Met = "at most 1.5 times the floor", v.Floor <= 1.5
		case whatGrouped:
			times := v.PerSecond / by[whatAlone].PerSecond
			v.Goal, v.Met = fmt.Sprintf("at least 10 times one caller's rate: %.1f", times), times >= 10
		}
		r.Enqueued = append(r.Enqueued, v)
	}
}

// enqueuers makes the ways; the floor is the first. Stop ends those that were made, on an error too.
func enqueuers(dir string) (all []*enqueuer, stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, f := range slices.Backward(stops) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	alone := func(what string, keep func(context.Context) error) {
		all = append(all, &enqueuer{what: what, callers: 1, each: enqueueAlone, keep: keep})
	}
	text := strings.Repeat("x", queueTextBytes)
	log, err := os.Create(filepath.Join(dir, "floor"))
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, log.Close)
	alone(whatFloor, func(context.Context) error {
		if _, err := log.WriteString(text); err != nil {
			return err
		}
		return log.Sync()
	})
	insert, end, err := bareSQLite(filepath.Join(dir, "bare.db"), text)
	stops = append(stops, end)
	if err != nil {
		return nil, stop, err
	}
	alone(whatSQLite, insert)
	files, err := paho.New(filepath.Join(dir, "paho"), "", "msg")
	if err != nil {
		return nil, stop, err
	}
	alone(whatPaho, func(context.Context) error { return files.Enqueue(strings.NewReader(text)) })
	for _, callers := range []int{1, enqueueCallers} {
		q, end, err := openQueue(filepath.Join(dir, fmt.Sprintf("profile-%d", callers)), nil)
		stops = append(stops, end)
		if err != nil {
			return nil, stop, err
		}
		keep := func(ctx context.Context) error {
			_, err := q.Enqueue(ctx, outbox.Entry{Channel: channel, Text: text})
			return err
		}
		if callers == 1 {
			alone(whatAlone, keep)
			continue
		}
		all = append(all, &enqueuer{what: whatGrouped, callers: callers, each: enqueueEach, keep: keep})
	}
	return all, stop, nil
}

// bareSQLite makes a table; keep inserts one row in a transaction of its own.
func bareSQLite(path, text string) (keep func(context.Context) error, end func() error, err error) {
	end = func() error { return nil }
	db, err := driver.Open("file:" + filepath.ToSlash(path) +
		"?_pragma=locking_mode(exclusive)&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, end, err
	}
	db.SetMaxOpenConns(1)
	end = db.Close
	if _, err := db.Exec(`CREATE TABLE messages (id INTEGER PRIMARY KEY, text TEXT)`); err != nil {
		return nil, end, err
	}
	st, err := db.Prepare(`INSERT INTO messages (text) VALUES (?)`)
	if err != nil {
		return nil, end, err
	}
	keep = func(ctx context.Context) error {
		_, err := st.ExecContext(ctx, text)
		return err
	}
	return keep, func() error { return errors.Join(st.Close(), db.Close()) }, nil
}

// opened is how long the two steps of opening took.
type opened struct{ profile, queue time.Duration }

// openQueue opens a profile and starts its queue, which sends nothing. End closes both, on an error too.
func openQueue(dir string, took *opened) (q *outbox.Queue, end func() error, err error) {
	end = func() error { return nil }
	began := time.Now()
	p, err := profile.Open(dir)
	if err != nil {
		return nil, end, err
	}
	end = p.Close
	ready := time.Now()
	q, err = outbox.New(outbox.Options{
		Store: p.Outbox(),
		Send: func(context.Context, []outbox.Entry) ([]outbox.Result, error) {
			return nil, errors.New("nothing is sent")
		},
	})
	if err != nil {
		return nil, end, err
	}
	end = func() error { return errors.Join(q.Close(), p.Close()) }
	err = q.Start()
	if took != nil {
		*took = opened{ready.Sub(began), time.Since(ready)}
	}
	return q, end, err
}
