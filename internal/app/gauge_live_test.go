package app_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// usages are what is used of each group of a service, by name.
func (p *proxy) usages(service string) string {
	var out []string
	for _, g := range p.Balancer(service).Status().Groups {
		out = append(out, fmt.Sprintf("%s %v", g.Name, g.Usage))
	}
	return strings.Join(out, ", ")
}

// moody runs an HTTP endpoint that answers, fails, closes, upgrades and is slow by turns.
func moody(t *testing.T) string {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch rand.N(7) {
		case 0:
			w.WriteHeader(503)
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			time.Sleep(20 * time.Millisecond)
		case 3:
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		case 4:
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "half")
		case 5:
			if r.Header.Get("Upgrade") != "" {
				c, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
				_ = rw.Flush()
				_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
				_, _ = io.Copy(io.Discard, rw)
				return
			}
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "done")
	})
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ErrorLog: nil}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { s.Close(); serving.Wait() })
	return l.Addr().String()
}

const moodyFile = `
[proxy]
engine = "ENGINE"
[[group]]
name = "a"
endpoints = [ENDPOINTSA]
[[group]]
name = "b"
endpoints = [ENDPOINTSB]
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[service]]
name = "web"
timeout = "100ms"
[service.retry]
num_retries = 3
retry_on = ["5xx", "connect-failure"]
[[service.backend]]
group = "a"
balancing_mode = "IN_FLIGHT"
max_in_flight_requests = 3
[[service.backend]]
group = "b"
balancing_mode = "IN_FLIGHT"
max_in_flight_requests = 1
`

func TestEveryRequestGivesItsPlaceInTheGroupBack(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"loop", "stream"} {
		t.Run(engine, func(t *testing.T) {
			file := strings.NewReplacer("ENGINE", engine,
				"ENDPOINTSA", fmt.Sprintf("%q, %q", moody(t), testkit.FreeAddr(t)),
				"ENDPOINTSB", fmt.Sprintf("%q, %q", moody(t), moody(t))).Replace(moodyFile)
			p := run(t, file)
			addr := p.ListenAddr("web").String()
			var clients sync.WaitGroup
			for i := range 8 {
				clients.Go(func() {
					for range 60 {
						rude(addr, i)
					}
				})
			}
			for range 5 {
				time.Sleep(50 * time.Millisecond)
				p.reload(file)
				file = strings.Replace(file, "max_in_flight_requests = 3", "max_in_flight_requests = 4", 1)
			}
			clients.Wait()
			testkit.Eventually(t, func() bool { return p.usages("web") == "a 0, b 0" })
		})
	}
}

// rude is a request of a client that may leave at any time.
func rude(addr string, kind int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	switch kind % 4 {
	case 0:
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		time.Sleep(rand.N(20 * time.Millisecond))
	case 1:
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(rand.N(5 * time.Millisecond))
	case 2:
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
		time.Sleep(rand.N(5 * time.Millisecond))
	case 3:
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
		r := bufio.NewReader(c)
		for range 2 {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
	}
}
