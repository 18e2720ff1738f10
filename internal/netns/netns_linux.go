package netns

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inside names the test that a process is to run in its own network.
const inside = "CHATSDK_TEST_NETNS"

// Run runs the test that calls it once more, in a process with a user and a network namespace of its own, and f there. It
// returns what that process wrote, and fails with the test; there it returns nothing. Where such a network can't be had,
// for want of rights or of the program ip, the test is skipped and says why.
func Run(t *testing.T, f func(t *testing.T)) (out string) {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		f(t)
		return ""
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("%v: apt install iproute2", err)
	}
	if b, err := alone(exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up")).CombinedOutput(); err != nil {
		t.Skipf("this machine allows no user and network namespace: %v %s", err, b)
	}
	child := alone(exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=1m"))
	child.Env = append(os.Environ(), inside+"="+t.Name())
	b, err := child.CombinedOutput()
	out = string(b)
	if err != nil || !strings.Contains(out, "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// alone gives a command namespaces of its own, in which this user is who it is.
func alone(c *exec.Cmd) *exec.Cmd {
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	return c
}

// IP runs the program ip.
func IP(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", args, err, out)
	}
}
