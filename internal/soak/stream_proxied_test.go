package soak_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// readProxyHeader reads the header of the PROXY protocol, if there is one, and
// returns the client's address that it tells.
func readProxyHeader(in *bufio.Reader) (client string, err error) {
	first, err := in.Peek(1)
	if err != nil {
		return "", nil // whoever reads on will see
	}
	switch first[0] {
	case 'P':
		return readProxyV1(in)
	case '\r':
		return readProxyV2(in)
	}
	return "", nil
}

func readProxyV1(in *bufio.Reader) (client string, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	f := strings.Fields(line)
	if len(f) != 6 || f[0] != "PROXY" || f[1] != "TCP4" {
		return "", fmt.Errorf("%q is no header of version 1", line)
	}
	return f[2] + ":" + f[4], nil
}

func readProxyV2(in *bufio.Reader) (client string, err error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(in, head); err != nil {
		return "", err
	}
	rest := make([]byte, binary.BigEndian.Uint16(head[14:]))
	if _, err := io.ReadFull(in, rest); err != nil {
		return "", err
	}
	if string(head[:12]) != "\r\n\r\n\x00\r\nQUIT\n" || head[12] != 0x21 || head[13] != 0x11 || len(rest) < 12 {
		return "", fmt.Errorf("%q is no header of version 2", head)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest)), binary.BigEndian.Uint16(rest[8:])).String(), nil
}

// proxyV2 is a header of version 2, with so many bytes of extensions (TLV).
func proxyV2(client netip.AddrPort, extra int) []byte {
	b := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11")
	b = binary.BigEndian.AppendUint16(b, uint16(12+3+extra))
	from := client.Addr().As4()
	b = append(b, from[:]...)
	b = append(b, 192, 0, 2, 255)
	b = binary.BigEndian.AppendUint16(b, client.Port())
	b = binary.BigEndian.AppendUint16(b, 443)
	b = append(b, 0x04) // PP2_TYPE_NOOP
	b = binary.BigEndian.AppendUint16(b, uint16(extra))
	return append(b, make([]byte, extra)...)
}
