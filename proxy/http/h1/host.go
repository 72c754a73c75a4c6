package h1

// splitAuthority checks host [":" port] and returns its parts; port is nil or
// digits. It is narrower than RFC 3986 §3.2.2: a registered name consists of
// unreserved characters only. Percent-encoding and sub-delims occur in no DNS
// name, and "," ";" "=" would be read differently by the next hop. An empty port is
// legal and means the default.
func splitAuthority(b []byte) (host, port []byte, ok bool) {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		for i < len(b) && b[i] != ']' {
			i++
		}
		if i == len(b) || !isIPv6(b[1:i]) {
			return nil, nil, false
		}
		i++
	} else {
		for i < len(b) && is(b[i], isHost) {
			i++
		}
	}
	host, b = b[:i], b[i:]
	if len(host) == 0 {
		return nil, nil, false
	}
	if len(b) == 0 {
		return host, nil, true
	}
	if b[0] != ':' || !isPort(b[1:]) {
		return nil, nil, false
	}
	return host, b[1:], true
}

func isPort(b []byte) bool {
	n := 0
	for _, c := range b {
		if !is(c, isDigit) {
			return false
		}
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return len(b) <= 5
}

// isIPv6 checks the address between brackets: RFC 3986's IPv6address, without
// zone and without IPvFuture.
func isIPv6(b []byte) bool {
	groups, gap := 0, false
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, b = true, b[2:]
		if len(b) == 0 {
			return true
		}
	}
	for {
		n := 0
		for n < len(b) && is(b[n], isHex) {
			n++
		}
		if n < len(b) && b[n] == '.' {
			groups += 2
			return isIPv4(b) && groups <= 8 && gap == (groups < 8)
		}
		if n == 0 || n > 4 {
			return false
		}
		groups++
		if b = b[n:]; len(b) == 0 {
			return gap == (groups < 8) // a gap stands for at least one group
		}
		if b[0] != ':' || groups == 8 {
			return false
		}
		if b = b[1:]; len(b) > 0 && b[0] == ':' {
			if gap {
				return false
			}
			if gap, b = true, b[1:]; len(b) == 0 {
				return groups < 8
			}
		}
	}
}

func isIPv4(b []byte) bool {
	for part := 0; part < 4; part++ {
		n, v := 0, 0
		for n < len(b) && n < 4 && is(b[n], isDigit) {
			v = v*10 + int(b[n]-'0')
			n++
		}
		if n == 0 || v > 255 || n > 1 && b[0] == '0' {
			return false
		}
		b = b[n:]
		if part < 3 {
			if len(b) == 0 || b[0] != '.' {
				return false
			}
			b = b[1:]
		}
	}
	return len(b) == 0
}

// sameAuthority compares two authorities that were found sound, case aside; a
// missing port is the scheme's.
func sameAuthority(a, b []byte, schemePort int) bool {
	hostA, portA, _ := splitAuthority(a)
	hostB, portB, _ := splitAuthority(b)
	return foldEqual(hostA, hostB) && portOr(portA, schemePort) == portOr(portB, schemePort)
}

func portOr(port []byte, missing int) (n int) {
	if len(port) == 0 {
		return missing
	}
	for _, c := range port {
		n = n*10 + int(c-'0')
	}
	return n
}
