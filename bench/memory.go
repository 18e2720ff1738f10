package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chatsdk/chatsdk"
	"github.com/chatsdk/chatsdk/faultnet"
	"github.com/chatsdk/chatsdk/server"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

const (
	// memoryArg makes this program measure memory in a process of its own, where nothing else allocates.
	memoryArg = "measure-memory"
	// memoryRTT is the round trip of those clients' links.
	memoryRTT = 100 * time.Millisecond
	// signIns is how many clients sign in at a time.
	signIns = 8
	// settling is the time until what signing in left behind is gone: HTTP connections are kept for 30 s.
	settling = 35 * time.Second
	// watching is the time over which the processor's work for idle clients is counted.
	watching = 10 * time.Second
	// memoryLimit bounds the measurement.
	memoryLimit = 4 * time.Minute
)

// memory is what each idle client takes, with its connection in memory and the server's side of it.
type memory struct {
	Clients    int                `json:"clients"`
	Bytes      float64            `json:"bytesPerClient"`
	Heap       float64            `json:"heapBytesPerClient"`
	Stack      float64            `json:"stackBytesPerClient"`
	Goroutines float64            `json:"goroutinesPerClient"`
	ByPackage  map[string]float64 `json:"goroutinesByPackage"` // whose functions they run
	CPU        float64            `json:"cpuMicrosecondsPerClientSecond"`
	Reconnects int                `json:"reconnects"` // of all clients while the processor's work was counted
}

// measureMemory runs this program again for the measurement.
func measureMemory(ctx context.Context, c config, _ string, r *report) error {
	ctx, cancel := context.WithTimeout(ctx, memoryLimit)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, memoryArg, strconv.Itoa(c.clients))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("measure memory: %w", err)
	}
	r.Memory = &memory{}
	return json.Unmarshal(out, r.Memory)
}

// memoryChild is the measuring process: its result goes to standard output.
func memoryChild(ctx context.Context, count int) (err error) {
	store, err := sqlite.OpenMemory(ctx, "memory")
	if err != nil {
		return err
	}
	srv, err := startServer(ctx, store, nil, server.Limits{}, server.Uploads{})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	n := faultnet.NewNetwork(1)
	n.SetDefault(faultnet.Symmetric(memoryRTT))
	ln, err := n.Listen("server:80")
	if err != nil {
		return errors.Join(err, srv.Kill(), store.Close())
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }() // received below
	defer func() { err = errors.Join(err, srv.Kill(), <-served, store.Close()) }()
	clients := make([]*sdk, count)
	defer func() { err = errors.Join(err, closeAll(clients)) }()
	for i := range count {
		if err := srv.AddUser(ctx, userName(i), password); err != nil {
			return err
		}
	}
	heap0, stack0, routines0 := inUse()
	if err := openMany(ctx, n, clients); err != nil {
		return err
	}
	pause(ctx, settling)
	cpu, reconnects := usedCPU(), reconnectsOf(clients)
	pause(ctx, watching)
	cpu = usedCPU() - cpu
	reconnects = reconnectsOf(clients) - reconnects // before the world is stopped to look at it
	heap, stack, routines := inUse()
	each := func(after, before uint64) float64 { return (float64(after) - float64(before)) / float64(count) }
	m := memory{
		Clients: count, Heap: each(heap, heap0), Stack: each(stack, stack0), Goroutines: each(routines, routines0),
		CPU:       float64(cpu.Microseconds()) / watching.Seconds() / float64(count),
		ByPackage: goroutinesByPackage(count), Reconnects: reconnects,
	}
	m.Bytes = m.Heap + m.Stack
	return errors.Join(ctx.Err(), json.NewEncoder(os.Stdout).Encode(m))
}

func reconnectsOf(clients []*sdk) (n int) {
	for _, s := range clients {
		n += s.seen.reconnected()
	}
	return n
}

func userName(i int) string { return "user-" + strconv.Itoa(i) }

// openMany opens every client, some at a time.
func openMany(ctx context.Context, n *faultnet.Network, clients []*sdk) error {
	errs := make([]error, len(clients))
	turns := make(chan struct{}, signIns)
	var wg sync.WaitGroup
	for i := range clients {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			ctx, cancel := context.WithTimeout(ctx, openLimit)
			defer cancel()
			s := &sdk{}
			errs[i] = s.start(ctx, userName(i), chatsdk.Options{Server: "http://server:80", DialContext: n.Dialer(userName(i))})
			if errs[i] == nil {
				clients[i] = s
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func closeAll(clients []*sdk) error {
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, s := range clients {
		if s != nil {
			wg.Go(func() { errs[i] = s.close() })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// inUse is the memory in use after a collection, and the number of goroutines.
func inUse() (heap, stack, goroutines uint64) {
	runtime.GC()
	runtime.GC() // the first moves what pools hold to where the second finds it
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse, m.StackInuse, uint64(runtime.NumGoroutine())
}

// goroutinesByPackage says whose functions the goroutines run, for each client.
func goroutinesByPackage(clients int) map[string]float64 {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 2) // to memory: can't fail
	out := map[string]float64{}
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		out[outermost(stack)]++
	}
	for k, v := range out {
		out[k] = v / float64(clients)
		if out[k] < 0.1 {
			delete(out, k) // not one for each client
		}
	}
	return out
}

// outermost is the package of the function that a goroutine was started with.
func outermost(stack string) string {
	name := ""
	for line := range strings.Lines(stack) {
		switch {
		case strings.HasPrefix(line, "created by"):
			return packageOf(name)
		case strings.HasPrefix(line, "goroutine "), strings.HasPrefix(line, "\t"), strings.HasPrefix(line, "sync.(*WaitGroup).Go"):
		default:
			name = line
		}
	}
	return packageOf(name)
}

// packageOf takes the package's path from a function's.
func packageOf(function string) string {
	i := strings.LastIndexByte(strings.SplitN(function, "(", 2)[0], '/') + 1
	last, _, _ := strings.Cut(function[i:], ".")
	return function[:i] + last
}
