package tcpinfo_test

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lossChild marks the process in which TestRealLoss has a loopback of its own.
const lossChild = "CHATSDK_TEST_REAL_LOSS"

// TestRealLoss has a real kernel lose real packets: in a network namespace of its own it takes the loopback down
// under a connection. The counters must tell of it while the program sees nothing, and that it is over afterwards.
func TestRealLoss(t *testing.T) {
	if os.Getenv(lossChild) != "" {
		loseForReal(t)
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRealLoss$", "-test.v", "-test.timeout=1m")
	child.Env = append(os.Environ(), lossChild+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	if child.Process == nil {
		t.Skipf("this machine allows no user and network namespace: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestRealLoss") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func loseForReal(t *testing.T) {
	loopback(t, "up")
	client, server := tcpPair(t)
	r := reader(t, client)
	for range 10 { // so that the timeout is the shortest, of 200 ms
		echo(t, client, server, 100)
	}
	if s := reading(t, r); s.Retransmitted != 0 || s.Unacked != 0 {
		t.Fatalf("before the loss: %+v", s)
	}
	loopback(t, "down")
	_, err := client.Write([]byte("lost"))
	must(t, err)
	start := time.Now()
	for s := reading(t, r); s.Retransmitted < 2; s = reading(t, r) {
		if s.Unacked == 0 || time.Since(start) > 30*time.Second {
			t.Fatalf("while nothing passes: %+v", s)
		}
	}
	loopback(t, "up")
	_, err = io.ReadFull(server, make([]byte, 4))
	must(t, err)
	for s := reading(t, r); s.Unacked != 0; s = reading(t, r) {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("after it: %+v", s)
		}
	}
	t.Logf("after it: %+v", reading(t, r))
}

func loopback(t *testing.T, state string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ip", "link", "set", "lo", state).CombinedOutput(); err != nil {
		t.Fatalf("ip link set lo %s: %v\n%s", state, err, out)
	}
}
