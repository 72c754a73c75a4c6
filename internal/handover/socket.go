package handover

import (
	"net"
	"os"
	"slices"
	"strings"
)

// A Socket is an open listening socket.
type Socket struct {
	// Name is the listener's; of a socket that a service manager has opened, what it
	// calls it.
	Name string `json:"name"`
	// Network is "tcp", "unix" or "udp".
	Network string `json:"network"`
	// Listen is the address as the predecessor's file has it, such as ":80"; "": there
	// was none.
	Listen string `json:"listen,omitempty"`
	// Addr is the address that the socket has: "host:port", or a path.
	Addr string `json:"addr"`
	// Shared says that a service manager has the socket, too, and keeps it.
	Shared bool `json:"shared,omitempty"`
	// File is the socket.
	File *os.File `json:"-"`
}

// A Want says whose sockets are looked for.
type Want struct {
	Name    string // of the listener
	Network string // "tcp", "unix" or "udp"
	Listen  string // as the file has it: "host:port", ":port", or a Unix socket's path
}

// Take takes those sockets out of pool that w is to have: all that the same listener
// had, else all that have its name, else all that have its address. None is no error.
func Take(pool *[]Socket, w Want) []Socket {
	for _, fits := range []func(*Socket) bool{w.isSame, w.isNamesake, w.isThere} {
		var taken []Socket
		rest := slices.DeleteFunc(slices.Clone(*pool), func(s Socket) bool {
			if s.Network != w.Network || !fits(&s) {
				return false
			}
			taken = append(taken, s)
			return true
		})
		if len(taken) > 0 {
			*pool = rest
			return taken
		}
	}
	return nil
}

// isSame is for a listener that has changed its name at most.
func (w Want) isSame(s *Socket) bool {
	return s.Listen == w.Listen && (s.Name == w.Name || !w.isAnyPort())
}

// isNamesake is for what a service manager has opened: there the manager says where it
// listens. A listener whose address was changed in the file gets a socket of its own.
func (w Want) isNamesake(s *Socket) bool {
	return (s.Listen == "" || s.Shared) && s.Name == w.Name
}

// isThere is for one address in two spellings.
func (w Want) isThere(s *Socket) bool {
	if w.Network == "unix" {
		return s.Addr == w.Listen
	}
	if w.isAnyPort() {
		return false
	}
	want, err := net.ResolveTCPAddr("tcp", w.Listen)
	have, err2 := net.ResolveTCPAddr("tcp", s.Addr)
	if err != nil || err2 != nil || want.Port != have.Port || want.Zone != have.Zone {
		return false
	}
	// ":80" listens to both families, "0.0.0.0:80" to one: the kernel shows a socket of
	// both as one of IPv6.
	if want.IP == nil {
		return have.IP.Equal(net.IPv6unspecified)
	}
	return want.IP.Equal(have.IP)
}

// isAnyPort reports whether the kernel chooses the port, so that the same words are
// not the same address.
func (w Want) isAnyPort() bool { return w.Network != "unix" && strings.HasSuffix(w.Listen, ":0") }

// Close closes sockets that nobody wants.
func Close(sockets []Socket) {
	for _, s := range sockets {
		_ = s.File.Close()
	}
}

// Files are the files of sockets.
func Files(sockets []Socket) []*os.File {
	all := make([]*os.File, len(sockets))
	for i, s := range sockets {
		all[i] = s.File
	}
	return all
}
