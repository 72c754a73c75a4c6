package health_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// endpoint is a real listener whose connections are each handed to serve, and closed when it returns.
func endpoint(t *testing.T, network, listen string, serve func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen(network, listen)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait()
	})
	if network == "unix" {
		return "unix:" + listen
	}
	return ln.Addr().String()
}

func tcpEndpoint(t *testing.T, serve func(net.Conn)) string {
	return endpoint(t, "tcp", "127.0.0.1:0", serve)
}

// check makes one attempt.
func check(t *testing.T, c health.Check, addr string) health.Result {
	t.Helper()
	checker, err := health.NewChecker(c)
	if err != nil {
		t.Fatal(err)
	}
	return checker.Check(t.Context(), addr)
}

// expect compares a result with what is expected: "" is success, and a failure is told by how its reason begins.
func expect(t *testing.T, r health.Result, reason string) {
	t.Helper()
	if r.OK != (reason == "") || r.OK != (r.Reason == "") || !strings.HasPrefix(r.Reason, reason) {
		t.Errorf("OK %v, reason %q; want reason %q", r.OK, r.Reason, reason)
	}
	if want := strings.HasPrefix(reason, "timeout"); r.Timeout != want {
		t.Errorf("Timeout %v, want %v (%q)", r.Timeout, want, r.Reason)
	}
	if r.Inconclusive {
		t.Error("inconclusive")
	}
	if r.Took <= 0 {
		t.Errorf("took %v", r.Took)
	}
}

// untilGone reads until the other side hangs up.
func untilGone(conn net.Conn) { io.Copy(io.Discard, conn) }

// reset ends the connection with an RST.
func reset(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// short is a timeout for checks that are to run into it.
const short = 100 * time.Millisecond

func TestTCPCheck(t *testing.T) {
	say := func(parts ...string) func(net.Conn) {
		return func(conn net.Conn) {
			for _, p := range parts {
				io.WriteString(conn, p)
				runtime.Gosched()
			}
			untilGone(conn)
		}
	}
	for _, c := range []struct {
		name   string
		check  health.Check
		serve  func(net.Conn)
		reason string
	}{
		{"connecting is enough", health.Check{}, untilGone, ""},
		{"closed at once, but connected", health.Check{}, func(net.Conn) {}, ""},
		{"greeting", health.Check{Response: "220 "}, say("220 mail ready\r\n"), ""},
		{"greeting in pieces", health.Check{Response: "220 mail"}, say("2", "20", " m", "ail ready"), ""},
		{"exactly", health.Check{Response: "ok"}, say("ok"), ""},
		{"wrong greeting", health.Check{Response: "220 "}, say("554 no\r\n"), `response begins "554 ", want "220 "`},
		{"wrong and too short", health.Check{Response: "220 mail"}, say("5"), `response begins "5", want "220 mail"`},
		{"ping", health.Check{Request: "PING\r\n", Response: "+PONG"}, func(conn net.Conn) {
			if line, _ := bufio.NewReader(conn).ReadString('\n'); line == "PING\r\n" {
				io.WriteString(conn, "+PONG\r\n")
			}
		}, ""},
		{"silent", health.Check{Response: "x", Timeout: short}, untilGone, "timeout after 100ms"},
		{"half, then silent", health.Check{Response: "abc", Timeout: short}, say("ab"), "timeout after 100ms"},
		{"half, then gone", health.Check{Response: "abc"}, func(conn net.Conn) { io.WriteString(conn, "ab") }, "connection closed before"},
		{"reset", health.Check{Response: "abc"}, reset, "connection reset"},
		{"endless", health.Check{Response: "abc"}, func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, "abcabcabcabc"); err != nil {
					return
				}
			}
		}, ""},
		{"endless and wrong", health.Check{Response: "abd"}, func(conn net.Conn) {
			for {
				if _, err := io.WriteString(conn, "abcabcabcabc"); err != nil {
					return
				}
			}
		}, `response begins "abc"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, check(t, c.check, tcpEndpoint(t, c.serve)), c.reason)
		})
	}
}

func TestHTTPCheck(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	answer := func(raw string) func(net.Conn) { // and hang up
		return func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, raw)
		}
	}
	stay := func(raw string) func(net.Conn) { // and wait for the other to hang up
		return func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, raw)
			untilGone(conn)
		}
	}
	forever := func(head, piece string) func(net.Conn) {
		return func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			_, err := io.WriteString(conn, head)
			for err == nil {
				_, err = io.WriteString(conn, piece)
			}
		}
	}
	sized := func(body string) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, len(body), body) }

	for _, c := range []struct {
		name     string
		response string
		serve    func(net.Conn)
		reason   string
	}{
		{"empty body", "", stay(ok + "Content-Length: 0\r\n\r\n"), ""},
		{"sized body", "", stay(sized("hello")), ""},
		{"chunked body", "", stay(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), ""},
		{"chunked body with a trailer", "", stay(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"), ""},
		{"body until the end", "", answer(ok + "\r\nhello"), ""},
		{"HTTP/1.0", "hello", answer("HTTP/1.0 200 OK\r\n\r\nhello"), ""},
		{"early hints first", "", stay("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + sized("hello")), ""},

		{"created", "", stay("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"), "status 201, want 200"},
		{"no content", "", stay("HTTP/1.1 204 No Content\r\n\r\n"), "status 204, want 200"},
		{"redirect", "", stay("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"), "status 302, want 200"},
		{"overloaded, whatever the body", "", stay("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9999\r\n\r\n"), "status 503, want 200"},
		{"switching protocols", "", stay("HTTP/1.1 101 Switching Protocols\r\n\r\n"), "status 101, want 200"},

		{"text in the body", "ready", stay(sized("all is ready now")), ""},
		{"text in a chunked body, across chunks", "ready", stay(ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nre\r\n3\r\nady\r\n0\r\n\r\n"), ""},
		{"text at the end of the window", "ready", stay(sized(strings.Repeat(".", 1019) + "ready" + strings.Repeat(".", 5000))), ""},
		{"text a byte too late", "ready", stay(sized(strings.Repeat(".", 1020) + "ready")), `body does not contain "ready"`},
		{"text missing", "ready", stay(sized("not yet")), `body does not contain "ready"`},
		{"text missing in no body", "ready", stay(ok + "Content-Length: 0\r\n\r\n"), `body does not contain "ready"`},
		{"text in the head only", "ready", stay(ok + "X-State: ready\r\nContent-Length: 0\r\n\r\n"), `body does not contain "ready"`},

		{"sized body cut", "", answer(ok + "Content-Length: 6\r\n\r\nhello"), "connection closed before the end"},
		{"sized body cut in the window, text found", "hello", answer(ok + "Content-Length: 6\r\n\r\nhello"), "connection closed before the end"},
		{"sized body cut beyond the window", "", answer(ok + "Content-Length: 3000\r\n\r\n" + strings.Repeat(".", 2999)), "connection closed before the end"},
		{"chunk cut", "", answer(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"), "connection closed before the end"},
		{"cut between chunks", "", answer(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "connection closed before the end"},
		{"cut before the last line", "", answer(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"), "connection closed before the end"},
		{"head cut", "", answer(ok + "Content-Le"), "connection closed before the end"},
		{"nothing at all", "", answer(""), "connection closed before the end"},
		{"closed at once", "", func(net.Conn) {}, "connection "}, // closed, or reset, as our request was in time or not
		{"reset", "", func(conn net.Conn) { http.ReadRequest(bufio.NewReader(conn)); reset(conn) }, "connection reset"},
		{"reset in the body", "", func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, ok+"\r\nhello")
			reset(conn)
		}, "connection reset"},

		{"not HTTP", "", stay("SSH-2.0-OpenSSH_9.9\r\n"), `not HTTP, begins "SSH-2.0-`},
		{"not HTTP, binary", "", stay("\x15\x03\x01\x00\x02\x02\x16"), `not HTTP, begins "\x15\x03`},
		{"status 000", "", stay("HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n"), "status 0, want 200"},
		{"two lengths", "", stay(ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), "malformed response"},
		{"broken status", "", stay("HTTP/1.1 abc OK\r\n\r\n"), `malformed response, begins "HTTP/1.1 abc`},
		{"broken chunk size", "", stay(ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), "malformed response"},
		{"head without end", "", forever(ok, "X: "+strings.Repeat("y", 100)+"\r\n"), "response head is longer than 16384 bytes"},
		{"1xx without end", "", forever("", "HTTP/1.1 100 Continue\r\n\r\n"), "response head is longer than 16384 bytes"},

		{"long body, read to its end", "", stay(sized(strings.Repeat(".", 60<<10))), ""},
		{"huge body", "", stay(sized(strings.Repeat(".", 1<<20))), ""},
		{"endless body", "", forever(ok+"\r\n", strings.Repeat(".", 4096)), ""},
		{"endless chunks", "", forever(ok+"Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), ""},
		{"endless body with text", "ready", forever(ok+"\r\nready", strings.Repeat(".", 4096)), ""},
		{"endless body without text", "ready", forever(ok+"\r\n", strings.Repeat(".", 4096)), "body does not contain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, check(t, health.Check{Type: "HTTP", Response: c.response}, tcpEndpoint(t, c.serve)), c.reason)
		})
	}

	for _, c := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"silent", untilGone},
		{"silent after the head", stay(ok + "Content-Length: 5\r\n\r\n")},
		{"silent in the head", stay(ok + "Content-")},
		{"silent in the body", stay(ok + "Content-Length: 5\r\n\r\nhell")},
		{"silent in a chunk", stay(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel")},
		{"silent before the last chunk", stay(ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")},
		{"no length, no end", stay(ok + "\r\nhello")},
		{"a byte now and then", func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			for _, c := range []byte(ok + "X: " + strings.Repeat("y", 1<<20)) {
				if _, err := conn.Write([]byte{c}); err != nil {
					return
				}
				conn.SetReadDeadline(time.Now().Add(short / 10))
				conn.Read(make([]byte, 1)) // a pause
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, check(t, health.Check{Type: "HTTP", Timeout: short}, tcpEndpoint(t, c.serve)), "timeout after 100ms")
		})
	}
}

func TestHTTPCheckSaysWhatTheSpecAsks(t *testing.T) {
	requests := make(chan *http.Request, 1)
	addr := tcpEndpoint(t, func(conn net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			requests <- req
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	for _, c := range []struct{ host, path, wantHost, wantURI string }{
		{"", "", addr, "/"},
		{"example.com", "/healthz?deep=1", "example.com", "/healthz?deep=1"},
	} {
		expect(t, check(t, health.Check{Type: "HTTP", Host: c.host, RequestPath: c.path}, addr), "")
		req := <-requests
		if req.Method != "GET" || req.Host != c.wantHost || req.RequestURI != c.wantURI || req.UserAgent() != "spillway-health-check" || !req.Close {
			t.Errorf("%s %s, Host %s, User-Agent %q, close %v; want GET %s, Host %s", req.Method, req.RequestURI, req.Host, req.UserAgent(), req.Close, c.wantURI, c.wantHost)
		}
	}
}

// TestNoConnectionIsUsedTwice counts the connections and waits for each to be closed by the check.
func TestNoConnectionIsUsedTwice(t *testing.T) {
	closed := make(chan int, 10)
	addr := tcpEndpoint(t, func(conn net.Conn) {
		n := 0
		for r := bufio.NewReader(conn); ; n++ {
			if _, err := http.ReadRequest(r); err != nil {
				closed <- n
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")
		}
	})
	for range 5 {
		expect(t, check(t, health.Check{Type: "HTTP"}, addr), "")
		if n := <-closed; n != 1 {
			t.Errorf("%d requests on one connection", n)
		}
	}
}

func TestUnixSocketsAreChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	hosts := make(chan string, 2)
	addr := endpoint(t, "unix", path, func(conn net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			hosts <- req.Host
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	expect(t, check(t, health.Check{}, addr), "")
	expect(t, check(t, health.Check{Type: "HTTP"}, addr), "")
	if host := <-hosts; host != "localhost" {
		t.Errorf("Host %q", host)
	}
	expect(t, check(t, health.Check{Port: 80}, addr), "a Unix socket has no port 80")
	expect(t, check(t, health.Check{}, addr+"gone"), "no such file")
}

func TestAnotherPortMayBeChecked(t *testing.T) {
	port := int(netip.MustParseAddrPort(tcpEndpoint(t, untilGone)).Port())
	expect(t, check(t, health.Check{Port: port}, "127.0.0.1:1"), "")
	expect(t, check(t, health.Check{Port: port}, "127.0.0.1"), "address 127.0.0.1: missing port")
}

func TestRefusalFailsAtOnce(t *testing.T) {
	addr := testkit.FreeAddr(t)
	for _, typ := range []string{"TCP", "HTTP"} {
		expect(t, check(t, health.Check{Type: typ}, addr), "connection refused")
	}
}

func TestAddressesThatAreNoneFailWithAReason(t *testing.T) {
	for addr, reason := range map[string]string{
		"":                         "",
		"127.0.0.1":                "address 127.0.0.1: missing port",
		"127.0.0.1:http:":          "address 127.0.0.1:http:: too many colons",
		"no.such.host.invalid.:80": "lookup no.such.host.invalid.: ",
		"unix:":                    "",
	} {
		r := check(t, health.Check{Timeout: short}, addr)
		if r.OK || r.Reason == "" || !strings.HasPrefix(r.Reason, reason) && !r.Timeout {
			t.Errorf("%q: OK %v, reason %q; want %q", addr, r.OK, r.Reason, reason)
		}
	}
}

// TestCancellationEndsACheckAtOnce cancels while the endpoint is silent. The timeout is far longer than the test.
func TestCancellationEndsACheckAtOnce(t *testing.T) {
	for _, c := range []health.Check{{Type: "HTTP"}, {Response: "x"}} {
		c.CheckInterval, c.Timeout = 300*time.Second, 300*time.Second
		checker, err := health.NewChecker(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		addr := tcpEndpoint(t, func(conn net.Conn) {
			cancel()
			untilGone(conn)
		})
		expect(t, checker.Check(ctx, addr), "check canceled")
	}
}

// TestAWatchSeesDeathAndRevival runs the whole of Watch over real sockets. On a busy machine a check may run into its
// timeout in between, which is another story.
func TestAWatchSeesDeathAndRevival(t *testing.T) {
	var status atomic.Value
	status.Store("200 OK")
	addr := tcpEndpoint(t, func(conn net.Conn) {
		http.ReadRequest(bufio.NewReader(conn))
		fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status.Load())
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	chapter := "it is well"
	err := health.Watch(ctx, health.Check{Type: "HTTP", CheckInterval: 20 * time.Millisecond, Timeout: 20 * time.Millisecond}, addr, func(e health.Event) {
		if why := map[health.Status]string{health.Unhealthy: "status 503, want 200"}[e.Status]; e.Changed && e.Status != health.Timeout && e.Reason != why {
			t.Errorf("%v because of %q", e.Status, e.Reason)
		}
		switch well := e.Status == health.Healthy; {
		case chapter == "it is well" && well:
			chapter = "it dies"
			status.Store("503 Service Unavailable")
		case chapter == "it dies" && !well && strings.HasPrefix(e.Reason, "status 503"):
			chapter = "it lives again"
			status.Store("200 OK")
		case chapter == "it lives again" && well:
			chapter = "the end"
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || chapter != "the end" {
		t.Errorf("Watch returned %v; the story came to %q", err, chapter)
	}
}
