package linkwatch_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chatsdk/chatsdk/internal/linkwatch"
	"github.com/chatsdk/chatsdk/internal/netns"
)

// TestRealLinks lets a real kernel tell of real interfaces, in a network namespace where nobody else is: with what the
// kernel says, and by looking alone.
func TestRealLinks(t *testing.T) {
	out := netns.Run(t, func(t *testing.T) {
		t.Run("told", func(t *testing.T) { changeRealLinks(t, linkwatch.Options{Interval: time.Hour}) })
		t.Run("looking", func(t *testing.T) {
			deaf := func(context.Context, func()) error { return os.ErrPermission }
			changeRealLinks(t, linkwatch.Options{Interval: 10 * time.Millisecond, Listen: deaf})
		})
	})
	if out != "" && !strings.Contains(out, "--- PASS: TestRealLinks/told") {
		t.Fatal(out)
	}
}

// TestDroppedWordsMayHaveBeenAChange: the kernel says ENOBUFS when a burst was longer than the socket's buffer.
func TestDroppedWordsMayHaveBeenAChange(t *testing.T) {
	broken := os.NewSyscallError("recvfrom", syscall.EBADF)
	answers := []struct {
		told bool
		err  error
	}{{false, nil}, {false, os.NewSyscallError("recvfrom", syscall.ENOBUFS)}, {true, nil}, {false, nil}, {false, broken}}
	at, notices := 0, []int{}
	err := linkwatch.Hear(t.Context(), func() (bool, error) {
		at++
		return answers[at-1].told, answers[at-1].err
	}, func() { notices = append(notices, at) })
	if !errors.Is(err, broken) || !slices.Equal(notices, []int{2, 3}) {
		t.Errorf("notices after answers %v, then %v", notices, err)
	}
}

// TestListenSaysWhenItListens: what changed between the first look and then would never be seen otherwise.
func TestListenSaysWhenItListens(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	listening, done := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		done <- linkwatch.Listen(ctx, func() {
			select {
			case listening <- struct{}{}:
			default:
			}
		})
	}()
	select {
	case <-listening:
	case err := <-done:
		t.Skipf("this machine allows no netlink: %v", err)
	case <-ctx.Done():
		t.Fatal("it listens, and says nothing")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen returned %v", err)
	}
}

func changeRealLinks(t *testing.T, options linkwatch.Options) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events, done := make(chan linkwatch.Event, 10), make(chan error, 1)
	go func() {
		done <- linkwatch.Watch(ctx, options, func(e linkwatch.Event) { events <- e })
	}()
	until := func(what string, up bool) { // the kernel takes a moment, so that what lies between may be seen, too
		t.Helper()
		for {
			select {
			case e := <-events:
				if !e.Changed {
					t.Fatalf("%s: %+v", what, e)
				}
				if e.Up == up {
					return
				}
			case <-ctx.Done():
				t.Fatalf("%s: no event", what)
			}
		}
	}
	if e := <-events; e != (linkwatch.Event{}) {
		t.Fatalf("a namespace with nothing but a loopback: %+v", e)
	}
	netns.IP(t, "link add docker0 type veth peer name veth0")
	netns.IP(t, "link set docker0 up")
	netns.IP(t, "link set veth0 up")
	netns.IP(t, "addr add 172.17.0.1/16 dev docker0")
	if links, err := linkwatch.LookAtSystem(); err != nil {
		t.Fatal(err)
	} else if up, path := linkwatch.Judge(links); up {
		t.Errorf("a container is a way out: %q", path)
	}
	netns.IP(t, "link add up0 type veth peer name up1")
	netns.IP(t, "link set up0 up")
	netns.IP(t, "link set up1 up")
	netns.IP(t, "addr add 192.0.2.5/24 dev up0")
	until("an address", true)
	netns.IP(t, "route add default via 192.0.2.1")
	netns.IP(t, "addr add 198.51.100.5/24 dev up1")
	until("another address", true)
	netns.IP(t, "link set up1 down") // takes the carrier of the other end along
	until("the cable is out", false)
	netns.IP(t, "link del up0")
	netns.IP(t, "link del docker0")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch returned %v", err)
	}
	select {
	case e := <-events:
		t.Errorf("one event more: %+v", e)
	default:
	}
}
