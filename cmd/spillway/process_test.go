//go:build unix

package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// A process is the command, run as one.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of standard error
	all   *lockedBuffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startAs(t, append([]string{os.Args[0]}, args...)...)
}

// startAs is start for a whole command line, of a program that becomes the command.
func startAs(t *testing.T, line ...string) *process {
	t.Helper()
	return startWith(t, func(*exec.Cmd) {}, line...)
}

// startWith is startAs for a process that prepare makes ready.
func startWith(t *testing.T, prepare func(*exec.Cmd), line ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(line[0], line[1:]...), lines: make(chan string, 1000), all: new(lockedBuffer)}
	p.cmd.Env = append(os.Environ(), "SPILLWAY_TEST_AS_COMMAND=1")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	prepare(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			io.WriteString(p.all, s.Text()+"\n")
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.lines { // to its end
		}
		_ = p.cmd.Wait()
	})
	return p
}

// await waits for a line of standard error that matches, and returns its first
// group.
func (p *process) await(pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(time.Minute)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("it ended without saying %s:\n%s", pattern, p.all)
			}
			if m := re.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
		case <-timeout:
			p.t.Fatalf("it never says %s:\n%s", pattern, p.all)
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for its end, or ends it after a minute, and returns the exit code.
func (p *process) exit() int {
	p.t.Helper()
	timer := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	for range p.lines { // until it has closed standard error
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

// ask sends one request on a connection of its own.
func ask(t *testing.T, addr string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	r, err := client.Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return string(body)
}

func httpFile(t *testing.T, path string, endpoints ...string) string {
	return write(t, path,
		`[proxy]`, `drain_timeout = "10s"`,
		`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `endpoints = ["`+strings.Join(endpoints, `", "`)+`"]`)
}

const listening = `listening.*listener=in.*address=(\S+)`

func TestTermDrainsAndExitsWith0(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := start(t, "run", "-c", httpFile(t, "a.toml", endpoint(t, "a")))
		addr := p.await(listening)
		if got := ask(t, addr); got != "a" {
			t.Errorf("answer %q", got)
		}
		p.signal(s)
		if code := p.exit(); code != 0 {
			t.Errorf("%v: exit code %d:\n%s", s, code, p.all)
		}
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			t.Error("it still listens")
		}
	}
}

func TestItRunsWithoutAFile(t *testing.T) {
	p := start(t, "run", "--listen", "127.0.0.1:0", "--to", endpoint(t, "a")+","+endpoint(t, "b"), "--policy", "round_robin")
	addr := p.await(`listening.*address=(\S+)`)
	got := map[string]int{}
	for range 10 {
		got[ask(t, addr)]++
	}
	if got["a"] != 5 || got["b"] != 5 {
		t.Errorf("answers %v", got)
	}
	p.signal(syscall.SIGHUP) // there is no file to reload; it goes on
	p.await(`reload failed`)
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.all)
	}
}

func TestHangUpReloadsAndABadFileChangesNothing(t *testing.T) {
	a, b := endpoint(t, "a"), endpoint(t, "b")
	file := httpFile(t, "a.toml", a)
	p := start(t, "run", file)
	addr := p.await(listening)

	httpFile(t, file, b)
	p.signal(syscall.SIGHUP)
	p.await(`reloaded`)
	if got := ask(t, addr); got != "b" {
		t.Errorf("after the reload %q answers", got)
	}
	write(t, file, `[[listener]]`, `listen = ":1"`, `[nonsense]`)
	p.signal(syscall.SIGHUP)
	p.await(regexp.QuoteMeta(file) + `:1: .*` + regexp.QuoteMeta(file) + `:3: `)
	if got := ask(t, addr); got != "b" {
		t.Errorf("after the refused reload %q answers", got)
	}
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.all)
	}
}

// A drain waits for the request that never ends; a second signal does not.
func TestASecondSignalStopsAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, "run", write(t, "a.toml",
		`[proxy]`, `drain_timeout = "1h"`,
		`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
		`[[service]]`, `name = "web"`, `timeout = "1h"`, `endpoints = ["`+l.Addr().String()+`"]`))
	conn, err := net.Dial("tcp", p.await(listening))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	atEndpoint, err := l.Accept() // so the request is under way
	if err != nil {
		t.Fatal(err)
	}
	defer atEndpoint.Close()

	p.signal(syscall.SIGTERM)
	p.await(`a second signal stops at once`)
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.all)
	}
}

func TestTheDemoEndsOnInterrupt(t *testing.T) {
	t.Parallel()
	out := new(lockedBuffer)
	p := startWith(t, func(c *exec.Cmd) { c.Stdout = out }, os.Args[0], "demo", "--policy", "RANDOM", "--duration", "10m")
	testkit.Eventually(t, func() bool { return out.String() != "" }) // before that an interrupt is not for it yet
	p.signal(os.Interrupt)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.all)
	}
}
