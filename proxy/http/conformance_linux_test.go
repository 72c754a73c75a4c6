package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

func TestConformanceOnLinux(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		oneByOne(t, d, promisesAloneOnLinux)
		sideBySide(t, d, promisesOnLinux)
	})
	t.Parallel()
}

var promisesAloneOnLinux = []promise{
	{"no descriptor for an endpoint is nobody's fault", noDescriptorForAnEndpointIsNobodysFault},
	{"no descriptor for a client makes it wait", noDescriptorForAClientMakesItWait},
}

var promisesOnLinux = []promise{
	{"an abort ends a connect that takes its time", abortEndsAConnectThatTakesItsTime},
	{"an abort ends a connect to a name", abortEndsAConnectToAName},
	{"urgent bytes of a client hold nothing up", urgentBytesOfAClientHoldNothingUp},
}

func abortEndsAConnectThatTakesItsTime(t *testing.T, d driver) {
	b := d.start(t, []string{silentPort(t), silentPort(t)}, withService(func(s *proxy.Service) { s.ConnectTimeout = time.Minute; s.Timeout = time.Minute }))
	b.dial().send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	b.active(1)
	b.engine.Abort()
	b.active(0)
	if b.failures() != 0 {
		t.Error("our own shutdown was an endpoint's failure")
	}
}

// silentPort is an address that neither accepts nor refuses connections: its
// queue is full.
func silentPort(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
	for range 8 {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("this kernel queues connections without end")
	return ""
}

// withoutDescriptors runs f while the process can open no more.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	less := was
	less.Cur = 3 // those below stay open; of others one may be closed meanwhile, such as an idle pipe's
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	f()
}

func noDescriptorForAnEndpointIsNobodysFault(t *testing.T, d driver) {
	closed := make(chan bool, 2)
	addr := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		sayOK(n, c, r)
		c.Close()
		closed <- true
	})
	b := d.start(t, []string{addr})
	c := b.dial()
	c.send(get("")).expect(ok)
	b.active(0)
	b.pools.Retain(func(*balance.Load) bool { return false }) // so that a connection must be made
	<-closed
	withoutDescriptors(t, func() {
		for range 2 {
			resp, _ := c.send(get("")).response("GET")
			if resp.StatusCode != 503 || !strings.Contains(resp.Header.Get("Proxy-Status"), "proxy_internal_error") {
				t.Errorf("got %d %v", resp.StatusCode, resp.Header)
			}
		}
	})
	c.send(get("")).expect(ok)
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures: the endpoint was blamed", n)
	}
}

func noDescriptorForAClientMakesItWait(t *testing.T, d driver) {
	e := answer(t, ok)
	b := d.start(t, []string{e.addr})
	c := b.dial()
	c.send(get("")).expect(ok)
	_, port, _ := net.SplitHostPort(b.addr)
	number, _ := strconv.Atoi(port)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	late := os.NewFile(uintptr(fd), "a client's socket")
	defer late.Close()
	withoutDescriptors(t, func() {
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: number}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(late, get(""))
		testkit.Eventually(t, func() bool { return strings.Contains(b.log.String(), "too many open files") })
		c.send(get("")).expect(ok) // who is there is served
	})
	if _, err := io.ReadFull(late, make([]byte, len(ok))); err != nil {
		t.Errorf("with descriptors again: %v", err)
	}
}
