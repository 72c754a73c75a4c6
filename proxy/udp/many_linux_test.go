package udp_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy"
)

// A crowd is many clients on one socket: each has an address of its own in
// 127.0.0.0/8, which IP_PKTINFO sets and tells.
type crowd struct {
	*testing.T
	conn *net.UDPConn
	to   netip.AddrPort
	b    []byte
	oob  []byte
}

func newCrowd(t *testing.T, to netip.AddrPort) *crowd {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1) }))
	must(t, err)
	conn.SetReadBuffer(4 << 20)
	return &crowd{t, conn, to, make([]byte, 1<<16), make([]byte, 128)}
}

// addr is the i-th client's.
func (c *crowd) addr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)})
}

// ask has the clients from one to before another ask, and each must get the answer
// that is for it. What gets lost on the way is asked again.
func (c *crowd) ask(from, to int, word string) {
	c.Helper()
	missing := make(map[netip.Addr]bool)
	for i := from; i < to; i++ {
		missing[c.addr(i)] = true
	}
	for try := 0; len(missing) > 0; try++ {
		if try == 20 {
			c.Fatalf("%d clients of %d to %d get no answer", len(missing), from, to)
		}
		for a := range missing {
			source := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
			_, _, err := c.conn.WriteMsgUDPAddrPort([]byte(word+" "+a.String()), source, c.to)
			must(c.T, err)
		}
		for len(missing) > 0 {
			c.conn.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
			n, m, _, _, err := c.conn.ReadMsgUDPAddrPort(c.b, c.oob)
			if err != nil {
				break
			}
			a := c.destination(c.oob[:m])
			if got := string(c.b[:n]); got != word+" "+a.String() {
				c.Fatalf("%v heard %q, which is for another", a, got)
			}
			delete(missing, a)
		}
	}
}

func (c *crowd) destination(oob []byte) netip.Addr {
	m, err := unix.ParseSocketControlMessage(oob)
	must(c.T, err)
	return netip.AddrFrom4([4]byte(m[0].Data[8:12])) // ipi_addr
}

// SPILLWAY_SESSIONS=100000 makes as many as the project promises. Descriptors are
// needed for as many as one endpoint has, in all shards.
func TestManySessions(t *testing.T) {
	sessions := 3000
	if s := os.Getenv("SPILLWAY_SESSIONS"); s != "" {
		n, err := strconv.Atoi(s)
		must(t, err)
		sessions = n
	}
	const places = 10
	var endpoints []string
	for range places {
		endpoints = append(endpoints, mirror(t))
	}
	b := setup{loops: true, endpoints: endpoints, service: proxy.Service{Timeout: time.Hour}}.start(t)
	c := newCrowd(t, b.addr)
	const window = 250
	heapBefore, filesBefore := heap(), files(t)
	began := time.Now()
	for i := 0; i < sessions; i += window {
		c.ask(i, min(i+window, sessions), "hello")
	}
	made := time.Since(began)
	if n := b.Active(); n != int64(sessions) {
		t.Errorf("%d sessions, want %d", n, sessions)
	}
	heapAfter, filesAfter := heap(), files(t)
	began = time.Now()
	for i := 0; i < sessions; i += window {
		c.ask(i, min(i+window, sessions), "again")
	}
	t.Logf("%d sessions in %v, once more in %v: %d bytes of heap each, %d descriptors, %d goroutines",
		sessions, made, time.Since(began), (heapAfter-heapBefore)/int64(sessions), filesAfter-filesBefore, runtime.NumGoroutine())
	if most := sessions/places + sessions/places/5 + 100; filesAfter-filesBefore > most {
		t.Errorf("%d descriptors for %d sessions on %d endpoints", filesAfter-filesBefore, sessions, places)
	}
	if n := b.Drops()[proxy.DropStray].Load() + b.Drops()[proxy.DropNoPort].Load(); n != 0 {
		t.Errorf("drops: %s", drops(b))
	}
}

// With too few descriptors for another port, clients that have one go on.
func TestWantOfDescriptorsHurtsNewClientsOnly(t *testing.T) {
	b := setup{loops: true, endpoints: []string{mirror(t)}}.start(t)
	c := b.dial("")
	c.ask("x")
	stranger := b.dial("")
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = 3 // fewer than are open
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	stranger.send("y")
	for b.Drops()[proxy.DropNoPort].Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if got := c.ask("z"); got != "z" {
		t.Errorf("got %q", got)
	}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	if got := stranger.askUntil("now"); got != "now" {
		t.Errorf("got %q", got)
	}
	if _, failed, active := b.load(); failed != 0 || active != 2 {
		t.Errorf("%d failures, %d leases", failed, active)
	}
}

func drops(b *bench) (s string) {
	for i, name := range proxy.UDPDropReasons {
		if n := b.Drops()[i].Load(); n > 0 {
			s += fmt.Sprintf("%s: %d ", name, n)
		}
	}
	return s
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // sync.Pool keeps its things through one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func files(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}
