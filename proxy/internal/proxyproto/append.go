package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// AppendV1 appends a header of version 1 for a client that has connected from
// source to destination. Where one of them is invalid the header says that it is
// not known; where only one is IPv4, it is sent in its IPv6 form.
func AppendV1(b []byte, source, destination netip.AddrPort) []byte {
	from, to, ok := sameFamily(source, destination)
	if !ok {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	family := "PROXY TCP6 "
	if from.Is4() {
		family = "PROXY TCP4 "
	}
	b = append(b, family...)
	b = append(from.AppendTo(b), ' ')
	b = append(to.AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(source.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(destination.Port()), 10)
	return append(b, "\r\n"...)
}

// AppendV2 is AppendV1 for version 2. Where an address is invalid the header says
// that the connection is the sender's own (LOCAL).
func AppendV2(b []byte, source, destination netip.AddrPort) []byte {
	from, to, ok := sameFamily(source, destination)
	b = append(b, signatureV2...)
	switch {
	case !ok:
		return append(b, local, 0, 0, 0)
	case from.Is4():
		b = append(b, proxy, tcp4, 0, 12)
		f, t := from.As4(), to.As4()
		b = append(append(b, f[:]...), t[:]...)
	default:
		b = append(b, proxy, tcp6, 0, 36)
		f, t := from.As16(), to.As16()
		b = append(append(b, f[:]...), t[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, source.Port())
	return binary.BigEndian.AppendUint16(b, destination.Port())
}

// sameFamily makes two addresses of one family: IPv4 if both are, in whichever
// form they come. It reports false unless both are addresses.
func sameFamily(source, destination netip.AddrPort) (from, to netip.Addr, ok bool) {
	from, to = source.Addr().Unmap().WithZone(""), destination.Addr().Unmap().WithZone("")
	if from.IsValid() && to.IsValid() && from.Is4() != to.Is4() {
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	return from, to, from.IsValid() && to.IsValid()
}
