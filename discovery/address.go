package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// checkAddress says what is wrong with an endpoint's address: host:port,
// [v6]:port, unix:/path, or a host without a port.
func checkAddress(s string) error {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		const longest = 107 // sun_path of unix(7) has 108 bytes, one of them the final 0
		if path == "" || len(path) > longest || strings.ContainsRune(path, 0) {
			return fmt.Errorf("%.120q is not the path of a unix socket", path)
		}
		return nil
	}
	host := s
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err != nil && strings.Contains(s, ":") {
		var port string
		if host, port, err = net.SplitHostPort(s); err != nil {
			return fmt.Errorf("%.120q is not host:port", s)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("%.20q is not a port: it must be a number from 1 to 65535", port)
		}
	}
	return checkHost(strings.Trim(host, "[]"))
}

// checkHost accepts IP addresses and the names of hosts.
func checkHost(host string) error {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return errors.New("there is no host")
	case err == nil && addr.IsUnspecified():
		return fmt.Errorf("%q is every address of a machine: an endpoint needs one", host)
	case err == nil:
		return nil
	case len(host) > 253:
		return errors.New("the name of a host has at most 253 bytes")
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notInName) {
			return fmt.Errorf("%q is neither an IP address nor the name of a host", host)
		}
	}
	// No top-level domain is a number (RFC 3696, section 2): this is an address
	// with a slip.
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil {
		return fmt.Errorf("%q is not a valid IP address", host)
	}
	return nil
}

func notInName(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// checkID is for what becomes a label of metrics.
func checkID(s string) error {
	unfit := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	if strings.ContainsFunc(s, unfit) || len(s) > 253 {
		return fmt.Errorf("%.300q must be at most 253 bytes that can be printed, without spaces", s)
	}
	return nil
}
