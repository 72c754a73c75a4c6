//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Clients that reuse their connections, with requests that nobody may repeat, see no
// failure while the proxy shuts down: each gets its answer, and the last of a
// connection says that it is. While it drains, readyz is 503.
func TestNoRequestFailsWhileItShutsDown(t *testing.T) {
	for _, engine := range []string{"loop", "stream"} {
		if engine == "loop" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(engine, func(t *testing.T) {
			p := start(t, "run", write(t, "a.toml",
				`[admin]`, `listen = "127.0.0.1:0"`, `[proxy]`, `drain_timeout = "10s"`, `engine = "`+engine+`"`,
				`[[listener]]`, `name = "in"`, `listen = "127.0.0.1:0"`, `service = "web"`,
				`[[service]]`, `name = "web"`, `endpoints = ["`+endpoint(t, "a")+`"]`))
			addr := p.await(listening)
			admin := p.await(`listening.*listener=admin.*address=(\S+)`)

			var clients sync.WaitGroup
			var answered, last atomic.Int64
			for i := range 20 {
				clients.Go(func() {
					n, err := reuse(addr, time.Duration(i)*time.Millisecond)
					answered.Add(n)
					if err != nil {
						t.Errorf("client %d, after %d answers: %v", i, n, err)
						return
					}
					last.Add(1)
				})
			}
			slow := dialSlow(t, addr)
			for range 20 { // by then all of them are at it
				slow.ask(t)
			}
			slow.half()
			p.signal(syscall.SIGTERM)
			p.await(`msg=draining`)
			if code := readyz(admin); code != 503 {
				t.Errorf("readyz while it drains: %d, want 503", code)
			}
			clients.Wait()
			slow.rest(t)
			if code := p.exit(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, p.all)
			}
			if answered.Load() < 20 || last.Load() != 20 {
				t.Errorf("%d answers on %d connections that ended as they should, of 20", answered.Load(), last.Load())
			}
		})
	}
}

// reuse posts on one connection, with a pause between, until a response says that it
// is the last. n is how many there were.
func reuse(addr string, pause time.Duration) (n int64, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	for r := bufio.NewReader(c); ; n++ {
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"); err != nil {
			return n, err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return n, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || string(body) != "a" {
			return n, fmt.Errorf("status %d, %q, %v", resp.StatusCode, body, err)
		}
		if resp.Close {
			return n + 1, nil
		}
		time.Sleep(pause)
	}
}

// A slowClient has half of a request sent when the drain begins.
type slowClient struct {
	net.Conn
	r *bufio.Reader
}

func dialSlow(t *testing.T, addr string) *slowClient {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return &slowClient{Conn: c, r: bufio.NewReader(c)}
}

func (s *slowClient) ask(t *testing.T) {
	t.Helper()
	io.WriteString(s, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(s.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
}

func (s *slowClient) half() {
	io.WriteString(s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha")
}

func (s *slowClient) rest(t *testing.T) {
	io.WriteString(s, "lf")
	resp, err := http.ReadResponse(s.r, nil)
	if err != nil || resp.StatusCode != 200 || !resp.Close {
		t.Errorf("a request that was half sent when the drain began: %v, %v", resp, err)
	}
	s.Close()
}

// readyz asks whether the proxy at addr wants traffic; 0: nobody answers.
func readyz(addr string) int {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	r, err := client.Get("http://" + addr + "/readyz")
	if err != nil {
		return 0
	}
	r.Body.Close()
	return r.StatusCode
}
