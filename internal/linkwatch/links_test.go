package linkwatch_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/chatsdk/chatsdk/internal/linkwatch"
)

func TestJudge(t *testing.T) {
	loopback := card("lo", "127.0.0.1", "::1", "192.0.2.200") // some machines keep a public address there
	loopback.Flags |= net.FlagLoopback
	unplugged := card("eth0", "192.0.2.5")
	unplugged.Flags = net.FlagUp
	disabled := card("eth0", "192.0.2.5")
	disabled.Flags = net.FlagRunning
	for _, test := range []struct {
		name  string
		links linkwatch.Links
		up    bool
	}{
		{"nothing", online(), false},
		{"loopback only", online(loopback), false},
		{"no address", online(card("eth0")), false},
		{"link-local addresses only", online(card("eth0", "169.254.7.7", "fe80::1%eth0")), false},
		{"multicast and unspecified", online(card("eth0", "224.0.0.1", "0.0.0.0", "ff02::1", "::")), false},
		{"cable out", online(unplugged), false},
		{"switched off", online(disabled), false},
		{"containers only", online(card("docker0", "172.17.0.1"), card("br-2f3a", "172.18.0.1"), card("veth12", "10.0.0.1")), false},
		{"a private address", online(loopback, card("wlan0", "192.168.1.5")), true},
		{"an address of IPv6", online(card("wlan0", "2001:db8::5")), true},
		{"a unique local one", online(card("wlan0", "fd00::5")), true},
		{"a tunnel alone", online(card("tun0", "10.8.0.2")), false},
		{"a tunnel with the default route", linkwatch.Links{
			Interfaces: []linkwatch.Interface{card("tun0", "10.8.0.2")}, Sources: []netip.Addr{netip.MustParseAddr("10.8.0.2")},
		}, true},
		{"a default route that outlived its cable", linkwatch.Links{
			Interfaces: []linkwatch.Interface{unplugged}, Sources: []netip.Addr{netip.MustParseAddr("192.0.2.5")},
		}, false},
		{"a default route by the other cable", linkwatch.Links{
			Interfaces: []linkwatch.Interface{unplugged, card("eth1", "192.0.2.6")}, Sources: []netip.Addr{netip.MustParseAddr("192.0.2.6")},
		}, true},
		{"a route to nowhere", linkwatch.Links{Sources: []netip.Addr{netip.MustParseAddr("127.0.0.1"), {}}}, false},
	} {
		if up, path := linkwatch.Judge(test.links); up != test.up || up != (path != "") {
			t.Errorf("%s: up %v by %q", test.name, up, path)
		}
	}
}

func TestWhatCountsAsAChange(t *testing.T) {
	from := func(l linkwatch.Links, sources ...string) linkwatch.Links {
		for _, s := range sources {
			l.Sources = append(l.Sources, netip.MustParseAddr(s))
		}
		return l
	}
	for _, test := range []struct {
		name        string
		was, is     linkwatch.Links
		wantChanged bool
	}{
		{
			"another order", online(card("a0", "192.0.2.1"), card("b0", "192.0.2.2", "192.0.2.3")),
			online(card("b0", "192.0.2.3", "192.0.2.2"), card("a0", "192.0.2.1")), false,
		},
		{"the same in two spellings", online(card("a0", "192.0.2.1")), online(card("a0", "::ffff:192.0.2.1")), false},
		{"a container starts", online(card("a0", "192.0.2.1")), online(card("a0", "192.0.2.1"), card("veth7", "10.1.0.1"),
			card("docker0", "172.17.0.1"), card("virbr0", "192.168.122.1"), card("cni0", "10.2.0.1")), false},
		{"another temporary address of IPv6", online(card("a0", "2001:db8::1")), online(card("a0", "2001:db8::2", "2001:db8::1")), false},
		{"another network of IPv6", online(card("a0", "2001:db8::1")), online(card("a0", "2001:db8:0:1::1")), true},
		{"another address", online(card("a0", "192.0.2.1")), online(card("a0", "192.0.2.2")), true},
		{"one more", online(card("a0", "192.0.2.1")), online(card("a0", "192.0.2.1"), card("b0", "192.0.2.2")), true},
		{"the same on another interface", online(card("a0", "192.0.2.1")), online(card("b0", "192.0.2.1")), true},
		{"a tunnel beside", online(card("a0", "192.0.2.1")), online(card("a0", "192.0.2.1"), card("wg0", "10.8.0.2")), false},
		{
			"a tunnel for all", from(online(card("a0", "192.0.2.1")), "192.0.2.1"),
			from(online(card("a0", "192.0.2.1"), card("wg0", "10.8.0.2")), "10.8.0.2"), true,
		},
		{
			"the default route to the other interface", from(online(card("a0", "192.0.2.1"), card("b0", "192.0.2.2")), "192.0.2.1"),
			from(online(card("a0", "192.0.2.1"), card("b0", "192.0.2.2")), "192.0.2.2"), true,
		},
		{"no default route", from(online(card("a0", "192.0.2.1")), "192.0.2.1"), online(card("a0", "192.0.2.1")), true},
	} {
		_, was := linkwatch.Judge(test.was)
		_, is := linkwatch.Judge(test.is)
		if changed := was != is; changed != test.wantChanged {
			t.Errorf("%s: changed %v\n%s\nto\n%s", test.name, changed, was, is)
		}
	}
}

// TestLookAtThisMachine: whatever it has, looking twice finds the same loopback and no error.
func TestLookAtThisMachine(t *testing.T) {
	links, err := linkwatch.LookAtSystem()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range links.Interfaces {
		if i.Flags&net.FlagLoopback != 0 && len(i.Addrs) > 0 && i.Addrs[0].IsLoopback() {
			return
		}
	}
	t.Errorf("no loopback with its address among %+v", links.Interfaces)
}

func BenchmarkLook(b *testing.B) {
	for b.Loop() {
		if _, err := linkwatch.LookAtSystem(); err != nil {
			b.Fatal(err)
		}
	}
}
