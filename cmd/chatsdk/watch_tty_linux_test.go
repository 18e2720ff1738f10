package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tty is a pseudo-terminal with a program on it.
type tty struct {
	t     *testing.T
	ctrl  *os.File // what a terminal emulator has
	slave *os.File // what the program has
	cmd   *exec.Cmd
	gone  chan error

	mu    sync.Mutex // guards below
	wrote bytes.Buffer
	more  chan struct{} // one value: there is more
}

// startOnTTY runs chatsdk on a terminal of 80 by 24.
func startOnTTY(t *testing.T, env []string, args ...string) *tty {
	t.Helper()
	ctrl, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals: ", err)
	}
	fd := int(ctrl.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &tty{t: t, ctrl: ctrl, slave: slave, gone: make(chan error, 1), more: make(chan struct{}, 1)}
	p.resize(80, 24)
	p.cmd = exec.Command("chatsdk", args...)
	p.cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "NO_COLOR="), env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := ctrl.Read(b)
			p.mu.Lock()
			p.wrote.Write(b[:n])
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	go func() { p.gone <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = slave.Close()
		<-read
		_ = ctrl.Close()
	})
	return p
}

func (p *tty) resize(width, height uint16) {
	if err := unix.IoctlSetWinsize(int(p.ctrl.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tty) modes() *unix.Termios {
	m, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// text is what was written since from.
func (p *tty) text(from int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrote.String()[from:]
}

// expect waits until a text was written after from, and returns the place behind it.
func (p *tty) expect(from int, want string) int {
	p.t.Helper()
	late := time.After(patience)
	for {
		text := p.text(from)
		if i := strings.Index(text, want); i >= 0 {
			return from + i + len(want)
		}
		select {
		case <-p.more:
		case <-late:
			p.t.Fatalf("%q wasn't written; this was: %q", want, text)
		}
	}
}

func (p *tty) ends(code int) {
	p.t.Helper()
	select {
	case err := <-p.gone:
		if p.cmd.ProcessState.ExitCode() != code {
			p.t.Errorf("ended with %v, wanted %d; it wrote %q", err, code, p.text(0))
		}
	case <-time.After(patience):
		p.t.Fatalf("it didn't end; it wrote %q", p.text(0))
	}
}

const (
	enterScreen = "\x1b[?1049h"
	leaveScreen = "\x1b[?1049l"
	showCursor  = "\x1b[?25h"
)

// watchNobody watches a server that isn't there.
func watchNobody(t *testing.T) []string {
	password := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(password, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"watch", "--server", "http://127.0.0.1:1", "--user", "ada", "--password-file", password}
}

// TestWatchLeavesTheTerminalAsItWas ends it in each way.
func TestWatchLeavesTheTerminalAsItWas(t *testing.T) {
	args := watchNobody(t)
	for name, c := range map[string]struct {
		end  func(*tty)
		code int
	}{
		"q":       {func(p *tty) { _, _ = p.ctrl.WriteString("q") }, exitOK},
		"Ctrl-C":  {func(p *tty) { _, _ = p.ctrl.WriteString("\x03") }, exitSignal + int(syscall.SIGINT)},
		"SIGTERM": {func(p *tty) { _ = p.cmd.Process.Signal(syscall.SIGTERM) }, exitSignal + int(syscall.SIGTERM)},
	} {
		t.Run(name, func(t *testing.T) {
			p := startOnTTY(t, nil, args...)
			before := p.modes()
			at := p.expect(0, enterScreen)
			at = p.expect(at, "ada at http://127.0.0.1:1")
			at = p.expect(at, "Unknown")
			at = p.expect(at, "server-down")
			if raw := p.modes(); reflect.DeepEqual(raw, before) {
				t.Error("the terminal isn't raw: keys come with the line")
			}
			c.end(p)
			p.ends(c.code)
			at = p.expect(at, leaveScreen)
			p.expect(at, showCursor)
			if after := p.modes(); !reflect.DeepEqual(after, before) {
				t.Errorf("modes were %+v, are %+v", before, after)
			}
		})
	}
}

// TestWatchFollowsTheSize makes the terminal narrower, where the connection's line no longer fits.
func TestWatchFollowsTheSize(t *testing.T) {
	p := startOnTTY(t, nil, watchNobody(t)...)
	at := p.expect(0, "Reach")
	p.resize(30, 24)
	p.expect(at, "…")
	_, _ = p.ctrl.WriteString("q")
	p.ends(exitOK)
}

// TestWatchColours are there on a terminal, and not where nobody wants them.
func TestWatchColours(t *testing.T) {
	args := watchNobody(t)
	for name, c := range map[string]struct {
		env    []string
		colour bool
		panel  bool
	}{
		"terminal":  {nil, true, true},
		"NO_COLOR":  {[]string{"NO_COLOR=1"}, false, true},
		"TERM=dumb": {[]string{"TERM=dumb"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := startOnTTY(t, c.env, args...)
			p.expect(0, "server-down")
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			p.ends(exitSignal + int(syscall.SIGTERM))
			text := p.text(0)
			if got := strings.Contains(text, enterScreen); got != c.panel {
				t.Errorf("panel: %v, wanted %v: %q", got, c.panel, text)
			}
			if got := strings.Contains(text, "\x1b[1;90m") || strings.Contains(text, "\x1b[2m"); got != c.colour {
				t.Errorf("colours: %v, wanted %v: %q", got, c.colour, text)
			}
			if !c.panel && strings.Contains(text, "\x1b") {
				t.Errorf("a dumb terminal got %q", text)
			}
		})
	}
}
