package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds each wait of a script. Only a failing script ever waits that long.
const patience = 30 * time.Second

type programsKey struct{}

// program is chatsdk running beside a script, which reads what it writes line by line.
type program struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   io.Closer      // our end of stdout
	lines chan wroteLine // of stdout and stderr; closed when both have ended
	seen  []wroteLine    // lines that expect has read
	taken [2]int         // for each stream, the place in seen up to which expect has matched
	exit  error
	gone  chan struct{} // closed when exit is known
}

// wroteLine is a line of one of the two streams. Which of two lines of different streams comes first is left to chance.
type wroteLine struct {
	stream int // 0: stdout, 1: stderr
	text   string
}

// wrote is what was read so far, for a message.
func (p *program) wrote() string {
	var b strings.Builder
	for _, l := range p.seen {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}

func programs(ts *testscript.TestScript) map[string]*program {
	return ts.Value(programsKey{}).(map[string]*program)
}

func named(ts *testscript.TestScript, args []string, want int) *program {
	if len(args) < want {
		ts.Fatalf("too few arguments")
	}
	p := programs(ts)[args[0]]
	if p == nil {
		ts.Fatalf("no program %s was started", args[0])
	}
	return p
}

// cmdStart: start NAME ARG... runs chatsdk with the arguments in the background.
func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 || programs(ts)[args[0]] != nil {
		ts.Fatalf("usage: start NEWNAME ARG...")
	}
	p := &program{cmd: exec.Command("chatsdk", args[1:]...), lines: make(chan wroteLine, 10_000), gone: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	if roots := ts.Getenv("SSL_CERT_FILE"); roots != "" {
		p.cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+roots)
	}
	stdin, err := p.cmd.StdinPipe()
	ts.Check(err)
	stdout, err := p.cmd.StdoutPipe()
	ts.Check(err)
	stderr, err := p.cmd.StderrPipe()
	ts.Check(err)
	p.stdin, p.out = stdin, stdout
	ts.Check(p.cmd.Start())
	var readers sync.WaitGroup
	for stream, r := range []io.Reader{stdout, stderr} {
		readers.Go(func() {
			s := bufio.NewScanner(r)
			s.Buffer(nil, 1<<20)
			for s.Scan() {
				p.lines <- wroteLine{stream, s.Text()}
			}
		})
	}
	go func() {
		readers.Wait()
		close(p.lines)
		p.exit = p.cmd.Wait()
		close(p.gone)
	}()
	ts.Defer(func() {
		_ = p.cmd.Process.Kill()
		<-p.gone
	})
	programs(ts)[args[0]] = p
}

// cmdExpect: expect NAME REGEXP [VAR] reads lines until one matches and puts the first group into the variable. Lines
// of one stream are matched in their order, each once; the two streams don't wait for each other. With "!" it reads to
// the end of the output, where none may match.
func cmdExpect(ts *testscript.TestScript, neg bool, args []string) {
	p := named(ts, args, 2)
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	late := time.After(patience)
	for at := min(p.taken[0], p.taken[1]); ; at++ {
		if at == len(p.seen) {
			select {
			case l, ok := <-p.lines:
				if !ok && neg {
					return
				}
				if !ok {
					ts.Fatalf("%s ended without %s; it wrote\n%s", args[0], re, p.wrote())
				}
				p.seen = append(p.seen, l)
			case <-late:
				ts.Fatalf("%s didn't write %s in time; it wrote\n%s", args[0], re, p.wrote())
			}
		}
		l := p.seen[at]
		m := re.FindStringSubmatch(l.text)
		if m == nil || at < p.taken[l.stream] {
			continue
		}
		if neg {
			ts.Fatalf("%s wrote %s", args[0], l.text)
		}
		p.taken[l.stream] = at + 1
		if len(args) > 2 {
			ts.Setenv(args[2], m[1])
		}
		return
	}
}

// cmdType: type NAME LINE... writes lines to the program's stdin.
func cmdType(ts *testscript.TestScript, _ bool, args []string) {
	p := named(ts, args, 2)
	for _, line := range args[1:] {
		_, err := io.WriteString(p.stdin, line+"\n")
		ts.Check(err)
	}
}

// cmdHangup: hangup NAME closes the program's stdin.
func cmdHangup(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(named(ts, args, 1).stdin.Close())
}

// cmdDeafen: deafen NAME closes our end of the program's stdout.
func cmdDeafen(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(named(ts, args, 1).out.Close())
}

// cmdSignal: signal NAME TERM|INT|KILL.
func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	s := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt, "KILL": os.Kill}[args[1]]
	ts.Check(named(ts, args, 2).cmd.Process.Signal(s))
}

// cmdExits: exits NAME CODE waits for the program's end.
func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	p := named(ts, args, 2)
	select {
	case <-p.gone:
	case <-time.After(patience):
		ts.Fatalf("%s didn't end in time", args[0])
	}
	checkCode(ts, args[1], p.exit, p.wrote())
}

// cmdExitCode: exitcode CODE ARG... runs chatsdk to its end. Its output is that of an exec, and it has no input.
func cmdExitCode(ts *testscript.TestScript, _ bool, args []string) {
	program, rest := "chatsdk", args[1:]
	if rest[0] == "hopeless" { // another program of TestMain
		program, rest = rest[0], rest[1:]
	}
	err := ts.Exec(program, rest...)
	checkCode(ts, args[0], err, "")
}

// cmdUntil: until REGEXP ARG... runs chatsdk again and again until its output matches.
func cmdUntil(ts *testscript.TestScript, _ bool, args []string) {
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	for late := time.Now().Add(patience); ; {
		ts.Check(ts.Exec("chatsdk", args[1:]...))
		if out := ts.ReadFile("stdout"); re.MatchString(out) {
			return
		} else if time.Now().After(late) {
			ts.Fatalf("chatsdk %s didn't write %s in time, but\n%s", strings.Join(args[1:], " "), re, out)
		}
	}
}

func checkCode(ts *testscript.TestScript, want string, err error, wrote string) {
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != want {
		ts.Fatalf("exit code %d, wanted %s; it wrote\n%s", code, want, wrote)
	}
}

// cmdLines: lines FILE N checks the number of lines.
func cmdLines(ts *testscript.TestScript, _ bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	if n := bytes.Count(text, []byte("\n")); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%s has %d lines, wanted %s:\n%s", args[0], n, args[1], text)
	}
}

// cmdControl: control METHOD URL BODY makes one request, which has to succeed, or with ! to be refused.
func cmdControl(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: control METHOD URL BODY")
	}
	r, err := http.NewRequest(args[0], args[1], strings.NewReader(args[2]))
	ts.Check(err)
	res, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer res.Body.Close()
	if (res.StatusCode == http.StatusOK) == neg {
		ts.Fatalf("answered %s", res.Status)
	}
}

// cmdRandom: random FILE N writes N random bytes into a file.
func cmdRandom(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// cmdTruncate: truncate FILE N cuts N bytes off a file's end.
func cmdTruncate(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()-n))
}
