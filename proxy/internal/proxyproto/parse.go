package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// MaxSize is the size in bytes of the largest header that Parse takes. Version 2
// could say 65551; but what it adds to the addresses is a few names, and at most
// a certificate.
const MaxSize = headV2 + 4096

// A Header says between which addresses a client has connected.
type Header struct {
	// Source is the client and Destination what it has connected to. Both are
	// invalid where the header does not tell: then the socket's addresses count.
	// IPv4 addresses are never in their IPv6 form.
	Source, Destination netip.AddrPort
	// Size is how many bytes the header takes.
	Size int
}

// ErrShort says that this may be the beginning of a header, and more is needed.
var ErrShort = errors.New("proxyproto: the header is not complete")

// What is wrong with a header.
var (
	errSignature = errors.New("proxyproto: no PROXY header")
	errLong      = errors.New("proxyproto: the header is too long")
	errLine      = errors.New("proxyproto: a line of version 1 that does not have its form")
	errCommand   = errors.New("proxyproto: a version or command that is not known")
	errFamily    = errors.New("proxyproto: an address family or protocol that is not known")
	errLength    = errors.New("proxyproto: too short for its addresses")
)

// Parse reads the header that b begins with; what follows it does not matter.
// The error is ErrShort if b may be the beginning of a header; with any other it
// is not one, whatever follows. With MaxSize bytes the error is not ErrShort.
func Parse(b []byte) (Header, error) {
	switch {
	case begins(b, signatureV2):
		return parseV2(b)
	case begins(b, signatureV1):
		return parseV1(b)
	}
	return Header{}, errSignature
}

// begins reports whether b begins with s, as far as it goes.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

const (
	signatureV1 = "PROXY "
	unknown     = "UNKNOWN"
	// maxV1 is the longest line, with addresses and ports that use all their room.
	maxV1 = 107
)

// parseV1 reads "PROXY TCP4 source destination port port\r\n".
func parseV1(b []byte) (Header, error) {
	end := bytes.IndexByte(b[:min(len(b), maxV1)], '\n')
	switch {
	case end < 0 && len(b) >= maxV1:
		return Header{}, errLong
	case end < 0:
		return Header{}, ErrShort
	case end < len(signatureV1) || b[end-1] != '\r':
		return Header{}, errLine
	}
	h := Header{Size: end + 1}
	line := string(b[len(signatureV1) : end-1])
	if len(line) >= len(unknown) && line[:len(unknown)] == unknown {
		// Whatever else the line has is to be ignored.
		if rest := line[len(unknown):]; rest != "" && rest[0] != ' ' {
			return Header{}, errLine
		}
		return h, nil
	}
	word := strings.Split(line, " ")
	if len(word) != 5 {
		return Header{}, errLine
	}
	source, ok1 := addrPortV1(word[0], word[1], word[3])
	destination, ok2 := addrPortV1(word[0], word[2], word[4])
	if !ok1 || !ok2 {
		return Header{}, errLine
	}
	h.Source, h.Destination = source, destination
	return h, nil
}

func addrPortV1(family, ip, port string) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	switch family {
	case "TCP4":
		if !addr.Is4() {
			return netip.AddrPort{}, false
		}
	case "TCP6":
		// An IPv4 address that is written as such is not what the protocol says,
		// but what nginx sends where one side is IPv6.
	default:
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || port[0] == '0' && port != "0" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}

const (
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
	// headV2 is the size of what every header of version 2 has: the signature,
	// version and command, family and protocol, and how many bytes follow.
	headV2 = 16

	local = 0x20 // version 2, and the sender speaks for itself
	proxy = 0x21

	tcp4 = 0x11
	tcp6 = 0x21
)

func parseV2(b []byte) (Header, error) {
	if len(b) > 12 && b[12] != local && b[12] != proxy {
		return Header{}, errCommand
	}
	if len(b) < headV2 {
		return Header{}, ErrShort
	}
	h := Header{Size: headV2 + int(binary.BigEndian.Uint16(b[14:]))}
	if h.Size > MaxSize {
		return Header{}, errLong
	}
	block := b[headV2:min(len(b), h.Size)]
	if b[12] == proxy {
		need, ok := addressSize(b[13])
		switch {
		case !ok:
			return Header{}, errFamily
		case h.Size < headV2+need:
			return Header{}, errLength
		case len(block) >= need:
			h.readAddrs(b[13], block)
		}
	}
	if len(b) < h.Size {
		return Header{}, ErrShort
	}
	return h, nil // what follows the addresses (TLVs) tells nothing that we need
}

// addressSize is how many bytes the addresses of a family and protocol take.
// Those that the protocol does not name are to be refused.
func addressSize(family byte) (int, bool) {
	switch family {
	case 0x00: // unspecified
		return 0, true
	case tcp4, 0x12: // and UDP
		return 2*4 + 2*2, true
	case tcp6, 0x22:
		return 2*16 + 2*2, true
	case 0x31, 0x32: // Unix stream and datagram sockets
		return 2 * 108, true
	}
	return 0, false
}

// readAddrs reads the addresses of TCP connections. Others do not tell who the
// client of this one is.
func (h *Header) readAddrs(family byte, b []byte) {
	switch family {
	case tcp4:
		h.Source = addrPortV2(b[0:4], b[8:])
		h.Destination = addrPortV2(b[4:8], b[10:])
	case tcp6:
		h.Source = addrPortV2(b[0:16], b[32:])
		h.Destination = addrPortV2(b[16:32], b[34:])
	}
}

func addrPortV2(ip, port []byte) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(port))
}
