package proxy

import (
	"fmt"
	"net"
	"os"
	"strings"
)

// A Yielder is an Engine that can end its connections without a client being
// turned away at the door.
type Yielder interface {
	// Yield is a gentler Drain, for when another process accepts the clients that
	// come now: idle connections stay open, and end after their next response, which
	// tells the client so. To close one might meet a request that is on its way.
	Yield()
}

// Files returns duplicates of the listening sockets, to be passed to another process.
// The caller closes them. It is for between Listen and the end of Serve.
func (l *Listener) Files() ([]*os.File, error) {
	files, err := l.entry.files()
	if err != nil {
		err = fmt.Errorf("listener %q: %w", l.Name, err)
	}
	return files, err
}

// HandOver says that another process has the sockets and accepts from them. When
// Serve's context ends, those who wait to be accepted are left to it, and a Unix
// socket's path; idle connections may have another request, for half of DrainTimeout.
func (l *Listener) HandOver() {
	l.heir.Store(true)
	l.shared.Store(true)
}

// Own says that the other process that had the sockets has left them to this one.
func (l *Listener) Own() { l.shared.Store(false) }

// adopt makes listeners of Sockets.
func (l *Listener) adopt() ([]net.Listener, error) {
	defer closeAll(l.Sockets)
	all := make([]net.Listener, 0, len(l.Sockets))
	for _, f := range l.Sockets {
		s, err := Adopt(f, l.Transparent)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Adopt makes a listener of a socket that somebody else has opened; f stays the
// caller's. Like Listen's, it removes a Unix socket's path when it is closed.
func Adopt(f *os.File, transparent bool) (net.Listener, error) {
	s, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", f.Name(), err)
	}
	switch s := s.(type) {
	case *net.UnixListener:
		s.SetUnlinkOnClose(!isAbstract(s.Addr()))
	case *net.TCPListener:
		if err := configure(s, transparent); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// configure gives a socket of somebody else's what ours have.
func configure(s *net.TCPListener, transparent bool) error {
	control := listenConfig(transparent).Control
	if control == nil {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	return control("tcp", s.Addr().String(), raw)
}

// isAbstract reports whether an address is a name that no file stands for (unix(7)).
func isAbstract(a net.Addr) bool { return strings.HasPrefix(a.String(), "@") || a.String() == "" }

// FileOf duplicates the socket of a listener that Listen or Adopt has returned. The
// caller closes it.
func FileOf(s net.Listener) (*os.File, error) {
	f, ok := s.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("%T has no file", s)
	}
	return f.File()
}

// closeAll closes all, and the caller has no use for how that goes.
func closeAll[T interface{ Close() error }](all []T) {
	for _, c := range all {
		_ = c.Close()
	}
}
