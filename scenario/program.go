package scenario

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// maxProgramLine bounds one line of a program's output: a message's text with all its escapes is far shorter.
	maxProgramLine = 1 << 20
	// keptErrors is how many lines of stderr are kept to explain a failure.
	keptErrors = 20
)

// program is a child process. Its lines of stdout and stderr go to the functions it was started with.
type program struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	gone  chan struct{} // closed when the process has ended and all of its output was read
	exit  error         // what Wait said, when gone is closed

	mu     sync.Mutex // guards below
	errors []string   // the last lines of stderr
}

// startProgram starts argv. onOut and onErr get each line, each from a goroutine of its own, and may be nil. ctx kills
// the process when it ends.
func startProgram(ctx context.Context, argv []string, onOut func(line []byte), onErr func(line string)) (*program, error) {
	p := &program{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), gone: make(chan struct{})}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	var readers sync.WaitGroup
	readers.Go(func() {
		readLines(stdout, func(line []byte) {
			if onOut != nil {
				onOut(line)
			}
		})
	})
	readers.Go(func() {
		readLines(stderr, func(line []byte) {
			p.keep(string(line))
			if onErr != nil {
				onErr(string(line))
			}
		})
	})
	go func() { // gone tells that it has ended
		defer close(p.gone)
		readers.Wait()
		p.exit = p.cmd.Wait()
	}()
	return p, nil
}

// readLines hands over whole lines. What a killed process left of its last one is no line.
func readLines(r io.Reader, take func(line []byte)) {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := br.ReadBytes('\n')
		if err != nil || len(line) > maxProgramLine {
			_, _ = io.Copy(io.Discard, br) // so that the process never waits for a reader
			return
		}
		take(bytes.TrimSuffix(line, []byte("\n")))
	}
}

func (p *program) keep(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, line)
	if n := len(p.errors) - keptErrors; n > 0 {
		p.errors = p.errors[n:]
	}
}

// said is what the process last wrote to stderr.
func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.errors, "\n")
}

// write gives the process one JSON line.
func (p *program) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.stdin.Write(append(b, '\n'))
	return err
}

// kill ends the process without asking it (SIGKILL) and waits for its end.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// await waits for the process's own end; it is killed when that takes longer than limit.
func (p *program) await(limit time.Duration) error {
	select {
	case <-p.gone:
		return p.exit
	case <-time.After(limit):
		p.kill()
		return errors.New("it didn't end in time")
	}
}

// ending says how a process that is gone ended.
func (p *program) ending() string {
	if p.exit == nil {
		return "in order"
	}
	return p.exit.Error()
}

// talker is one client of real processes: a profile that outlives them, and the one that runs on it now. Its methods
// are for one goroutine; what the process says comes in on others.
type talker struct {
	name    string
	argv    []string
	history *History

	proc *program
	run  *Run

	mu      sync.Mutex          // guards below
	changed chan struct{}       // closed and replaced with each line
	offered []offer             // written to a process and not answered, in order
	open    map[string]struct{} // accepted and not yet shown to this client
	shown   map[string]struct{} // ids
	synced  bool
	waiting int // in its queue, by the last status; -1 until that is there
	wrong   []error
}

type offer struct{ id, text string }

func newTalker(name string, argv []string, h *History) *talker {
	return &talker{
		name: name, argv: argv, history: h, changed: make(chan struct{}),
		open: map[string]struct{}{}, shown: map[string]struct{}{},
	}
}

// start begins another run on the profile. again repeats what the last run left unanswered, with the same ids.
func (t *talker) start(ctx context.Context, again bool) error {
	run := t.history.StartRun(t.name, BeginProcessed)
	p, err := startProgram(ctx, t.argv, func(line []byte) { t.take(run, line) }, nil)
	if err != nil {
		return err
	}
	t.proc, t.run = p, run
	t.mu.Lock()
	left := t.offered
	t.synced = false
	if !again {
		t.offered = nil
	}
	t.mu.Unlock()
	if !again {
		return nil
	}
	for _, o := range left {
		if err := t.write(o); err != nil {
			return err
		}
	}
	return nil
}

// say offers the process another message.
func (t *talker) say(text string) error {
	o := offer{uuid.NewString(), text}
	t.mu.Lock()
	t.offered = append(t.offered, o)
	t.mu.Unlock()
	t.run.Offered(Channel, o.id, o.text)
	return t.write(o)
}

func (t *talker) write(o offer) error {
	return t.proc.write(map[string]string{"op": "send", "channel": Channel, "id": o.id, "text": o.text})
}

// kill ends the run without asking.
func (t *talker) kill() {
	t.proc.kill()
	t.run.Stopped(false)
}

// quit ends the run in order.
func (t *talker) quit() error {
	err := t.proc.write(map[string]string{"op": "quit"})
	err = errors.Join(err, t.proc.await(quitLimit))
	t.run.Stopped(err == nil)
	if err != nil {
		return fmt.Errorf("%s: quit: %w; it said\n%s", t.name, err, t.proc.said())
	}
	return nil
}

// take records one line of a run's output and learns from it.
func (t *talker) take(run *Run, line []byte) {
	var l chatLine
	err := errors.Join(run.Line(time.Now(), line), json.Unmarshal(line, &l))
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil:
		t.wrong = append(t.wrong, err)
	case l.Event == "queued":
		if l.Durable == nil || !*l.Durable {
			t.wrong = append(t.wrong, fmt.Errorf("%s: message %s is queued, but not durably", t.name, l.ID))
		}
		t.answeredLocked(l.ID)
	case l.Event == "message":
		t.shown[l.ID] = struct{}{}
		delete(t.open, l.ID)
	case l.Event == "synced":
		t.synced = true
	case l.Event == "status":
		var status struct {
			Queue struct{ Queued, Sending int }
		}
		err := json.Unmarshal(line, &status)
		t.waiting = status.Queue.Queued + status.Queue.Sending
		if err != nil {
			t.wrong = append(t.wrong, err)
		}
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *talker) answeredLocked(id string) {
	for i, o := range t.offered {
		if o.id == id {
			t.offered = append(t.offered[:i:i], t.offered[i+1:]...)
			break
		}
	}
	if _, ok := t.shown[id]; !ok {
		t.open[id] = struct{}{}
	}
}

// await waits until ok says so of the talker, under its lock.
func (t *talker) await(ctx context.Context, ok func() bool) error {
	for {
		t.mu.Lock()
		done, changed := ok(), t.changed
		t.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-t.proc.gone:
			return fmt.Errorf("%s ended: %s; it said\n%s", t.name, t.proc.ending(), t.proc.said())
		case <-ctx.Done():
			t.mu.Lock()
			defer t.mu.Unlock()
			return fmt.Errorf("%s: %w with %d offers unanswered and %d accepted messages not shown; it said\n%s",
				t.name, ctx.Err(), len(t.offered), len(t.open), t.proc.said())
		}
	}
}

// emptied waits until nothing is left in the client's queue, what nobody heard of included.
func (t *talker) emptied(ctx context.Context) error {
	for {
		t.mu.Lock()
		t.waiting = -1
		t.mu.Unlock()
		if err := t.proc.write(map[string]string{"op": "status"}); err != nil {
			return fmt.Errorf("%s: status: %w; it said\n%s", t.name, err, t.proc.said())
		}
		left := 0
		if err := t.await(ctx, func() bool { left = t.waiting; return left >= 0 }); err != nil || left == 0 {
			return err
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// problems returns what was wrong with the lines.
func (t *talker) problems() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.wrong...)
}
