package linkwatch

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Links is what a look finds.
type Links struct {
	Interfaces []Interface
	// Sources are the addresses that the system would send from to the world, by IPv4 and by IPv6; none without a default
	// route.
	Sources []netip.Addr
}

// Interface is one network interface.
type Interface struct {
	Name  string
	Flags net.Flags
	Addrs []netip.Addr
}

// judge says whether there is a way out, and gives a text that differs where the way does.
func (l Links) judge() (up bool, path string) {
	var parts []string
	dead := make(map[netip.Addr]bool) // a route may outlive its cable
	for _, i := range l.Interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagRunning == 0 {
			for _, addr := range i.Addrs {
				dead[addr.Unmap()] = true
			}
			continue
		}
		if i.Flags&net.FlagLoopback != 0 || isNoise(i.Name) {
			continue
		}
		for _, addr := range i.Addrs {
			if usable(addr) {
				parts = append(parts, i.Name+" "+place(addr))
			}
		}
	}
	// A route counts whatever it leads to. A tunnel that comes up takes all traffic with it or takes nothing, and the
	// default route is what tells the two apart.
	for _, addr := range l.Sources {
		if usable(addr) && !dead[addr.Unmap()] {
			parts = append(parts, "from "+place(addr))
		}
	}
	slices.Sort(parts)
	parts = slices.Compact(parts)
	return len(parts) > 0, strings.Join(parts, "\n")
}

// usable says whether somebody beyond the next cable can answer to the address.
func usable(addr netip.Addr) bool { return addr.Unmap().IsGlobalUnicast() }

// place is what is compared of an address. Of IPv6 that is the network: hosts there take another temporary address each
// day and keep the one before (RFC 8981), which ends no connection.
func place(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	const network = 64
	prefix, _ := addr.Prefix(network) // fails for other numbers of bits
	return prefix.String()
}

// noise are the beginnings of names of interfaces that containers, virtual machines and tunnels bring along. They come
// and go with a container or a login, dozens in a minute on a developer's machine, while the path to a server stays
// what it was: taken for a change of network, each would have all connections doubted and dialled again. Where such an
// interface does carry the traffic, the default route says so.
var noise = []string{
	"docker", "br-", "veth", "cni", "flannel", "cali", "cilium", "lxc", "lxd", "podman", "kube", "nerdctl", // containers
	"virbr", "vnet", "vmnet", "vboxnet", "vethernet", "vmware", "virtualbox", "bridge1", // virtual machines
	"tun", "tap", "utun", "ipsec", "wg", "tailscale", "zt", "gif", "stf", "sit", "ip6tnl", "teredo", // tunnels
	"awdl", "llw", "anpi", "ap1", // macOS, between devices
	"ifb", "nlmon", // Linux, for traffic control and captures
}

func isNoise(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(noise, func(start string) bool { return strings.HasPrefix(name, start) })
}

// lookAtSystem asks the operating system.
func lookAtSystem() (Links, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return Links{}, err
	}
	var links Links
	for _, i := range interfaces {
		if isNoise(i.Name) { // there may be many, and each costs a question
			continue
		}
		addrs, err := i.Addrs()
		if err != nil { // gone meanwhile: whoever told of it tells again
			continue
		}
		links.Interfaces = append(links.Interfaces, Interface{Name: i.Name, Flags: i.Flags, Addrs: netipAddrs(addrs)})
	}
	for _, to := range []struct{ network, addr string }{{"udp4", "192.0.2.1:9"}, {"udp6", "[2001:db8::1]:9"}} {
		if addr, ok := source(to.network, to.addr); ok {
			links.Sources = append(links.Sources, addr)
		}
	}
	return links, nil
}

func netipAddrs(addrs []net.Addr) []netip.Addr {
	var all []netip.Addr
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				all = append(all, addr)
			}
		}
	}
	return all
}

// source is the address that the system would send from to addr. Connecting a UDP socket has the route looked up and
// sends nothing; the addresses are those for documentation (RFC 5737, RFC 3849), which only a default route leads to.
func source(network, addr string) (netip.Addr, bool) {
	conn, err := net.Dial(network, addr)
	if err != nil {
		return netip.Addr{}, false
	}
	defer func() { _ = conn.Close() }()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	return local.AddrPort().Addr(), true
}
