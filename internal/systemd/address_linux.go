package systemd

import (
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// addressOf is an address as the file would have it, without "unix:".
func addressOf(at unix.Sockaddr) (string, error) {
	switch a := at.(type) {
	case *unix.SockaddrUnix:
		return a.Name, nil
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String(), nil
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(a.ZoneId), 10))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port)).String(), nil
	}
	return "", fmt.Errorf("an address of %T", at)
}
