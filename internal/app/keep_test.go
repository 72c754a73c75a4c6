package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// keepFile has a service for each protocol; route is what is changed about it.
func keepFile(web, echo, route string) string {
	return `
[[listener]]
name = "in"
listen = "127.0.0.1:0"
service = "web"
` + route + `
[[listener]]
name = "tcp"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "echo"
[[service]]
name = "web"
` + web + `
[[service]]
name = "echo"
protocol = "TCP"
` + list(echo)
}

// unrelated is a route that nobody uses; i tells it from others.
func unrelated(i int) string {
	return fmt.Sprintf("[[listener.route]]\npath_prefix = \"/unused%d\"\nfixed_response = { status = 200, body = \"ok\" }\n", i)
}

// echoing is an endpoint over TCP that answers with what it is sent, also after a
// request to upgrade.
func echoing(t *testing.T) string {
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
				r := bufio.NewReader(c)
				if b, _ := r.Peek(4); string(b) == "GET " {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				}
				_, _ = io.Copy(c, r)
			}()
		}
	}()
	return l.Addr().String()
}

// pains 1: a service that begins its round anew with each reload sends all to the
// first endpoint.
func TestOneRequestBetweenTwoReloadsEachIsStillARound(t *testing.T) {
	a, b, c := named(t, "a"), named(t, "b"), named(t, "c")
	echo := echoing(t)
	p := run(t, keepFile(list(a, b, c), echo, ""))
	got := map[string]int{}
	for i := range 60 {
		p.reload(keepFile(list(a, b, c), echo, unrelated(i)))
		_, body := p.get("in", "/")
		got[body]++
	}
	if got["a"] != 20 || got["b"] != 20 || got["c"] != 20 {
		t.Errorf("%v", got)
	}
}

// pains 23: a change of a route that has nothing to do with them kicks nobody.
func TestConnectionsStayThroughReloads(t *testing.T) {
	web, echo := echoing(t), echoing(t)
	p := run(t, keepFile(list(web), echo, ""))
	stream, err := net.Dial("tcp", p.ListenAddr("tcp").String())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	socket, err := net.Dial("tcp", p.ListenAddr("in").String())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	io.WriteString(socket, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if r, err := http.ReadResponse(bufio.NewReaderSize(socket, 16), nil); err != nil || r.StatusCode != 101 {
		t.Fatalf("%v, %v", r, err)
	}
	for i := range 10 {
		p.reload(keepFile(list(web), echo, unrelated(i)))
		for name, c := range map[string]net.Conn{"TCP": stream, "WebSocket": socket} {
			word := fmt.Sprintf("%s %d", name, i)
			io.WriteString(c, word)
			b := make([]byte, len(word))
			if _, err := io.ReadFull(c, b); err != nil || string(b) != word {
				t.Fatalf("%s after %d reloads: %q, %v", name, i+1, b, err)
			}
		}
	}
}

func TestAFileThatIsBadInWhateverWayChangesNothing(t *testing.T) {
	a, echo := named(t, "a"), echoing(t)
	p := run(t, keepFile(list(a), echo, ""))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := keepFile(list(a), echo, "")
	tls := func(cert string) string {
		return good + fmt.Sprintf("[[listener]]\nname=\"s\"\nlisten=\"127.0.0.1:0\"\nprotocol=\"HTTPS\"\nservice=\"web\"\n[listener.tls]\ncertificates=[{cert_file=%q,key_file=%q}]\n", cert, cert)
	}
	for _, c := range []struct{ name, file, says string }{
		{"syntax", "[[listener", "expected"},
		{"no such file", "", "no such file"},
		{"an unknown key", good + "nonsense = 1\n", "nonsense"},
		{"an unknown service", strings.Replace(good, `service = "web"`, `service = "wep"`, 1), "wep"},
		{"a certificate that is not there", tls("/nowhere.pem"), "/nowhere.pem"},
		{"a certificate that is none", tls(garbage), garbage},
		{"a port that is taken", good + "[[listener]]\nlisten = \"" + taken.Addr().String() + "\"\nservice = \"web\"\n", "address already in use"},
		{"what cannot change", "[proxy]\nid = \"other\"\n" + good, "proxy.id: cannot change without a restart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := p.Balancer("web").Snapshot()
			if p.write(c.file); c.file == "" {
				os.Remove(p.file)
			}
			if err := p.Reload(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if p.Balancer("web").Snapshot() != before {
				t.Error("another snapshot")
			}
			if status, body := p.get("in", "/"); status != 200 || body != "a" {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

// pains 24: no generation of the file stays behind, nor of its listeners.
func TestTwoHundredReloadsLeaveNothingBehind(t *testing.T) {
	a, b, echo := named(t, "a"), named(t, "b"), echoing(t)
	extra := "[[listener]]\nname = \"extra\"\nlisten = \"127.0.0.1:0\"\nservice = \"web\"\n"
	p := run(t, "[proxy]\ndrain_timeout = \"10ms\"\n"+keepFile(list(a), echo, ""))
	defer http.DefaultClient.CloseIdleConnections()
	turn := func(i int) {
		file := "[proxy]\ndrain_timeout = \"10ms\"\n" + keepFile(list(a, b)+"locality_lb_policy = \"MAGLEV\"\n", echo, unrelated(i))
		if i%2 == 0 {
			file = strings.Replace(file, "[[service]]", extra+"[[service]]", 1)
		}
		p.reload(file)
	}
	for i := range 20 {
		turn(i)
	}
	goroutines, heap := footprint()
	for i := range 200 {
		turn(i)
	}
	testkit.Eventually(t, func() bool { // a listener that has gone ends in its own time
		n, _ := footprint()
		return n <= goroutines+4
	})
	if _, after := footprint(); after > heap+4<<20 {
		t.Errorf("the heap has grown from %d to %d bytes", heap, after)
	}
	p.get("in", "/")
}

// footprint is how many goroutines there are, and how much live heap.
func footprint() (goroutines int, heap uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}
