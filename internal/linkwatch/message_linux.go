package linkwatch

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// errMessage is a datagram that isn't what netlink(7) and rtnetlink(7) describe.
var errMessage = errors.New("linkwatch: malformed netlink message")

// tellsOfChange says whether a datagram of rtnetlink may tell of a change of network. What it can't read may.
func tellsOfChange(datagram []byte) bool {
	for len(datagram) > 0 {
		kind, body, rest, err := nextMessage(datagram)
		if err != nil || messageTells(kind, body) {
			return true
		}
		datagram = rest
	}
	return false
}

// nextMessage cuts the first message off a datagram: struct nlmsghdr, body, and padding to four bytes, which the last one
// may lack.
func nextMessage(b []byte) (kind uint16, body, rest []byte, err error) {
	if len(b) < unix.SizeofNlMsghdr {
		return 0, nil, nil, errMessage
	}
	size := int64(binary.NativeEndian.Uint32(b))
	if size < unix.SizeofNlMsghdr || size > int64(len(b)) {
		return 0, nil, nil, errMessage
	}
	return binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size], b[padded(int(size), len(b)):], nil
}

// padded is a length with its padding to four bytes, within what there is.
func padded(size, most int) int { return min((size+3)&^3, most) }

// messageTells says whether one message may tell of a change of network.
func messageTells(kind uint16, body []byte) bool {
	switch kind {
	case unix.NLMSG_ERROR, unix.NLMSG_OVERRUN:
		return true
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return linkTells(body)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return addrTells(body)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return routeTells(body)
	}
	return false
}

// linkTells reads struct ifinfomsg and the name after it.
func linkTells(body []byte) bool {
	if len(body) < unix.SizeofIfInfomsg {
		return true
	}
	if binary.NativeEndian.Uint32(body[8:])&unix.IFF_LOOPBACK != 0 {
		return false
	}
	return !noisy(body[unix.SizeofIfInfomsg:], unix.IFLA_IFNAME)
}

// addrTells reads struct ifaddrmsg and the label after it, which addresses of IPv4 have.
func addrTells(body []byte) bool {
	if len(body) < unix.SizeofIfAddrmsg {
		return true
	}
	if scope := body[3]; scope >= unix.RT_SCOPE_LINK { // of the next cable, of this host, or nowhere
		return false
	}
	return !noisy(body[unix.SizeofIfAddrmsg:], unix.IFA_LABEL)
}

// routeTells reads struct rtmsg. Only a default route decides where the world is; some VPNs halve it into 0/1 and 128/1
// (::/1, 8000::/1). Of the others, there are some for each address and each container.
func routeTells(body []byte) bool {
	if len(body) < unix.SizeofRtMsg {
		return true
	}
	destinationBits := body[1]
	return destinationBits <= 1
}

// noisy says whether the attribute names an interface that doesn't matter.
func noisy(attributes []byte, name uint16) bool {
	for len(attributes) > 0 {
		kind, value, rest, err := nextAttribute(attributes)
		if err != nil {
			return false
		}
		if kind == name {
			text, _, _ := bytes.Cut(value, []byte{0})
			return isNoise(string(text))
		}
		attributes = rest
	}
	return false
}

// nextAttribute cuts the first attribute off: struct rtattr, value, padding.
func nextAttribute(b []byte) (kind uint16, value, rest []byte, err error) {
	if len(b) < unix.SizeofRtAttr {
		return 0, nil, nil, errMessage
	}
	size := int(binary.NativeEndian.Uint16(b))
	if size < unix.SizeofRtAttr || size > len(b) {
		return 0, nil, nil, errMessage
	}
	return binary.NativeEndian.Uint16(b[2:]), b[unix.SizeofRtAttr:size], b[padded(size, len(b)):], nil
}
