//go:build linux

package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// A manager hears what sd_notify(3) says.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, c}
}

// await waits for a message with a line that begins so, and returns the message.
func (m *manager) await(prefix string) string {
	m.t.Helper()
	b := make([]byte, 4096)
	_ = m.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("nobody says %s: %v", prefix, err)
		}
		if slices.ContainsFunc(strings.Split(string(b[:n]), "\n"), func(l string) bool { return strings.HasPrefix(l, prefix) }) {
			return string(b[:n])
		}
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	file := httpFile(t, "a.toml", endpoint(t, "a"))
	p := start(t, "run", file)
	m.await("READY=1")
	m.await("WATCHDOG=1")

	p.signal(syscall.SIGHUP)
	if said := m.await("RELOADING=1"); !strings.Contains(said, "\nMONOTONIC_USEC=") {
		t.Errorf("a reload says %q", said)
	}
	m.await("READY=1")
	good, _ := os.ReadFile(file)
	write(t, file, "nonsense = 1")
	p.signal(syscall.SIGHUP)
	m.await("RELOADING=1")
	if said := m.await("READY=1"); !strings.Contains(said, "1 refused") {
		t.Errorf("a refused reload says %q", said)
	}
	write(t, file, string(good))

	p.signal(syscall.SIGUSR2)
	said := m.await("MAINPID=")
	pid, _ := strconv.Atoi(said[len("MAINPID="):strings.Index(said, "\n")])
	if pid == 0 || pid == p.cmd.Process.Pid {
		t.Fatalf("an upgrade says %q", said)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	testkit.Eventually(t, func() bool { return isGone(p.cmd.Process.Pid) })
	m.await("WATCHDOG=1") // the successor's
	_ = syscall.Kill(pid, syscall.SIGTERM)
	m.await("STOPPING=1")
}

// activated starts the proxy with sockets that somebody else has opened.
func activated(t *testing.T, file, names string, sockets ...*os.File) *process {
	t.Helper()
	prepare := func(c *exec.Cmd) {
		c.ExtraFiles = sockets
		c.Env = append(c.Env, "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+names)
	}
	return startWith(t, prepare, "sh", "-c", `LISTEN_PID=$$ exec "$0" run "$1"`, os.Args[0], file)
}

func TestSocketsOfTheServiceManagerAreTaken(t *testing.T) {
	t.Parallel()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	path := filepath.Join(t.TempDir(), "web")
	unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	var files []*os.File
	for _, s := range []interface{ File() (*os.File, error) }{tcp, udp, unix} {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	// By address, by name whatever the address, and by path.
	file := write(t, "a.toml",
		`[proxy]`, `drain_timeout = "5s"`,
		`[[listener]]`, `name = "in"`, `listen = "`+tcp.Addr().String()+`"`, `service = "web"`,
		`[[listener]]`, `name = "dns"`, `listen = ":53"`, `protocol = "UDP"`, `service = "dgram"`,
		`[[listener]]`, `name = "socket"`, `listen = "unix:`+path+`"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = ["`+endpoint(t, "a")+`"]`,
		`[[service]]`, `name = "dgram"`, `protocol = "UDP"`, `endpoints = ["`+endpointUDP(t)+`"]`)
	p := activated(t, file, "spillway.socket:dns:spillway.socket", files...)
	works := func() {
		t.Helper()
		if got := ask(t, tcp.Addr().String()); got != "a" {
			t.Errorf("by TCP: %q", got)
		}
		c, err := net.Dial("udp", udp.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := say(c, "datagram"); err != nil {
			t.Errorf("by UDP: %v", err)
		}
		client := http.Client{Transport: to("unix", path, false)()}
		r, err := client.Get("http://proxy/")
		if err != nil {
			t.Fatalf("by the Unix socket: %v", err)
		}
		r.Body.Close()
	}
	p.await(listening)
	works()
	p.signal(syscall.SIGUSR2)
	pid, _ := strconv.Atoi(p.await(`another process has taken over.*pid=(\d+)`))
	defer syscall.Kill(pid, syscall.SIGKILL)
	testkit.Eventually(t, func() bool { return isGone(p.cmd.Process.Pid) })
	works()

	// Who comes between two starts waits for the second.
	_ = syscall.Kill(pid, syscall.SIGTERM)
	testkit.Eventually(t, func() bool { return isGone(pid) })
	waits := make(chan string)
	go func() { waits <- ask(t, tcp.Addr().String()) }()
	p = activated(t, file, "spillway.socket:dns:spillway.socket", files...)
	if got := <-waits; got != "a" {
		t.Errorf("who has waited gets %q", got)
	}
	works()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the manager's socket lost its path: %v", err)
	}
}

func TestSocketsThatCannotBeServedAreRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := activated(t, httpFile(t, "a.toml", endpoint(t, "a")), "in", f)
	p.await(`"in" \(descriptor 3\): it does not listen; is Accept=yes set`)
	if code := p.exit(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// With systemd's own tool, where it is.
func TestSystemdSocketActivate(t *testing.T) {
	if _, err := exec.LookPath("systemd-socket-activate"); err != nil {
		t.Skip("systemd-socket-activate is not installed")
	}
	addr := testkit.FreeAddr(t)
	file := write(t, "a.toml", `[[listener]]`, `name = "in"`, `listen = "`+addr+`"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = ["`+endpoint(t, "a")+`"]`)
	p := startAs(t, "systemd-socket-activate", "-l", addr, "--fdname=in", "-E", "SPILLWAY_TEST_AS_COMMAND=1", os.Args[0], "run", file)
	p.await(`Listening on`)
	if got := ask(t, addr); got != "a" { // it is started by this
		t.Errorf("answer %q", got)
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.all)
	}
}
