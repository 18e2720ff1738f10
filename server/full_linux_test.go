package server_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/wire"
	"github.com/chatsdk/chatsdk/server/sqlite"
)

// fullDiskChild marks the process that TestFullDisk runs itself in.
const fullDiskChild = "CHATSDK_TEST_FULL_DISK"

// TestFullDisk has the kernel refuse to make the database's files longer, in a process of its own, and then gives the
// room back. A small file system would be the same to SQLite (a write that fails) but needs privileges to mount.
func TestFullDisk(t *testing.T) {
	if os.Getenv(fullDiskChild) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v", "-test.timeout=1m")
		cmd.Env = append(os.Environ(), fullDiskChild+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "the disk was full") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // or the process would end instead of seeing EFBIG
	dir := t.TempDir()
	bubble.Run(t, func(t *testing.T) { fillDisk(t, dir) })
}

func limitFiles(t *testing.T, bytes uint64) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
	l.Cur = min(bytes, l.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
}

func fillDisk(t *testing.T, dir string) {
	db, err := sqlite.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	h := open(t, db, nil)
	h.populate()
	if err := h.s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.s.Kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
	}()
	in := h.login("alice", "phone")
	h.expect("", "GET", "/readyz", "", nil)
	limitFiles(t, 1<<20)
	batch := func(n int) wire.BatchRequest { // two messages that only come together
		first, second := to("general", 2*n+1, uint64(2*n+1)), to("general", 2*n+2, uint64(2*n+2))
		first.Text, second.Text = strings.Repeat("x", 16000), strings.Repeat("y", 16000)
		return wire.BatchRequest{Messages: []wire.BatchEntry{first, second}}
	}
	n := 0
	var a answer
	for ; n < 200; n++ {
		if a = h.call("POST", "/api/messages", in.Token, batch(n)); a.status != http.StatusOK {
			break
		}
	}
	if n == 0 || a.status != 503 || a.problem.Code != wire.CodeUnavailable || a.header.Get("Retry-After") != "2" {
		t.Fatalf("after %d batches: %d %s", n, a.status, a.body)
	}
	limitFiles(t, 1)            // what is left may hold a page, which is all that readiness writes
	time.Sleep(2 * time.Second) // readiness is looked at once a second
	h.expect(wire.CodeUnavailable, "GET", "/readyz", "", nil)
	h.expect(wire.CodeUnavailable, "POST", general, in.Token, text(999))
	h.expect(wire.CodeUnavailable, "POST", "/api/auth/refresh", "", wire.RefreshRequest{RefreshToken: in.RefreshToken})
	h.expect("", "GET", "/healthz", "", nil)
	h.holds(in.Token, 2*n)
	limitFiles(t, 1<<62)
	time.Sleep(2 * time.Second)
	h.expect("", "GET", "/readyz", "", nil)
	in = h.refresh(in.RefreshToken)
	var out wire.BatchReply
	h.expect("", "POST", "/api/messages", in.Token, batch(n)).into(t, &out)
	if got, want := summary(out.Results), fmt.Sprint(2*n+1, " ", 2*n+2); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	h.holds(in.Token, 2*n+2)
	t.Log("the disk was full")
}

// holds reads the channel and wants n messages, whole and in order.
func (h *house) holds(token string, n int) {
	h.t.Helper()
	seq := uint64(0)
	for {
		var page wire.HistoryReply
		h.expect("", "GET", fmt.Sprint(general, "?after=", seq), token, nil).into(h.t, &page)
		for _, m := range page.Messages {
			if seq++; m.Seq != seq || m.ID != id(int(seq)) || len(m.Text) != 16000 {
				h.t.Fatalf("message %d is %d %s with %d bytes", seq, m.Seq, m.ID, len(m.Text))
			}
		}
		if page.Last != uint64(n) {
			h.t.Fatalf("the channel holds %d messages, want %d", page.Last, n)
		}
		if seq == page.Last {
			return
		}
	}
}
