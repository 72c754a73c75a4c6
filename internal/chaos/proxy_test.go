//go:build linux

package chaos_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Where the proxy listens.
const (
	webAddr     = "127.0.0.1:18000"
	sessionAddr = "127.0.0.1:18001"
	streamAddr  = "127.0.0.1:18002"
	adminAddr   = "127.0.0.1:18003"
)

// What the file says, and what follows from it.
const (
	checkInterval = 500 * time.Millisecond
	checkTimeout  = 400 * time.Millisecond
	threshold     = 2
	// A check begins a tenth of an interval late at most.
	detection    = checkInterval*(threshold-1) + checkTimeout + checkInterval*11/10
	drainTimeout = 5 * time.Second
	maxEjected   = 50 // percent
)

// A proxy is the binary, and the process that is in charge now.
type proxy struct {
	t              *testing.T
	dir, bin, file string
	log            *os.File
	pid            int
	gone           chan struct{} // closed when the process that was started first has ended
}

// newProxy builds the binary and starts it in front of hosts.
func newProxy(t *testing.T, hosts []string) *proxy {
	p := &proxy{t: t, dir: t.TempDir(), gone: make(chan struct{})}
	p.bin, p.file = filepath.Join(p.dir, "spillway"), filepath.Join(p.dir, "spillway.toml")
	if out, err := exec.Command("go", "build", "-o", p.bin, "../../cmd/spillway").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p.write(hosts)
	var err error
	if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p.bin, "run", "-c", p.file)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	go func() {
		defer close(p.gone)
		_ = cmd.Wait()
	}()
	t.Cleanup(p.stop)
	p.await("ready", func() bool { return p.get("/readyz", nil) == nil })
	return p
}

// write writes the file: three services of the same hosts.
func (p *proxy) write(hosts []string) {
	var b strings.Builder
	fmt.Fprintf(&b, `
[admin]
listen = %q
[proxy]
drain_timeout = %q
`, adminAddr, drainTimeout)
	for _, l := range [][3]string{{"web", "HTTP", webAddr}, {"session", "HTTP", sessionAddr}, {"stream", "TCP", streamAddr}} {
		fmt.Fprintf(&b, "[[listener]]\nname = %q\nprotocol = %q\nlisten = %q\nservice = %q\n", l[0], l[1], l[2], l[0])
	}
	b.WriteString(httpService("web", hosts) + `locality_lb_policy = "LEAST_REQUEST"` + common + retries + ejection)
	b.WriteString(httpService("session", hosts) + `session_affinity = "STRONG_COOKIE_AFFINITY"` + common + retries + ejection + `
[service.strong_session_affinity_cookie]
name = "S"
keys = ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
[service.connection_draining]
keep_sessions = true
`)
	b.WriteString(service("stream", hosts, tcpPort) + `protocol = "TCP"
timeout = "60s"` + common + `
port = ` + httpPort + `
[service.connection_draining]
draining_timeout = "2s"
`)
	if err := os.WriteFile(p.file, []byte(b.String()), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

const (
	retries = `
[service.retry]
retry_on = ["5xx", "connect-failure", "refused-stream"]
num_retries = 5
per_try_timeout = "1s"
`
	ejection = `
[service.outlier_detection]
interval = "1s"
base_ejection_time = "2s"
max_ejection_time = "10s"
`
)

var common = fmt.Sprintf(`
connect_timeout = "300ms"
[service.health_check]
type = "HTTP"
request_path = "/health"
check_interval = %q
timeout = %q
healthy_threshold = 2
unhealthy_threshold = %d
`, checkInterval, checkTimeout, threshold)

func service(name string, hosts []string, port string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[[service]]\nname = %q\nendpoints = [\n", name)
	for _, h := range hosts {
		fmt.Fprintf(&b, "  { address = \"%s:%s\", id = %q },\n", h, port, h)
	}
	b.WriteString("]\n")
	return b.String()
}

func httpService(name string, hosts []string) string {
	return service(name, hosts, httpPort) + "timeout = \"10s\"\nkeepalive_timeout = \"2s\"\n"
}

// admin asks the admin API; into may be nil.
func (p *proxy) admin(method, path string, body, into any) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequest(method, "http://"+adminAddr+path, &b)
	if err != nil {
		return err
	}
	answer, err := direct.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var text bytes.Buffer
		_, _ = text.ReadFrom(answer.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, &text)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

func (p *proxy) get(path string, into any) error { return p.admin("GET", path, nil, into) }

// await waits up to half a minute.
func (p *proxy) await(what string, cond func() bool) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("the proxy is not %s; its log:\n%s", what, p.tail())
		}
	}
}

func (p *proxy) tail() string {
	b, _ := os.ReadFile(p.log.Name())
	return string(b[max(0, len(b)-8000):])
}

// upgrade has the proxy replace itself. The old process is waited for in the
// background.
func (p *proxy) upgrade() error {
	if out, err := exec.Command(p.bin, "upgrade", "--admin", adminAddr).CombinedOutput(); err != nil {
		return fmt.Errorf("upgrade: %w: %s", err, out)
	}
	old, next := p.pid, 0
	for _, pid := range p.processes() {
		if pid != old {
			next = max(next, pid)
		}
	}
	if next == 0 {
		return fmt.Errorf("upgrade: no other process is there but %d", old)
	}
	p.pid = next
	return nil
}

// processes are those of the binary that have not ended.
func (p *proxy) processes() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if exe, err := os.Readlink("/proc/" + e.Name() + "/exe"); err == nil && exe == p.bin {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stop ends all that is left.
func (p *proxy) stop() {
	for _, pid := range p.processes() {
		if process, err := os.FindProcess(pid); err == nil {
			_ = process.Kill()
		}
	}
	<-p.gone
	p.log.Close()
	if p.t.Failed() {
		p.t.Logf("the proxy's log ends so:\n%s", p.tail())
	}
}

// open is what the descriptors of the process in charge are.
func (p *proxy) open() (targets []string) {
	dir := fmt.Sprintf("/proc/%d/fd/", p.pid)
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		target, _ := os.Readlink(dir + e.Name())
		targets = append(targets, target)
	}
	return targets
}

// metric sums a metric over its labels.
func (p *proxy) metric(name string) float64 {
	answer, err := direct.Get("http://" + adminAddr + "/metrics")
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(answer.Body)
	sum := 0.0
	for line := range strings.Lines(b.String()) {
		f := strings.Fields(line)
		if len(f) == 2 && (f[0] == name || strings.HasPrefix(f[0], name+"{")) {
			x, _ := strconv.ParseFloat(f[1], 64)
			sum += x
		}
	}
	return sum
}
