package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// unixPrefix begins the address of a unix socket.
const unixPrefix = "unix:"

// An address is one of the file, taken apart.
type address struct {
	path string // of a unix socket, and then nothing else
	host string // without brackets; "" is every address of the machine
	port int    // -1: not given
}

// parseAddress reads host:port, [v6]:port, unix:/path and, with port -1, the
// same without a port.
func parseAddress(s string) (address, error) {
	if path, ok := strings.CutPrefix(s, unixPrefix); ok {
		return parseUnix(path)
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		return address{}, fmt.Errorf("%q is a URL: write host:port, without %q", s, scheme+"://"+afterSlash(rest))
	}
	host, port, err := splitPort(s)
	if err != nil {
		return address{}, err
	}
	if err := checkHost(host); err != nil {
		return address{}, err
	}
	return address{host: host, port: port}, nil
}

// afterSlash returns nothing or the path of a URL, to be named in a message.
func afterSlash(rest string) string {
	if i := strings.IndexByte(rest, '/'); i >= 0 && i+1 < len(rest) {
		return "…" + rest[i:]
	}
	return ""
}

func parseUnix(path string) (address, error) {
	const longest = 107 // sun_path of unix(7) has 108 bytes, one of them the final 0
	switch {
	case path == "":
		return address{}, errors.New(`the path of the socket is missing after "unix:"`)
	case len(path) > longest:
		return address{}, fmt.Errorf("the path of a unix socket has at most %d bytes, not %d", longest, len(path))
	case strings.ContainsRune(path, 0):
		return address{}, errors.New("the path of a unix socket must not hold a zero byte")
	}
	return address{path: path, port: -1}, nil
}

func splitPort(s string) (host string, port int, err error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, -1, nil // with its colons, a bare IPv6 address would be misread
	}
	host, digits, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		inside, rest, closed := strings.Cut(s[1:], "]")
		if ip, err := netip.ParseAddr(inside); err != nil || !ip.Is6() || !closed {
			return "", 0, fmt.Errorf("%q has no IPv6 address in its brackets", s)
		}
		if rest != "" && rest[0] != ':' {
			return "", 0, fmt.Errorf("%q has something other than a port after its brackets", s)
		}
		host, digits, hasPort = inside, strings.TrimPrefix(rest, ":"), rest != ""
	} else if strings.Count(s, ":") > 1 {
		return "", 0, fmt.Errorf("%q is neither host:port nor [IPv6]:port", s)
	} else {
		host, digits, hasPort = strings.Cut(s, ":")
	}
	if !hasPort {
		return host, -1, nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not a port: it must be a number from 1 to 65535", digits)
	}
	return host, int(n), nil
}

// checkHost accepts IP addresses, the names of hosts, and "".
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return nil
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if !isBare(label) || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("%q is neither an IP address nor the name of a host", host)
		}
	}
	if len(host) > 253 {
		return errors.New("the name of a host has at most 253 bytes")
	}
	// No top-level domain is a number (RFC 3696, section 2): this is an address
	// with a slip, and a resolver might read it in octal.
	if _, err := strconv.Atoi(labels[len(labels)-1]); err == nil {
		return fmt.Errorf("%q is not a valid IP address", host)
	}
	return nil
}

// checkEndpointAddress says what is wrong with an address to dial. That the port
// is missing is for the caller to judge.
func checkEndpointAddress(s string) (address, error) {
	a, err := parseAddress(s)
	switch {
	case err != nil || a.path != "":
		return a, err
	case a.host == "":
		return a, fmt.Errorf("%q has no host", s)
	case isWildcard(a.host):
		return a, fmt.Errorf("%q is every address of a machine: an endpoint needs one", a.host)
	case a.port == 0:
		return a, errors.New("the port must be from 1 to 65535")
	}
	return a, nil
}

// checkListenAddress says what is wrong with an address to listen on.
func checkListenAddress(s string) (address, error) {
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return address{}, fmt.Errorf("%q has no host: write %q for every address", s, ":"+s)
	}
	a, err := parseAddress(s)
	if err == nil && a.path == "" && a.port < 0 {
		err = fmt.Errorf("%q has no port: write host:port, or :port for every address", s)
	}
	return a, err
}

func lacksPort(s string) bool {
	a, err := parseAddress(s)
	return err == nil && a.path == "" && a.port < 0
}

// withPort returns the address s, which lacks a port, with one.
func withPort(s string, port int) string {
	return net.JoinHostPort(strings.Trim(s, "[]"), strconv.Itoa(port))
}

func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// sameHost reports whether two hosts are the same as far as can be told without
// asking a resolver.
func sameHost(a, b string) bool {
	return strings.EqualFold(canonicalHost(a), canonicalHost(b))
}

func canonicalHost(host string) string {
	if strings.EqualFold(host, "localhost") {
		return "127.0.0.1"
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.TrimSuffix(host, ".")
}

// clash reports whether two listeners cannot both have their address. One that
// takes every address of the machine leaves none to others: Go opens a single
// socket for IPv4 and IPv6.
func clash(a, b address) bool {
	if a.path != "" || b.path != "" {
		return a.path == b.path
	}
	return a.port == b.port && a.port != 0 &&
		(isWildcard(a.host) || isWildcard(b.host) || sameHost(a.host, b.host))
}
