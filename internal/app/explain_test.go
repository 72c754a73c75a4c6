package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/dnstest"
)

// Ways to name a client, each a service of its own. The header is what its n-th
// client sends.
var explained = []struct {
	name, protocol, keys string
	header               func(n int) string
}{
	{"none-by-hash", "HTTP", `locality_lb_policy = "MAGLEV"`, nil},
	{"client-ip", "HTTP", `session_affinity = "CLIENT_IP"`, nil},
	{"client-ip-behind-proxies", "HTTP", `session_affinity = "CLIENT_IP"`,
		func(n int) string { return fmt.Sprintf("X-Forwarded-For: 6.6.6.6, 203.0.113.%d, 127.0.0.99", n) }},
	{"client-ip-no-destination", "HTTP", "session_affinity = \"CLIENT_IP_NO_DESTINATION\"\nlocality_lb_policy = \"RING_HASH\"", nil},
	{"client-ip-port-proto", "HTTP", `session_affinity = "CLIENT_IP_PORT_PROTO"`, nil},
	{"header", "HTTP", "session_affinity = \"HEADER_FIELD\"\nconsistent_hash = { http_header_name = \"X-User\" }",
		func(n int) string { return fmt.Sprintf("x-user:  user %d \r\nX-USER: too", n) }},
	{"cookie", "HTTP", "session_affinity = \"HTTP_COOKIE\"\nlocality_lb_policy = \"WEIGHTED_MAGLEV\"\nconsistent_hash = { http_cookie = { name = \"sid\" } }",
		func(n int) string { return fmt.Sprintf("Cookie: lang=en; sid=%d", n) }},
	{"generated-cookie", "HTTP", `session_affinity = "GENERATED_COOKIE"`,
		func(n int) string { return fmt.Sprintf("Cookie: GCILB=%032x", n) }},
	{"tcp-none", "TCP", `locality_lb_policy = "MAGLEV"`, nil},
	{"tcp-client-ip-proto", "TCP", `session_affinity = "CLIENT_IP_PROTO"`, nil},
	{"udp-client-ip-port-proto", "UDP", `session_affinity = "CLIENT_IP_PORT_PROTO"`, nil},
	{"udp-client-ip", "UDP", `session_affinity = "CLIENT_IP"`, nil},
}

// explainedFile has a listener and a service for each of them.
func explainedFile(t *testing.T, engine string) string {
	endpoints := map[string]func(*testing.T, string) string{
		"HTTP": named, "UDP": talker,
		"TCP": func(t *testing.T, name string) string { return newSpeaker(t, name).addr },
	}
	lists := make(map[string]string)
	for protocol, start := range endpoints {
		for i := range 5 {
			id := fmt.Sprintf("n%d", i)
			lists[protocol] += fmt.Sprintf("{ address = %q, id = %q },", start(t, id), id)
		}
	}
	file := fmt.Sprintf("[admin]\nlisten = \"127.0.0.1:0\"\n[proxy]\nhash_seed = 7\nengine = %q\ndrain_timeout = \"100ms\"\n", engine)
	for _, s := range explained {
		file += fmt.Sprintf("[[listener]]\nname = %[1]q\nlisten = \"127.0.0.1:0\"\nprotocol = %[2]q\nservice = %[1]q\n", s.name, s.protocol)
		if strings.Contains(s.name, "behind") {
			file += "trusted_proxies = [\"127.0.0.0/8\"]\n"
		}
		file += fmt.Sprintf("[[service]]\nname = %q\n%s\nendpoints = [%s]\n", s.name, s.keys, lists[s.protocol])
	}
	return file
}

// from dials a listener from an address of its own for each client, where the
// system has those.
func from(t *testing.T, network, addr string, n int) net.Conn {
	t.Helper()
	var d net.Dialer
	if ip := net.IPv4(127, 0, 0, byte(2+n)); runtime.GOOS != "linux" {
	} else if network == "udp" {
		d.LocalAddr = &net.UDPAddr{IP: ip}
	} else {
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	c, err := d.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// served returns who serves the client at the other end of c.
func served(t *testing.T, c net.Conn, protocol, header string) string {
	t.Helper()
	switch protocol {
	case "UDP":
		name, _, _ := strings.Cut((&caller{t, c}).ask("x"), " ")
		return name
	case "TCP":
		name, _ := io.ReadAll(c)
		return string(name)
	}
	if header != "" {
		header += "\r\n"
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", header)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	name, _ := io.ReadAll(r.Body)
	return string(name)
}

// TestExplainNamesWhoServes asks for each client first the running proxy, then the
// file alone, and then sends the request.
func TestExplainNamesWhoServes(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		p := run(t, explainedFile(t, engine))
		cfg, err := config.Load(p.file)
		if err != nil {
			t.Fatal(err)
		}
		client := admin.NewClient(p.ListenAddr("admin").String(), "")
		t.Cleanup(client.Close)
		for _, s := range explained {
			t.Run(s.name, func(t *testing.T) {
				network := strings.Replace(strings.ToLower(s.protocol), "http", "tcp", 1)
				met := make(map[string]bool)
				for n := range 30 { // of five endpoints they meet three, but once in a thousand million runs
					c := from(t, network, p.ListenAddr(s.name).String(), n)
					q := admin.Question{Client: netip.MustParseAddrPort(c.LocalAddr().String())}
					header := ""
					if s.header != nil {
						header = s.header(n)
						q.Headers = strings.Split(header, "\r\n")
					}
					live, err := client.Explain(t.Context(), s.name, q)
					if err != nil {
						t.Fatal(err)
					}
					q.Destination = netip.MustParseAddrPort(c.RemoteAddr().String())
					file, err := app.Explain(t.Context(), cfg, s.name, q)
					if err != nil {
						t.Fatal(err)
					}
					got := served(t, c, s.protocol, header)
					if live.Endpoint != got || file.Endpoint != got || live.Key == "" || live.Key != file.Key {
						t.Errorf("client %v: the proxy says %s (%s), the file %s, and %s serves", q.Client, live.Endpoint, live.KeyOf, file.Endpoint, got)
					}
					met[got] = true
				}
				if len(met) < 3 && !(runtime.GOOS != "linux" && s.header == nil) {
					t.Errorf("only %v were met: the keys are not what makes the difference", met)
				}
			})
		}
	})
}

func TestExplainIsNoTraffic(t *testing.T) {
	p := run(t, oneListener+list(named(t, "a"), named(t, "b")))
	client := admin.NewClient(p.ListenAddr("admin").String(), "")
	defer client.Close()
	p.get("web", "/")
	before := p.Balancer("web").Status()
	for range 100 {
		if x, err := client.Explain(t.Context(), "web", admin.Question{}); err != nil || x.Endpoint == "" {
			t.Fatal(x, err)
		}
	}
	if after := p.Balancer("web").Status(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestExplainFindsEndpointsAsTheProxyWould(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.1")
	cfg, err := config.Parse("f.toml", []byte(dnsGroup(s, "80")))
	if err != nil {
		t.Fatal(err)
	}
	name := cfg.Services[0].Name
	x, err := app.Explain(t.Context(), cfg, name, admin.Question{})
	if err != nil || x.Endpoint != "10.0.0.1:80" || len(x.Notes) > 0 {
		t.Errorf("%+v, %v", x, err)
	}
	cfg, err = config.Parse(filepath.Join(t.TempDir(), "f.toml"), []byte(group(`file = "none.json"`)))
	if err != nil {
		t.Fatal(err)
	}
	x, err = app.Explain(t.Context(), cfg, cfg.Services[0].Name, admin.Question{})
	if err != nil || x.Endpoint != "" || len(x.Notes) != 1 || !strings.Contains(x.Notes[0], "none.json") {
		t.Errorf("%+v, %v", x, err)
	}
}
