//go:build unix

package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// A wire is one end of the connection between the two processes: messages, each its
// length in four bytes and JSON, and descriptors, each with one byte.
type wire struct{ *net.UnixConn }

// A message is what goes over a wire.
type message struct {
	// Sockets says which descriptors follow.
	Sockets []Socket `json:"sockets,omitempty"`
	// State is what the predecessor knows: at the beginning, and at the end.
	State json.RawMessage `json:"state,omitempty"`
	// Prepared and Serving are the successor's progress, Failed why there is none.
	Prepared bool   `json:"prepared,omitempty"`
	Serving  bool   `json:"serving,omitempty"`
	Failed   string `json:"failed,omitempty"`
}

// maxMessage is far above the state of 100,000 endpoints.
const maxMessage = 256 << 20

// pair makes a wire and the file of its other end.
func pair() (wire, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return wire{}, nil, os.NewSyscallError("socketpair", err)
	}
	other := os.NewFile(uintptr(fds[1]), "successor's end")
	w, err := wireOf(os.NewFile(uintptr(fds[0]), "predecessor's end"))
	if err != nil {
		_ = other.Close()
	}
	return w, other, err
}

// wireOf makes a wire of f, and closes it.
func wireOf(f *os.File) (wire, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return wire{}, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return wire{}, fmt.Errorf("%s is no Unix socket", f.Name())
	}
	return wire{u}, nil
}

func (w wire) send(m message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
	if _, err := w.Write(append(head, b...)); err != nil {
		return err
	}
	for _, s := range m.Sockets {
		if err := w.sendFile(s.File); err != nil {
			return err
		}
	}
	return nil
}

func (w wire) receive() (m message, err error) {
	var head [4]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		return m, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage {
		return m, fmt.Errorf("a message of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(w, b); err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, err
	}
	for i := range m.Sockets {
		if m.Sockets[i].File, err = w.receiveFile(m.Sockets[i].Addr); err != nil {
			Close(m.Sockets[:i])
			return message{}, err
		}
	}
	return m, nil
}

func (w wire) sendFile(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) { _, _, sent = w.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(fd)), nil) })
	return errors.Join(err, sent)
}

func (w wire) receiveFile(name string) (*os.File, error) {
	b, oob := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
	n, m, _, _, err := w.ReadMsgUnix(b, oob)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.ErrUnexpectedEOF
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:m])
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 {
		return nil, errors.New("a descriptor is missing")
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), name), nil // one: there is room for no more
}

// within makes the wire's calls fail after d; 0: never.
func (w wire) within(d time.Duration) {
	by := time.Time{}
	if d > 0 {
		by = time.Now().Add(d)
	}
	_ = w.SetDeadline(by)
}
