package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A network is three network namespaces of a test's own, with the addresses of
// docs/transparent.md: a client, the proxy with a foot in either network, and a
// machine that has both endpoints and the proxy as its way to everywhere. The proxy
// forwards nothing: what comes through it comes through Spillway.
type network struct {
	t                       *testing.T
	client, proxy, endpoint string // names of namespaces
}

var networks atomic.Int64

// newNetwork makes the namespaces, or skips the test where that cannot be done.
func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces are made by root")
	}
	for _, tool := range []string{"ip", "nft", "iptables", "setpriv"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (Debian: iproute2, nftables, iptables, util-linux)", tool)
		}
	}
	prefix := fmt.Sprintf("spillway-%d-%d-", os.Getpid(), networks.Add(1))
	n := &network{t, prefix + "client", prefix + "proxy", prefix + "endpoint"}
	for i, ns := range []string{n.client, n.proxy, n.endpoint} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			if i == 0 {
				t.Skipf("this machine makes no network namespaces: %s", out)
			}
			t.Fatalf("ip netns add: %s", out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "netns", "del", ns).CombinedOutput(); err != nil {
				t.Errorf("ip netns del %s: %s", ns, out)
			}
		})
	}
	for _, ns := range []string{n.client, n.proxy, n.endpoint} {
		// Nobody else has the addresses here, and nobody needs to wait to be sure of
		// it, be it of these (nodad below) or of those that links have by themselves:
		// without one a proxy that speaks for a client finds no neighbour.
		n.run(ns, "cd /proc/sys/net/ipv6/conf; echo 0 >all/accept_dad; echo 0 >default/accept_dad; ip link set lo up")
	}
	n.run(n.proxy, `
		ip link add clients type veth peer name eth0 netns `+n.client+`
		ip link add endpoints type veth peer name eth0 netns `+n.endpoint+`
		ip addr add 10.0.1.1/24 dev clients
		ip addr add fd00:0:0:1::1/64 dev clients nodad
		ip addr add 10.0.2.1/24 dev endpoints
		ip addr add fd00:0:0:2::1/64 dev endpoints nodad
		ip link set clients up
		ip link set endpoints up`)
	n.run(n.client, `
		ip addr add 10.0.1.2/24 dev eth0
		ip addr add fd00:0:0:1::2/64 dev eth0 nodad
		ip link set eth0 up
		ip route add default via 10.0.1.1
		ip -6 route add default via fd00:0:0:1::1`)
	n.run(n.endpoint, `
		ip addr add 10.0.2.2/24 dev eth0
		ip addr add 10.0.2.3/24 dev eth0
		ip addr add fd00:0:0:2::2/64 dev eth0 nodad
		ip link set eth0 up
		ip route add default via 10.0.2.1
		ip -6 route add default via fd00:0:0:2::1`)
	return n
}

// run gives lines to a shell in a namespace.
func (n *network) run(ns, lines string) {
	n.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", ns, "sh", "-e")
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %s\nof:%s", err, out, lines)
	}
}

// inside calls f on a thread in a namespace: sockets stay where they were made.
func inside(t *testing.T, ns string, f func()) {
	t.Helper()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		var fd int
		if fd, err = unix.Open(filepath.Join("/var/run/netns", ns), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err == nil {
			f()
		}
	}()
	<-done
	if err != nil {
		t.Fatal(err)
	}
}

// serve listens in the endpoints' namespace and tells everybody who connects between
// which addresses: "their address" and "whom they reached", without ports.
func (n *network) serve(addrs ...string) {
	n.t.Helper()
	for _, addr := range addrs {
		var l net.Listener
		var err error
		inside(n.t, n.endpoint, func() { l, err = net.Listen("tcp", addr) })
		if err != nil {
			n.t.Fatal(err)
		}
		gone := make(chan struct{})
		n.t.Cleanup(func() { l.Close(); <-gone })
		go func() {
			defer close(gone)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(c, "%s at %s", hostOf(c.RemoteAddr()), hostOf(c.LocalAddr()))
				c.Close()
			}
		}()
	}
}

func hostOf(a net.Addr) string {
	host, _, _ := net.SplitHostPort(a.String())
	return host
}

// serveUDP answers datagrams as serve answers connections.
func (n *network) serveUDP(addr string) {
	n.t.Helper()
	var c net.PacketConn
	var err error
	inside(n.t, n.endpoint, func() { c, err = net.ListenPacket("udp", addr) })
	if err != nil {
		n.t.Fatal(err)
	}
	gone := make(chan struct{})
	n.t.Cleanup(func() { c.Close(); <-gone })
	go func() {
		defer close(gone)
		for b := make([]byte, 100); ; {
			_, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(fmt.Appendf(nil, "%s at %s", hostOf(from), hostOf(c.LocalAddr())), from)
		}
	}()
}

// ask sends a datagram from a namespace and returns the answer. An error is returned
// as what it is.
func (n *network) ask(from, to string) string {
	n.t.Helper()
	var answer string
	inside(n.t, from, func() {
		c, err := net.Dial("udp", to)
		if err != nil {
			answer = err.Error()
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 200)
		m := 0
		if _, err = c.Write([]byte("?")); err == nil {
			m, err = c.Read(b)
		}
		if answer = string(b[:m]); err != nil {
			answer = err.Error()
		}
	})
	return answer
}

// dial connects from a namespace and returns all that it is told. An error is told
// as what it is.
func (n *network) dial(from, to string) string {
	n.t.Helper()
	var told string
	inside(n.t, from, func() {
		c, err := net.DialTimeout("tcp", to, 5*time.Second)
		if err != nil {
			told = err.Error()
			return
		}
		defer c.Close()
		told = readAll(c)
	})
	return told
}

func readAll(c net.Conn) string {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 200)
	for n := 0; ; {
		m, err := c.Read(b[n:])
		n += m
		switch {
		case err != nil && n == 0:
			return err.Error()
		case err != nil || n == len(b):
			return string(b[:n])
		}
	}
}

// start runs the proxy with a file, without a capability that it needs not.
func (n *network) start(engine, service string) *process {
	n.t.Helper()
	return n.startWithout("net_admin", engine, service)
}

func (n *network) startWithout(capabilities, engine, service string) *process {
	n.t.Helper()
	file := write(n.t, filepath.Join(n.t.TempDir(), "a.toml"), n.file(engine, service))
	p := startAs(n.t, "ip", "netns", "exec", n.proxy, "setpriv", "--bounding-set", "-"+strings.ReplaceAll(capabilities, ",", ",-"), os.Args[0], "run", "-c", file)
	return p
}

func (n *network) file(engine, service string) string {
	return "[proxy]\nengine = \"" + engine + "\"\n" + service
}

// documented returns the lines that docs/transparent.md has under a name.
func documented(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/transparent.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "<!-- lines: "+name+" -->\n```sh\n")
	lines, _, closed := strings.Cut(rest, "\n```")
	if !ok || !closed {
		t.Fatalf("docs/transparent.md has no lines %q", name)
	}
	return lines
}
