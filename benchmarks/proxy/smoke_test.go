//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the harness start this test program as its load and endpoint processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "load" || os.Args[1] == "endpoint") {
		if err := dispatch(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A relay is the simplest proxy: it copies bytes both ways and adds nothing.
type relay struct {
	ln net.Listener
	to []string
	wg sync.WaitGroup
}

func startRelay(t *testing.T, to []string) string {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startRelayOn(t, ln, to)
}

// startTLSRelay starts one whose clients speak TLS.
func startTLSRelay(t *testing.T, to []string) string {
	file, err := writeCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	return startRelayOn(t, ln, to)
}

func startRelayOn(t *testing.T, ln net.Listener, to []string) string {
	r := &relay{ln: ln, to: to}
	r.wg.Go(r.serve)
	t.Cleanup(func() {
		ln.Close()
		r.wg.Wait()
	})
	return ln.Addr().String()
}

func (r *relay) serve() {
	for i := 0; ; i++ {
		client, err := r.ln.Accept()
		if err != nil {
			return
		}
		endpoint, err := net.Dial("tcp4", r.to[i%len(r.to)])
		if err != nil {
			client.Close()
			continue
		}
		r.wg.Go(func() { pipe(client, endpoint) })
		r.wg.Go(func() { pipe(endpoint, client) })
	}
}

// pipe ends both when one direction has ended; the other pipe of the pair then ends too.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}

// startDatagramRelay relays for each client by a socket of its own.
func startDatagramRelay(t *testing.T, to string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		sessions := map[string]net.Conn{}
		b := make([]byte, 1<<16)
		for {
			n, client, err := conn.ReadFrom(b)
			if err != nil {
				for _, s := range sessions {
					s.Close()
				}
				return
			}
			s := sessions[client.String()]
			if s == nil {
				if s, err = net.Dial("udp4", to); err != nil {
					t.Error(err)
					continue
				}
				sessions[client.String()] = s
				all.Go(func() {
					b := make([]byte, 1<<16)
					for {
						n, err := s.Read(b)
						if err != nil {
							return
						}
						conn.WriteTo(b[:n], client)
					}
				})
			}
			s.Write(b[:n])
		}
	})
	t.Cleanup(func() { conn.Close(); all.Wait() })
	return conn.LocalAddr().String()
}

func newBench(t *testing.T) *bench {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &bench{self: self, dir: t.TempDir(), proxyCore: unpinned, loadCore: unpinned, progress: io.Discard}
}

func TestEveryKindOfWorkGoesThroughARelay(t *testing.T) {
	b := newBench(t)
	endpoints, to, err := b.startEndpoints(t.Context(), scenario{Name: "smoke"})
	if err != nil {
		t.Fatal(err)
	}
	defer endpoints.stop(syscall.SIGKILL)
	web, echoes, streams := startRelay(t, to.HTTP), startRelay(t, to.Echo), startRelay(t, to.Stream)
	secure := startTLSRelay(t, to.HTTP)

	for _, sc := range scenarios {
		t.Run(sc.Name, func(t *testing.T) {
			addr := web
			switch sc.Kind {
			case echo, echoFresh:
				addr = echoes
			case datagrams:
				addr = startDatagramRelay(t, to.Datagrams[0])
			case stream:
				addr = streams
			case tlsKept, tlsFresh:
				addr = secure
			}
			if sc.tcp() || sc.udp() {
				if err := checkProxy(sc, addr); err != nil {
					t.Fatal(err)
				}
			}
			if sc.Kind == idle {
				sc.Conns = 200
			}
			res, err := b.load(t.Context(), loadSpec{
				Scenario: sc, Addr: addr, Warmup: 50 * time.Millisecond, Duration: 200 * time.Millisecond,
				ProxyPIDs: []int{os.Getpid()}, LoadPIDs: []int{endpoints.pid()},
			})
			if err != nil {
				t.Fatal(err)
			}
			if res.Errors > 0 {
				t.Errorf("%d errors, the first: %s", res.Errors, res.First)
			}
			if sc.Kind == idle {
				if res.Ops != 200 || res.RSSBefore == 0 || res.RSSAfter == 0 {
					t.Errorf("%d connections, %d and %d bytes resident", res.Ops, res.RSSBefore, res.RSSAfter)
				}
				return
			}
			if res.ProxyCPU == 0 || res.LoadCPU == 0 || res.Wall < 200*time.Millisecond {
				t.Errorf("CPU %v and %v in %v", res.ProxyCPU, res.LoadCPU, res.Wall)
			}
			if sc.Kind != stream && (res.P50 == 0 || res.P99 < res.P50) {
				t.Errorf("latencies %v and %v", res.P50, res.P99)
			}
		})
	}
}

func TestAFixedNumberOfOperationsIsDoneAndNoMore(t *testing.T) {
	b := newBench(t)
	endpoints, to, err := b.startEndpoints(t.Context(), scenario{Name: "fixed"})
	if err != nil {
		t.Fatal(err)
	}
	defer endpoints.stop(syscall.SIGKILL)
	for _, name := range []string{"S1", "S5"} {
		sc := named(t, name)
		res, err := b.load(t.Context(), loadSpec{Scenario: sc, Addr: to.HTTP[0], Total: 10 * sc.Conns})
		if err != nil {
			t.Fatal(err)
		}
		if res.Ops != uint64(10*sc.Conns) || res.Errors > 0 {
			t.Errorf("%s: %d operations of %d, %d errors", name, res.Ops, 10*sc.Conns, res.Errors)
		}
	}
}

func TestSlowReadersAreGivenSomethingToRead(t *testing.T) {
	b := newBench(t)
	endpoints, to, err := b.startEndpoints(t.Context(), scenario{Name: "slow"})
	if err != nil {
		t.Fatal(err)
	}
	defer endpoints.stop(syscall.SIGKILL)
	argv := attackArguments("-X", to.HTTP[0])
	url := argv[slices.Index(argv, "-u")+1]
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK || n != slowBody || err != nil {
		t.Errorf("GET %s: %s, %d bytes, %v", url, resp.Status, n, err)
	}
}

func TestClientsThatPauseDoNotHurry(t *testing.T) {
	b := newBench(t)
	endpoints, to, err := b.startEndpoints(t.Context(), scenario{Name: "pause"})
	if err != nil {
		t.Fatal(err)
	}
	defer endpoints.stop(syscall.SIGKILL)
	sc := named(t, "SlowH")
	res, err := b.load(t.Context(), loadSpec{Scenario: sc, Addr: to.HTTP[0], Duration: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if most := uint64(res.Wall/sc.Pause+1) * uint64(sc.Conns); res.Ops > most || res.Errors > 0 {
		t.Errorf("%d operations in %v, at most %d have room; %d errors", res.Ops, res.Wall, most, res.Errors)
	}
}

func TestAProxyThatDoesNotSayWhoAskedIsRefused(t *testing.T) {
	b := newBench(t)
	endpoints, to, err := b.startEndpoints(t.Context(), scenario{Name: "refused"})
	if err != nil {
		t.Fatal(err)
	}
	defer endpoints.stop(syscall.SIGKILL)
	if err := checkProxy(scenarios[0], startRelay(t, to.HTTP)); err == nil || !strings.Contains(err.Error(), "X-Forwarded-For") {
		t.Errorf("a relay without X-Forwarded-For: %v", err)
	}
}

func TestAProxyThatAnswersOtherwiseIsRefused(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			conn.Close()
		}
	}()
	if err := checkProxy(scenarios[0], ln.Addr().String()); err == nil {
		t.Error("a proxy that answers 502 passes the check")
	}
	if err := checkProxy(scenario{Kind: echo}, ln.Addr().String()); err == nil {
		t.Error("what does not echo passes the check")
	}
	_, err = newBench(t).load(t.Context(), loadSpec{Scenario: scenarios[0], Addr: ln.Addr().String(), Duration: 100 * time.Millisecond})
	if err == nil {
		t.Error("a load that gets nothing but 502 is a result")
	}
}

func TestAProxyThatIsGoneEndsTheLoad(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	_, err = newBench(t).load(t.Context(), loadSpec{Scenario: scenarios[0], Addr: ln.Addr().String(), Duration: 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error: %v", err)
	}
}

func TestStopInsists(t *testing.T) {
	p, err := launch(unpinned, t.TempDir()+"/log", nil, "/bin/sh", "-c", `trap "" TERM; echo ready; while :; do sleep 1; done`)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.until(t.Context(), func() bool { return p.said() == "ready" }); err != nil {
		p.stop(syscall.SIGKILL)
		t.Fatal(err)
	}
	p.stop(syscall.SIGTERM)
	if !p.ended() {
		t.Error("a process that ignores SIGTERM is still there")
	}
}

func TestAProcessThatEndsEarlyIsReportedWithItsWords(t *testing.T) {
	p, err := launch(unpinned, t.TempDir()+"/log", nil, "/bin/sh", "-c", "echo no such option; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	err = p.until(t.Context(), func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("error: %v", err)
	}
	p.stop(syscall.SIGTERM)
}
