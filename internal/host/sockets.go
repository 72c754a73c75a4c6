package host

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
)

// A Socket is a TCP socket of the machine, of any process.
type Socket struct {
	Local, Remote netip.AddrPort
	Listens       bool
	// Waiting is, of one that listens, how many connections wait to be accepted.
	Waiting int
}

// stateListen is TCP_LISTEN of the kernel's enum.
const stateListen = "0A"

// ParseSockets calls f for every line of /proc/net/tcp or tcp6, whose form is in
// the kernel's Documentation/networking/proc_net_tcp.rst. Lines that are of no such
// form are passed over.
func ParseSockets(text []byte, f func(Socket)) {
	for line := range bytes.Lines(text) {
		if s, ok := parseSocket(line); ok {
			f(s)
		}
	}
}

func parseSocket(line []byte) (s Socket, ok bool) {
	// sl local_address rem_address st tx_queue:rx_queue …
	var fields [5][]byte
	for i := range fields {
		line = bytes.TrimLeft(line, " ")
		end := bytes.IndexByte(line, ' ')
		if end < 0 {
			return s, false
		}
		fields[i], line = line[:end], line[end:]
	}
	var ok1, ok2 bool
	s.Local, ok1 = parseAddrPort(fields[1])
	s.Remote, ok2 = parseAddrPort(fields[2])
	if !ok1 || !ok2 {
		return s, false
	}
	if s.Listens = string(fields[3]) == stateListen; s.Listens {
		_, queue, _ := bytes.Cut(fields[4], []byte(":"))
		n, err := strconv.ParseUint(string(queue), 16, 31)
		if err != nil {
			return s, false
		}
		s.Waiting = int(n)
	}
	return s, true
}

// parseAddrPort reads an address as the kernel prints it: words of 32 bits in the
// machine's own order, then the port.
func parseAddrPort(text []byte) (netip.AddrPort, bool) {
	host, port, _ := bytes.Cut(text, []byte(":"))
	var ip [16]byte
	if len(host) != 8 && len(host) != 32 {
		return netip.AddrPort{}, false
	}
	n, err := hex.Decode(ip[:], host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < n; i += 4 {
		binary.NativeEndian.PutUint32(ip[i:], binary.BigEndian.Uint32(ip[i:]))
	}
	number, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	addr, _ := netip.AddrFromSlice(ip[:n])
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), true
}

// Sockets calls f for every TCP socket of the network that the calling thread is in,
// as the files of thread-self do: a process's own are those of its first thread. A
// list that changes while it is read may lack some.
func Sockets(f func(Socket)) error {
	text, err := os.ReadFile("/proc/thread-self/net/tcp")
	if err != nil {
		return err
	}
	ParseSockets(text, f)
	if text, err = os.ReadFile("/proc/thread-self/net/tcp6"); err == nil { // a machine may be without
		ParseSockets(text, f)
	}
	return nil
}
