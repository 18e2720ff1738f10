// Command bench measures chatsdk on real sockets through the fault proxy, beside its peers in the same run, and prints the
// figures with the goals they are meant to reach. `make bench` runs it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// runLimit bounds the whole run.
const runLimit = 30 * time.Minute

// config is what the flags say.
type config struct {
	n       int
	rtts    []time.Duration
	only    []string // empty means everything
	quick   bool
	js      bool
	json    string
	seed    uint64
	clients int           // of the memory measurement
	idle    time.Duration // of the traffic measurement
	flood   time.Duration // of the throughput measurement
}

// part is one measurement.
type part struct {
	name    string
	measure func(ctx context.Context, c config, dir string, r *report) error
	write   func(*report, io.Writer)
}

// parts are all measurements, in the order in which they run.
func parts() []part {
	return []part{
		{"reconnect", measureReconnects, (*report).writeReconnects},
		{"traffic", measureTraffic, (*report).writeTraffic},
		{"throughput", measureThroughput, (*report).writeThroughput},
		{"memory", measureMemory, (*report).writeMemory},
		{"hour", measureHour, (*report).writeHours},
		{"policy", measurePolicy, (*report).writePolicy},
		{"quality", measureQuality, (*report).writeQuality},
		{"queue", measureQueue, (*report).writeQueue},
		{"upload", measureUpload, (*report).writeUpload},
		{"chat", measureChats, (*report).writeChats},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // what is deferred ends with the process
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == memoryArg {
		count, err := strconv.Atoi(args[1])
		if err != nil || count < 1 {
			return fmt.Errorf("%s needs the number of clients", memoryArg)
		}
		return memoryChild(ctx, count)
	}
	c, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chatsdk-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r := newReport(c)
	r.writeHead(os.Stdout)
	measureAll(ctx, c, dir, r)
	r.LoadAfter = load()
	r.writeEnd(os.Stdout)
	if c.json != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.json, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if len(r.Problems) > 0 {
		return fmt.Errorf("%d problems", len(r.Problems))
	}
	return nil
}

// measureAll runs the parts one after the other, since each takes the processor; a part that fails is a problem and
// doesn't end the rest. Traffic is counted beside the reconnects if both are wanted: it is two idle clients.
func measureAll(ctx context.Context, c config, dir string, r *report) {
	wanted := func(name string) bool { return len(c.only) == 0 || slices.Contains(c.only, name) }
	beside := wanted("reconnect") && wanted("traffic")
	for _, p := range parts() {
		if !wanted(p.name) || ctx.Err() != nil {
			continue
		}
		if beside && p.name == "traffic" {
			p.write(r, os.Stdout)
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: measuring %s\n", time.Now().Format(time.TimeOnly), p.name)
		var wg sync.WaitGroup
		var trafficErr error
		if beside && p.name == "reconnect" {
			wg.Go(func() { trafficErr = measureTraffic(ctx, c, dir, r) })
		}
		err := p.measure(ctx, c, dir, r)
		wg.Wait()
		if err := errors.Join(err, trafficErr); err != nil {
			r.problem("%s: %v", p.name, err)
		}
		p.write(r, os.Stdout)
	}
}

// watchTimers measures how late a timer of 10 ms is until the returned function is called: how busy the machine was.
func watchTimers() (stop func() *spread3) {
	const period = 10 * time.Millisecond
	done := make(chan struct{})
	var late []time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			began := time.Now()
			select {
			case <-done:
				return
			case <-time.After(period):
				late = append(late, time.Since(began)-period)
			}
		}
	})
	return func() *spread3 {
		close(done)
		wg.Wait()
		s := spreadOf(late)
		return &s
	}
}

// parse reads the flags.
func parse(args []string) (config, error) {
	c := config{clients: 1000, idle: 100 * time.Second, flood: 5 * time.Second}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&c.n, "n", 30, "trials of each fault at each RTT")
	rtts := f.String("rtt", "20,100,300", "round-trip times in ms")
	only := f.String("only", "", "measure only these, of reconnect, traffic, throughput, memory, hour, policy, quality, queue, upload, chat (default all)")
	f.BoolVar(&c.quick, "quick", false, "see that everything works: 3 trials, 100 clients, short times")
	f.BoolVar(&c.js, "js", true, "measure centrifuge-js and tus-js-client too (needs node and npm)")
	f.StringVar(&c.json, "json", "", "also write the figures as JSON to this file")
	f.Uint64Var(&c.seed, "seed", 1, "decides the order and the phases of the faults")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if c.quick {
		c.n, c.clients, c.idle, c.flood = 3, 100, 25*time.Second, time.Second
	}
	if c.n < 1 || f.NArg() > 0 {
		return c, errors.New("-n must be at least 1, and nothing but flags is understood")
	}
	for s := range strings.SplitSeq(*rtts, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 || n > 2000 {
			return c, fmt.Errorf("-rtt: %q is no number of ms from 1 to 2000", s)
		}
		c.rtts = append(c.rtts, time.Duration(n)*time.Millisecond)
	}
	if *only != "" {
		c.only = strings.Split(*only, ",")
	}
	for _, name := range c.only {
		if !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
			return c, fmt.Errorf("-only: nothing is called %q", name)
		}
	}
	return c, nil
}
