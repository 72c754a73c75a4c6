//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

var upgrades = flag.Int("upgrades", 3, "how many upgrades are made under load")

// An upgradable is a proxy with a listener of each kind, whose processes follow each
// other.
type upgradable struct {
	*process
	t     *testing.T
	file  string
	admin string // its socket
	http  string
	tcp   string
	udp   string
	unix  string
	pids  []int
}

func startUpgradable(t *testing.T, engine string) *upgradable {
	t.Helper()
	dir := t.TempDir()
	u := &upgradable{t: t, admin: "unix:" + filepath.Join(dir, "admin"), unix: filepath.Join(dir, "web")}
	echo := endpointTCP(t)
	u.file = write(t, filepath.Join(dir, "u.toml"),
		`[proxy]`, `drain_timeout = "20s"`, `engine = "`+engine+`"`,
		`[admin]`, `listen = "`+u.admin+`"`,
		`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[listener]]`, `name = "socket"`, `listen = "unix:`+u.unix+`"`, `service = "web"`,
		`[[listener]]`, `name = "tcp"`, `listen = "127.0.0.1:0"`, `protocol = "TCP"`, `service = "echo"`,
		`[[listener]]`, `name = "udp"`, `listen = "127.0.0.1:0"`, `protocol = "UDP"`, `service = "dgram"`,
		`[[service]]`, `name = "web"`, `keepalive_timeout = "1s"`, `endpoints = ["`+endpoint(t, "a")+`", "`+endpoint(t, "b")+`"]`,
		`[[service]]`, `name = "echo"`, `protocol = "TCP"`, `endpoints = ["`+echo+`"]`,
		`[[service]]`, `name = "dgram"`, `protocol = "UDP"`, `endpoints = ["`+endpointUDP(t)+`"]`)
	u.process = start(t, "run", u.file)
	u.pids = []int{u.cmd.Process.Pid}
	t.Cleanup(func() {
		for _, pid := range u.pids[1:] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	u.http = u.await(listening)
	u.tcp = u.await(`listening.*listener=tcp.*address=(\S+)`)
	u.udp = u.await(`listening.*listener=udp.*address=(\S+)`)
	u.await(`listening.*listener=admin`)
	return u
}

// upgrade makes the newest process hand over, and returns its successor's id.
func (u *upgradable) upgrade() int {
	u.t.Helper()
	var said struct{ PID int }
	r := spillway(u.t, "upgrade", "--json", "--admin", u.admin).want(u.t, 0)
	if err := json.Unmarshal([]byte(r.out), &said); err != nil || said.PID == 0 {
		u.t.Fatalf("%q, %v", r.out, err)
	}
	u.pids = append(u.pids, said.PID)
	return said.PID
}

// endpointTCP starts an endpoint that answers with what it is sent.
func endpointTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// endpointUDP is endpointTCP for datagrams.
func endpointUDP(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
	return c.LocalAddr().String()
}

// A crowd is clients that never stop asking.
type crowd struct {
	stop     atomic.Bool
	asked    atomic.Int64
	failed   atomic.Int64
	mu       sync.Mutex
	failures []string
	wg       sync.WaitGroup
}

func (l *crowd) fail(what string, err error) {
	l.failed.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) < 10 {
		l.failures = append(l.failures, fmt.Sprintf("%s: %v", what, err))
	}
}

// ask makes n clients send requests; each has a transport of its own.
func (l *crowd) ask(n int, what string, transport func() *http.Transport, pause time.Duration) {
	for range n {
		l.wg.Go(func() {
			tr := transport()
			defer tr.CloseIdleConnections()
			client := http.Client{Transport: tr, Timeout: 10 * time.Second}
			for !l.stop.Load() {
				// POST: net/http does not send it again when a connection turns out to be dead.
				r, err := client.Post("http://proxy/", "text/plain", strings.NewReader("x"))
				l.asked.Add(1)
				if err != nil {
					l.fail(what, err)
					continue
				}
				b, err := io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || r.StatusCode != http.StatusOK || len(b) != 1 {
					l.fail(what, fmt.Errorf("%s %q %v", r.Status, b, err))
				}
				time.Sleep(pause)
			}
		})
	}
}

func (l *crowd) end(t *testing.T) {
	l.stop.Store(true)
	l.wg.Wait()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed:\n%s", n, l.asked.Load(), strings.Join(l.failures, "\n"))
	}
}

func to(network, addr string, keep bool) func() *http.Transport {
	return func() *http.Transport {
		return &http.Transport{DisableKeepAlives: !keep, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		}}
	}
}

// say sends a word on a connection and wants it back.
func say(c net.Conn, word string) error {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, word); err != nil {
		return err
	}
	b := make([]byte, len(word))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	if string(b) != word {
		return fmt.Errorf("got %q for %q", b, word)
	}
	return nil
}

// isGone reports whether a process has ended, whether or not somebody has noticed.
func isGone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(after, "Z")
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// spec.md §9.3, pains 25.
func TestUpgradesUnderLoadLoseNothing(t *testing.T) {
	for _, engine := range []string{"loop", "stream"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			u := startUpgradable(t, engine)
			stream, err := net.Dial("tcp", u.tcp)
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			if err := say(stream, "before"); err != nil {
				t.Fatal(err)
			}

			var l crowd
			l.ask(2, "kept connection", to("tcp", u.http, true), 0)
			l.ask(2, "kept connection, with pauses", to("tcp", u.http, true), 7*time.Millisecond)
			l.ask(2, "new connections", to("tcp", u.http, false), time.Millisecond)
			l.ask(1, "new connections, unix", to("unix", u.unix, false), time.Millisecond)
			defer l.end(t)
			var first int
			for i := range *upgrades {
				before := l.asked.Load()
				testkit.Eventually(t, func() bool { return l.asked.Load() > before+50 })
				pid := u.upgrade()
				if i == 0 {
					first = descriptors(t, pid)
				}
				if err := say(stream, "during"); err != nil {
					t.Fatalf("the stream, after %d upgrades: %v", i+1, err)
				}
				testkit.Eventually(t, func() bool { return isGone(u.pids[i]) == (i > 0) }) // the first has the stream
			}
			before := l.asked.Load()
			testkit.Eventually(t, func() bool { return l.asked.Load() > before+50 })
			l.end(t)
			t.Logf("%d upgrades, %d requests, %d failed", *upgrades, l.asked.Load(), l.failed.Load())

			newest := u.pids[len(u.pids)-1]
			udp, err := net.Dial("udp", u.udp)
			if err != nil {
				t.Fatal(err)
			}
			defer udp.Close()
			if err := say(udp, "datagram"); err != nil {
				t.Errorf("UDP after all upgrades: %v", err)
			}
			if err := say(stream, "after"); err != nil {
				t.Errorf("the stream, after all upgrades: %v", err)
			}
			stream.Close()
			testkit.Eventually(t, func() bool { return isGone(u.pids[0]) })
			if isGone(newest) {
				t.Fatal("nobody is left")
			}
			var n int
			defer func() {
				if t.Failed() {
					t.Logf("%d descriptors after %d upgrades, %d after the first", n, *upgrades, first)
				}
			}()
			testkit.Eventually(t, func() bool { // idle connections to endpoints end
				n = descriptors(t, newest)
				return n <= first+4
			})
			_ = syscall.Kill(newest, syscall.SIGTERM)
			testkit.Eventually(t, func() bool { return isGone(newest) })
			if _, err := os.Stat(u.unix); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket's path is left: %v", err)
			}
		})
	}
}

// Whatever is wrong with the one that is to come, the one that is there goes on.
func TestAnUpgradeThatFailsChangesNothing(t *testing.T) {
	u := startUpgradable(t, "loop")
	good, err := os.ReadFile(u.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, file, says string }{
		{"a bad file", "nonsense = 1\n", `u\.toml:1: nonsense`},
		{"a port that is taken", string(good) + "[[listener]]\nlisten = \"" + taken(t) + "\"\nservice = \"web\"\n", `address already in use`},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, u.file, c.file)
			r := spillway(t, "upgrade", "--admin", u.admin).want(t, 1)
			if !regexp.MustCompile(c.says).MatchString(r.err) {
				t.Errorf("the verb says %q", r.err)
			}
			u.await(`upgrade failed; this process goes on`)
			u.signal(syscall.SIGUSR2)
			u.await(`upgrade failed; this process goes on.*` + c.says)
			if got := ask(t, u.http); got != "a" && got != "b" {
				t.Errorf("answer %q", got)
			}
			client := http.Client{Transport: to("unix", u.unix, false)()}
			if r, err := client.Get("http://proxy/"); err != nil {
				t.Errorf("by the Unix socket: %v", err)
			} else {
				r.Body.Close()
			}
		})
	}
	write(t, u.file, string(good))
	u.signal(syscall.SIGUSR2)
	pid, _ := strconv.Atoi(u.await(`another process has taken over.*pid=(\d+)`))
	u.pids = append(u.pids, pid)
	testkit.Eventually(t, func() bool { return isGone(u.pids[0]) })
	ask(t, u.http)
}

// taken is an address that somebody listens on.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
