package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const proxyProtocolFile = `
[admin]
listen = "127.0.0.1:0"
[proxy]
engine = "ENGINE"
drain_timeout = "100ms"
[[listener]]
name = "in"
listen = "127.0.0.1:0"
protocol = "TCP"
proxy_protocol = EXPECT
SAYS
service = "tcp"
[[service]]
name = "tcp"
endpoints = ["ENDPOINT"]
proxy_protocol = "SENDS"
[[listener]]
name = "web"
listen = "127.0.0.1:0"
proxy_protocol = EXPECT
trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]
service = "web"
[[service]]
name = "web"
endpoints = ["WEB"]
`

// hears is a TCP endpoint that repeats what it gets.
func hears(t *testing.T) string {
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
			io.Copy(c, c)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// tell sends s to a listener and returns all of the answer.
func (p *proxy) tell(listener, s string) string {
	p.t.Helper()
	c, err := net.Dial("tcp", p.ListenAddr(listener).String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, s)
	c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c)
	return string(b)
}

func TestProxyHeadersComeInAndGoOutAsTheFileSays(t *testing.T) {
	const header = "PROXY TCP4 192.0.2.1 198.51.100.2 5000 443\r\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("X-Forwarded-For"))
	}))
	defer s.Close()
	web := s.Listener.Addr().String()
	tcp := hears(t)
	for _, engine := range []string{"stream", "loop"} {
		t.Run(engine, func(t *testing.T) {
			file := func(expect bool, sends string) string {
				says := ""
				if expect {
					says = `trusted_proxies = ["127.0.0.1"]`
				}
				return strings.NewReplacer("ENGINE", engine, "EXPECT", fmt.Sprint(expect), "SAYS", says,
					"ENDPOINT", tcp, "WEB", web, "SENDS", sends).Replace(proxyProtocolFile)
			}
			p := run(t, file(true, "V1"))
			if got := p.tell("in", header+"hello"); got != header+"hello" {
				t.Errorf("in and out: %q", got)
			}
			request := "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
			if got := p.tell("web", header+request); !strings.HasSuffix(got, "203.0.113.9, 192.0.2.1") {
				t.Errorf("HTTP: %q", got)
			}
			if got := p.tell("web", request); got != "" {
				t.Errorf("HTTP without a header: %q", got)
			}
			_, metrics := p.get("admin", "/metrics")
			for _, want := range []string{
				`spillway_proxy_headers_total{listener="in",result="read"} 1`,
				`spillway_proxy_headers_total{listener="web",result="malformed"} 1`,
			} {
				if !strings.Contains(metrics, want) {
					t.Errorf("metrics lack %s", want)
				}
			}
			p.reload(file(false, "V2"))
			const v2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01"
			if got := p.tell("in", header+"hello"); !strings.HasPrefix(got, v2) || !strings.HasSuffix(got, header+"hello") {
				t.Errorf("only out: %q", got)
			}
		})
	}
}
