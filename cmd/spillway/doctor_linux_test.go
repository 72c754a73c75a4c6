package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// More of the matrix: faults that take a second loopback address, a queue that is
// full, a limit of a process, or a network of one's own.

// checkedOn starts what checks of a service look at, at an address of its own.
func checkedOn(t *testing.T, ip string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func TestDoctorNamesAClosedDataPort(t *testing.T) {
	t.Parallel()
	bad := testkit.FreeAddr(t)
	ip, _, _ := net.SplitHostPort(bad)
	port := checkedOn(t, ip)
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(bad),
		`[service.health_check]`, `type = "HTTP"`, `port = `+port)
	get(t, p.addr("in"), nil)
	p.expect("refusing/nobody_listens", bad, nil, "its checks pass on port "+port, "refuses connections", "nobody listens on port "+portOf(bad), "health_check.port = 0")
}

func TestDoctorNamesAPortOfLoopbackOnly(t *testing.T) {
	t.Parallel()
	port := checkedOn(t, "127.0.0.2")
	bad := "127.0.0.2:" + portOf(echo(t, "127.0.0.1:0"))
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(bad),
		`[service.health_check]`, `type = "HTTP"`, `port = `+port)
	p.expect("refusing/listens_elsewhere", bad, nil, "somebody listens only on 127.0.0.1:"+portOf(bad), "make it listen on 127.0.0.2")
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// deaf listens at an address and has no room for a connection: whoever tries to
// connect hears nothing, as with a firewall that drops packets.
func deaf(t *testing.T, ip [4]byte) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: ip}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.TCPAddr{IP: ip[:], Port: name.(*unix.SockaddrInet4).Port}
	for {
		c, err := net.DialTimeout("tcp", addr.String(), 300*time.Millisecond)
		if err != nil {
			return addr.String()
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestDoctorNamesTheFiltered(t *testing.T) {
	t.Parallel()
	port := checkedOn(t, "127.0.0.2")
	bad := deaf(t, [4]byte{127, 0, 0, 2})
	p := admit(t, `[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = `+quoted(bad),
		`[service.health_check]`, `type = "HTTP"`, `port = `+port)
	r, ended := p.diagnose("--probe-timeout", "300ms")
	expectFinding(t, r, ended, "filtered", bad, nil, "had no answer in ", "to "+bad+" pass", "traffic goes to port "+portOf(bad)+", checks to "+port)
}

func TestDoctorNamesAShortageOfDescriptors(t *testing.T) {
	t.Parallel()
	back := echo(t, "127.0.0.1:0")
	file := write(t, filepath.Join(t.TempDir(), "a.toml"), `[admin]`, `listen = "127.0.0.1:0"`,
		`[proxy]`, `loops = 2`, // however many cores there are: each takes descriptors of its own
		`[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "127.0.0.1:0"`, `service = "tcp"`,
		`[[service]]`, `name = "tcp"`, `endpoints = `+quoted(back))
	p := startAs(t, "sh", "-c", `ulimit -n 64; exec "$0" run -c "$1"`, os.Args[0], file)
	in := p.await(`listener=in .*address=(\S+)`)
	at := p.await(`listener=admin address=(\S+)`)
	hold(t, in, 21)
	r, ended := diagnoseAt(t, "-c", file, "--admin", at)
	expectFinding(t, r, ended, "descriptors", "", nil, "of 64 file descriptors are open", "LimitNOFILE")
}

func TestDoctorNamesAShortageOfPorts(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.run(n.proxy, `echo "50000 50029" > /proc/sys/net/ipv4/ip_local_port_range`)
	n.echo("10.0.2.2:80")
	file := write(t, filepath.Join(t.TempDir(), "a.toml"), `[admin]`, `listen = "unix:`+filepath.Join(t.TempDir(), "admin")+`"`,
		`[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "10.0.1.1:80"`, `service = "tcp"`,
		`[[service]]`, `name = "tcp"`, `endpoints = ["10.0.2.2:80"]`)
	p := startAs(t, "ip", "netns", "exec", n.proxy, os.Args[0], "run", "-c", file)
	p.await(`listener=admin`)
	inside(t, n.client, func() { hold(t, "10.0.1.1:80", 24) })
	r, ended := diagnoseAt(t, "-c", file, "--probe-timeout", "300ms")
	expectFinding(t, r, ended, "ephemeral-ports", "", nil, "24 of 30 ports (50000 to 50029) from 10.0.2.1 to 10.0.2.2:80", "ip_local_port_range")
}

func TestDoctorNamesAHairpinWithTheClientsAddress(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.echo("10.0.2.2:80")
	n.echo("10.0.2.3:80")
	file := write(t, filepath.Join(t.TempDir(), "a.toml"), `[admin]`, `listen = "unix:`+filepath.Join(t.TempDir(), "admin")+`"`,
		`[[listener]]`, `name = "in"`, `protocol = "TCP"`, `listen = "10.0.2.1:80"`, `service = "tcp"`,
		`[[service]]`, `name = "tcp"`, `source = "CLIENT"`, `endpoints = ["10.0.2.2:80", "10.0.2.3:80"]`)
	p := startAs(t, "ip", "netns", "exec", n.proxy, os.Args[0], "run", "-c", file)
	p.await(`listener=admin`)
	inside(t, n.endpoint, func() { hold(t, "10.0.2.1:80", 4) })
	r, ended := diagnoseAt(t, "-c", file, "--probe-timeout", "300ms")
	expectFinding(t, r, ended, "hairpin", "10.0.2.2:80", []string{"filtered", "refusing"}, "4 connections came from endpoints of the service itself", "a service of their own")
}

// echo gives everybody who connects in the endpoints' namespace back what they send.
func (n *network) echo(addr string) {
	n.t.Helper()
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
			n.t.Cleanup(func() { c.Close() })
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
}
