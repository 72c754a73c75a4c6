package secure_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy/internal/secure"
)

func TestEveryFailedDialHasACause(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{syscall.ECONNREFUSED, secure.ConnectionRefused},
		{syscall.ENOENT, secure.ConnectionRefused},
		{syscall.EHOSTUNREACH, secure.Unroutable},
		{syscall.ENETUNREACH, secure.Unroutable},
		{syscall.ETIMEDOUT, secure.TimedOut},
		{os.ErrDeadlineExceeded, secure.TimedOut},
		{context.DeadlineExceeded, secure.TimedOut},
		{&net.DNSError{Err: "no such host"}, secure.Unresolved},
		{&net.DNSError{Err: "timeout", IsTimeout: true}, secure.Unresolved},
		{syscall.EAGAIN, secure.Unavailable},
		{errors.New("something else"), secure.Unavailable},
		{syscall.EMFILE, secure.OutOfResources},
		{syscall.ENFILE, secure.OutOfResources},
		{syscall.ENOMEM, secure.OutOfResources},
		{syscall.ENOBUFS, secure.OutOfResources},
		{syscall.EADDRNOTAVAIL, secure.OutOfResources},
		{&secure.HandshakeError{Err: errors.New("no TLS")}, secure.ProtocolError},
	} {
		if got := secure.DialCause(&net.OpError{Op: "dial", Net: "tcp", Err: c.err}); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestADialIsRefusedWhereNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mine, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close() // so nobody else listens where it comes from
	for _, addr := range []string{mine.LocalAddr().String(), "unix:" + t.TempDir() + "/none"} {
		_, err := secure.Dial(t.Context(), secure.Options{Endpoint: &balance.Endpoint{Addr: addr}, Timeout: 10 * time.Second})
		if secure.DialCause(err) != secure.ConnectionRefused {
			t.Errorf("%s: %v (%s)", addr, err, secure.DialCause(err))
		}
	}
}
