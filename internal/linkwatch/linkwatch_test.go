package linkwatch_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatsdk/chatsdk/internal/bubble"
	"github.com/chatsdk/chatsdk/internal/linkwatch"
)

const running = net.FlagUp | net.FlagRunning

// card is an interface that is up, with addresses.
func card(name string, addrs ...string) linkwatch.Interface {
	i := linkwatch.Interface{Name: name, Flags: running}
	for _, a := range addrs {
		i.Addrs = append(i.Addrs, netip.MustParseAddr(a))
	}
	return i
}

func online(interfaces ...linkwatch.Interface) linkwatch.Links {
	return linkwatch.Links{Interfaces: interfaces}
}

// machine is a system whose links a test changes.
type machine struct {
	mu     sync.Mutex
	links  linkwatch.Links // guarded by mu
	err    error           // guarded by mu
	looks  int             // guarded by mu
	notice func()          // guarded by mu; nil while nobody listens
	deaf   bool            // Listen is forbidden
	fail   chan error      // what Listen returns
}

func (m *machine) look() (linkwatch.Links, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks++
	return m.links, m.err
}

func (m *machine) listen(ctx context.Context, notice func()) error {
	if m.deaf {
		return errors.ErrUnsupported
	}
	m.mu.Lock()
	m.notice = notice
	m.mu.Unlock()
	notice()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-m.fail:
		return err
	}
}

// set changes the links; tell says whether the system says so.
func (m *machine) set(links linkwatch.Links, err error, tell bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.links, m.err = links, err
	if tell {
		m.notice()
	}
}

// seen is an event and when it came.
type seen struct {
	at time.Duration
	linkwatch.Event
}

// watch runs Watch until f returns, and gives the events.
func watch(t *testing.T, m *machine, f func()) []seen {
	t.Helper()
	m.fail = make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	start := time.Now()
	var events []seen
	done := make(chan error, 1)
	go func() {
		options := linkwatch.Options{Look: m.look, Listen: m.listen}
		done <- linkwatch.Watch(ctx, options, func(e linkwatch.Event) {
			events = append(events, seen{time.Since(start), e})
		})
	}()
	synctest.Wait()
	f()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch returned %v", err)
	}
	return events
}

func wantEvents(t *testing.T, got []seen, want ...seen) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("events %+v, want %+v", got, want)
	}
}

func event(at time.Duration, up, changed bool) seen {
	return seen{at, linkwatch.Event{Up: up, Changed: changed}}
}

const settle = 200 * time.Millisecond

func TestPresentStateComesFirstThenEachChange(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := &machine{links: online(card("wlan0", "192.0.2.5"))}
		got := watch(t, m, func() {
			time.Sleep(time.Hour)
			m.set(online(), nil, true)
			time.Sleep(time.Hour)
			m.set(online(card("eth0", "198.51.100.7")), nil, true)
			time.Sleep(time.Hour)
		})
		wantEvents(t, got, event(0, true, false), event(time.Hour+settle, false, true), event(2*time.Hour+settle, true, true))
		if m.looks != 4 { // the first, once it listens, and one for each word
			t.Errorf("%d looks", m.looks)
		}
	})
}

func TestABurstIsOneEvent(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		home, train := online(card("wlan0", "192.0.2.5")), online(card("wlan0", "198.51.100.7"))
		m := &machine{links: home}
		got := watch(t, m, func() {
			time.Sleep(time.Minute)
			for range 19 { // down, and up with another address, while the words keep coming
				m.set(online(), nil, true)
				time.Sleep(settle / 20)
			}
			m.set(train, nil, true)
			time.Sleep(time.Minute)
			m.set(online(), nil, true) // a loose contact: as it was when looked at
			time.Sleep(settle / 2)
			m.set(train, nil, true)
			time.Sleep(time.Minute)
			for range 1000 { // words about nothing
				m.set(train, nil, true)
			}
			time.Sleep(time.Minute)
		})
		wantEvents(t, got, event(0, true, false), event(time.Minute+settle, true, true))
		if m.looks != 5 {
			t.Errorf("%d looks", m.looks)
		}
	})
}

// TestWordsWithoutEndDelayNothing: the look comes after the first word, not after the last.
func TestWordsWithoutEndDelayNothing(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := &machine{links: online(card("wlan0", "192.0.2.5"))}
		got := watch(t, m, func() {
			time.Sleep(time.Minute)
			for range 100 {
				m.set(online(), nil, true)
				time.Sleep(settle / 4)
			}
		})
		wantEvents(t, got, event(0, true, false), event(time.Minute+settle, false, true))
	})
}

func TestWhereTheSystemSaysNothingItLooks(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := &machine{links: online(card("wlan0", "192.0.2.5")), deaf: true}
		got := watch(t, m, func() {
			time.Sleep(9 * time.Second)
			m.set(online(card("wlan0", "192.0.2.6")), nil, false)
			time.Sleep(2 * time.Second)
			m.set(online(), nil, false)
			time.Sleep(time.Hour)
		})
		wantEvents(t, got, event(0, true, false), event(10*time.Second, true, true), event(12*time.Second, false, true))
	})
}

// TestWhenTheSystemFallsSilentItLooks: also for what changed while nobody told.
func TestWhenTheSystemFallsSilentItLooks(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := &machine{links: online(card("wlan0", "192.0.2.5"))}
		got := watch(t, m, func() {
			time.Sleep(time.Minute)
			m.set(online(), nil, false)
			time.Sleep(time.Minute)
			m.fail <- errors.New("the socket broke")
			synctest.Wait()
			m.set(online(card("wlan0", "192.0.2.5")), nil, false)
			time.Sleep(time.Minute)
		})
		wantEvents(t, got, event(0, true, false), event(2*time.Minute, false, true), event(2*time.Minute+2*time.Second, true, true))
	})
}

// TestWhatCantBeFoundOutHoldsNobodyUp: no permission to look is no outage, and knowing at last is no change.
func TestWhatCantBeFoundOutHoldsNobodyUp(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := &machine{err: errors.New("forbidden")}
		got := watch(t, m, func() {
			time.Sleep(time.Minute)
			m.set(online(card("wlan0", "192.0.2.5")), nil, true)
			time.Sleep(time.Minute)
			m.set(online(), errors.New("forbidden again"), true)
			time.Sleep(time.Minute)
			m.set(online(), nil, true)
			time.Sleep(time.Minute)
		})
		wantEvents(t, got, event(0, true, false), event(3*time.Minute+settle, false, true))
		m = &machine{err: errors.New("forbidden")}
		got = watch(t, m, func() {
			m.set(online(), nil, true)
			time.Sleep(time.Minute)
		})
		wantEvents(t, got, event(0, true, false), event(settle, false, false))
	})
}

func TestTheEndIsAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		m := &machine{links: online(card("wlan0", "192.0.2.5"))}
		got := watch(t, m, func() {
			time.Sleep(time.Minute)
			m.set(online(), nil, true)
			time.Sleep(settle / 2)
		})
		wantEvents(t, got, event(0, true, false)) // the bubble shows that nothing waits any more
	})
}
