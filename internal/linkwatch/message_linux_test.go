package linkwatch_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"syscall"
	"testing"

	"github.com/chatsdk/chatsdk/internal/linkwatch"
	"golang.org/x/sys/unix"
)

// message is one of netlink's: header, body, padding.
func message(kind uint16, body ...[]byte) []byte {
	all := slices.Concat(body...)
	b := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(all))
	binary.NativeEndian.PutUint32(b, uint32(unix.SizeofNlMsghdr+len(all)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	return pad(append(b, all...))
}

func attribute(kind uint16, value string) []byte {
	b := make([]byte, unix.SizeofRtAttr)
	binary.NativeEndian.PutUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	return pad(append(b, value...))
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func link(flags uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[8:], flags)
	return b
}

func address(family, scope byte) []byte { return []byte{family, 24, 0, scope, 7, 0, 0, 0} }

func route(bits byte) []byte { return []byte{unix.AF_INET, bits, 0, 0, 254, 2, 0, 1, 0, 0, 0, 0} }

func TestWhichMessagesTellOfAChange(t *testing.T) {
	mtu, eth, docker := attribute(unix.IFLA_MTU, "\xdc\x05\x00\x00"), attribute(unix.IFLA_IFNAME, "eth0\x00"), attribute(unix.IFLA_IFNAME, "docker0\x00")
	ifaLocal := attribute(unix.IFA_LOCAL, "\xc0\x00\x02\x05")
	quiet := message(unix.NLMSG_NOOP)
	for _, test := range []struct {
		name     string
		datagram []byte
		want     bool
	}{
		{"nothing", nil, false},
		{"no operation", quiet, false},
		{"end of a list", message(unix.NLMSG_DONE, make([]byte, 4)), false},
		{"an error", message(unix.NLMSG_ERROR, make([]byte, 20)), true},
		{"an overrun", message(unix.NLMSG_OVERRUN), true},
		{"something of later kernels", message(500, make([]byte, 20)), false},
		{"a link", message(unix.RTM_NEWLINK, link(unix.IFF_UP), mtu, eth), true},
		{"a link that goes", message(unix.RTM_DELLINK, link(0), eth), true},
		{"a link without a name", message(unix.RTM_NEWLINK, link(unix.IFF_UP), mtu), true},
		{"the loopback", message(unix.RTM_NEWLINK, link(unix.IFF_UP|unix.IFF_LOOPBACK), attribute(unix.IFLA_IFNAME, "lo\x00")), false},
		{"a container's link", message(unix.RTM_NEWLINK, link(unix.IFF_UP), mtu, docker), false},
		{"a container's link, then another", slices.Concat(message(unix.RTM_NEWLINK, link(0), docker), message(unix.RTM_NEWLINK, link(0), eth)), true},
		{"an address", message(unix.RTM_NEWADDR, address(unix.AF_INET, unix.RT_SCOPE_UNIVERSE), ifaLocal), true},
		{"an address that goes", message(unix.RTM_DELADDR, address(unix.AF_INET6, unix.RT_SCOPE_UNIVERSE)), true},
		{"a link-local address", message(unix.RTM_NEWADDR, address(unix.AF_INET6, unix.RT_SCOPE_LINK)), false},
		{"an address of this host", message(unix.RTM_NEWADDR, address(unix.AF_INET, unix.RT_SCOPE_HOST)), false},
		{"a site-local address", message(unix.RTM_NEWADDR, address(unix.AF_INET6, unix.RT_SCOPE_SITE)), true},
		{"a container's address", message(unix.RTM_NEWADDR, address(unix.AF_INET, 0), ifaLocal, attribute(unix.IFA_LABEL, "docker0\x00")), false},
		{"a default route", message(unix.RTM_NEWROUTE, route(0)), true},
		{"a default route that goes", message(unix.RTM_DELROUTE, route(0)), true},
		{"half a default route", message(unix.RTM_NEWROUTE, route(1)), true},
		{"a route to a network", message(unix.RTM_NEWROUTE, route(24)), false},
		{"a short header", quiet[:15], true},
		{"a length below the header's", append([]byte{15, 0, 0, 0}, quiet[4:]...), true},
		{"a length beyond the end", append([]byte{17, 0, 0, 0}, quiet[4:]...), true},
		{"an enormous length", append([]byte{255, 255, 255, 255}, quiet[4:]...), true},
		{"rubbish behind a message", append(slices.Clone(quiet), 1, 2, 3), true},
		{"a short link", message(unix.RTM_NEWLINK, make([]byte, 12)), true},
		{"a short address", message(unix.RTM_NEWADDR, make([]byte, 4)), true},
		{"a short route", message(unix.RTM_NEWROUTE, make([]byte, 8)), true},
		{"a link with a broken attribute", message(unix.RTM_NEWLINK, link(0), []byte{200, 0, 3, 0}, docker), true},
		{"a name without its end", message(unix.RTM_NEWLINK, link(0), attribute(unix.IFLA_IFNAME, "veth1")), false},
	} {
		if got := linkwatch.TellsOfChange(test.datagram); got != test.want {
			t.Errorf("%s: tells of a change: %v", test.name, got)
		}
	}
}

// FuzzMessages compares with package syscall, which reads the same format for net.Interfaces. It lets trailing bytes
// pass and wants the last message padded, where we are stricter and laxer.
func FuzzMessages(f *testing.F) {
	f.Add(message(unix.RTM_NEWLINK, link(unix.IFF_UP), attribute(unix.IFLA_IFNAME, "eth0\x00")))
	f.Add(slices.Concat(message(unix.RTM_NEWADDR, address(2, 0), attribute(unix.IFA_LABEL, "a\x00")), message(unix.RTM_DELROUTE, route(0))))
	f.Add(message(unix.RTM_NEWLINK, link(0), []byte{200, 0, 3, 0}))
	f.Add([]byte{16, 0, 0, 0, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		linkwatch.TellsOfChange(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the datagram was changed")
		}
		theirs, err := syscall.ParseNetlinkMessage(b)
		if err != nil && len(b)%4 == 0 && allRead(b) {
			t.Fatalf("read what package syscall refuses: %v", err)
		}
		if err != nil {
			return
		}
		for i, want := range theirs {
			kind, body, rest, err := linkwatch.NextMessage(b)
			if err != nil || kind != want.Header.Type || !bytes.Equal(body, want.Data) {
				t.Fatalf("message %d: type %d, body %x, %v; package syscall reads %+v", i, kind, body, err, want)
			}
			compareAttributes(t, want)
			b = rest
		}
	})
}

// allRead says whether every message can be read.
func allRead(b []byte) bool {
	for len(b) > 0 {
		_, _, rest, err := linkwatch.NextMessage(b)
		if err != nil {
			return false
		}
		b = rest
	}
	return true
}

// compareAttributes compares those of a link. Package syscall panics on short and on unpadded ones, which the kernel never
// sends to it.
func compareAttributes(t *testing.T, m syscall.NetlinkMessage) {
	t.Helper()
	if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg || len(m.Data)%4 != 0 {
		return
	}
	theirs, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return
	}
	b := m.Data[unix.SizeofIfInfomsg:]
	for i, want := range theirs {
		kind, value, rest, err := linkwatch.NextAttribute(b)
		if err != nil || kind != want.Attr.Type || !bytes.Equal(value, want.Value) {
			t.Fatalf("attribute %d: type %d, value %x, %v; package syscall reads %+v", i, kind, value, err, want)
		}
		b = rest
	}
}
