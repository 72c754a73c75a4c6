package tcp_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spillway-lb/spillway/proxy"
)

// Other people's programs are the other side here: what they send we must read,
// and what we send they must.

// reserve returns an address for a program to listen on. Until the test ends nobody
// gets it who does not ask to share it (SO_REUSEPORT), as these programs do.
func reserve(t *testing.T, host string) (addr string) {
	const reusePort = 15 // package syscall lacks it
	ip := netip.MustParseAddr(host)
	var family int
	var sa syscall.Sockaddr
	if ip.Is4() {
		family, sa = syscall.AF_INET, &syscall.SockaddrInet4{Addr: ip.As4()}
	} else {
		family, sa = syscall.AF_INET6, &syscall.SockaddrInet6{Addr: ip.As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	must(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, reusePort, 1))
	if err := syscall.Bind(fd, sa); err != nil {
		t.Skipf("no %s here: %v", host, err)
	}
	sa, err = syscall.Getsockname(fd)
	must(t, err)
	if in, ok := sa.(*syscall.SockaddrInet6); ok {
		return netip.AddrPortFrom(ip, uint16(in.Port)).String()
	}
	return netip.AddrPortFrom(ip, uint16(sa.(*syscall.SockaddrInet4).Port)).String()
}

// program runs one that listens on addr, with a configuration file, until the test
// ends.
func program(t *testing.T, addr, config, name string, arg ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	file := filepath.Join(t.TempDir(), "conf")
	must(t, os.WriteFile(file, []byte(config), 0o600))
	var out lockedBuffer
	cmd := exec.Command(path, append(arg, file)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-gone
		if t.Failed() {
			t.Logf("%s says: %s", name, out.String())
		}
	})
	eventually(t, name+" to listen", func() bool {
		select {
		case err := <-gone:
			gone <- err
			t.Skipf("%s does not run here: %v\n%s", name, err, out.String())
		default:
		}
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func haproxy(t *testing.T, addr, config string) {
	t.Helper()
	program(t, addr, "defaults\n timeout connect 10s\n timeout client 10s\n timeout server 10s\n"+config, "haproxy", "-db", "-f")
}

func nginx(t *testing.T, addr, server string) {
	t.Helper()
	dir, load := t.TempDir(), ""
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, err := os.Stat(module); err == nil {
		load = "load_module " + module + ";\n"
	}
	program(t, addr, load+fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr;\nevents {}\nstream { server { %s } }\n", dir, server),
		"nginx", "-e", "stderr", "-p", dir, "-c")
}

// inFront are proxies that send a header to target.
var inFront = map[string]func(t *testing.T, addr, target string){
	"nginx": func(t *testing.T, addr, target string) {
		nginx(t, addr, fmt.Sprintf("listen %s reuseport; proxy_pass %s; proxy_protocol on; proxy_half_close on;", addr, target))
	},
	"haproxy v1": func(t *testing.T, addr, target string) {
		haproxy(t, addr, fmt.Sprintf("listen in\n mode tcp\n bind %s\n server s %s send-proxy\n", addr, target))
	},
	"haproxy v2": func(t *testing.T, addr, target string) {
		haproxy(t, addr, fmt.Sprintf("listen in\n mode tcp\n bind %s\n server s %s send-proxy-v2\n", addr, target))
	},
	"haproxy v2 with TLVs": func(t *testing.T, addr, target string) {
		haproxy(t, addr, fmt.Sprintf("listen in\n mode tcp\n bind %s\n server s %s send-proxy-v2 proxy-v2-options unique-id,crc32c\n unique-id-format %%[uuid()]\n", addr, target))
	},
}

// behind are endpoints that expect a header and are asked something, and answer
// "client:port dialed:port".
var behind = []struct {
	name, ask string
	start     func(t *testing.T, addr string)
}{
	{"nginx", "", func(t *testing.T, addr string) {
		nginx(t, addr, fmt.Sprintf(`listen %s reuseport proxy_protocol;
			return "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port";`, addr))
	}},
	{"haproxy", "GET / HTTP/1.0\r\n\r\n", func(t *testing.T, addr string) {
		haproxy(t, addr, "frontend in\n mode http\n bind "+addr+" accept-proxy\n"+
			" http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port] %[dst]:%[dst_port]\"\n")
	}},
}

func TestProxiesInFrontAreBelieved(t *testing.T) {
	for name, start := range inFront {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(name+" on "+host, func(t *testing.T) {
				eachDriver(t, func(t *testing.T, d driver) {
					b := setup(t, d, sends(proxy.ProxyProtocolV1), endpoint(t, echo))
					b.believes()
					addr := reserve(t, host)
					start(t, addr, b.addr)
					family := map[string]string{"127.0.0.1": "TCP4", "::1": "TCP6"}[host]
					for _, body := range []string{"hello", strings.Repeat("long ", 100_000)} {
						got, from := exchange(t, "tcp", addr, body)
						want := fmt.Sprintf("PROXY %s %s %s %d %d\r\n%s", family, host, host, port(from.String()), port(addr), body)
						if got != want {
							t.Fatalf("the endpoint was told %.150q, want %.150q", got, want)
						}
					}
					if n := b.listener.Headers()[proxy.HeaderMalformed].Load(); n > 0 {
						t.Errorf("%d headers were not understood:\n%s", n, b.log)
					}
				})
			})
		}
	}
}

func TestEndpointsUnderstandOurHeaders(t *testing.T) {
	if faulty {
		t.Skip("headers go out in one piece, or nginx does not take them; here nothing does")
	}
	for _, e := range behind {
		t.Run(e.name, func(t *testing.T) {
			addr := reserve(t, "127.0.0.1")
			e.start(t, addr)
			for version, p := range map[string]proxy.ProxyProtocol{"v1": proxy.ProxyProtocolV1, "v2": proxy.ProxyProtocolV2} {
				t.Run(version, func(t *testing.T) {
					eachDriver(t, func(t *testing.T, d driver) {
						b := setup(t, d, sends(p), addr)
						b.believes()
						for _, c := range [][3]string{
							{header("192.0.2.1", "198.51.100.2", 5000, 443), "192.0.2.1:5000 198.51.100.2:443"},
							{"PROXY TCP6 2001:db8::1 2001:db8::2 5000 443\r\n", "2001:db8::1:5000 2001:db8::2:443"},
							{"PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 5000 443\r\n", "2001:db8::1:5000 ::ffff:10.0.0.1:443", "2001:db8::1:5000 ::ffff:a00:1:443"},
						} {
							got, _ := exchange(t, "tcp", b.addr, c[0]+e.ask)
							if !strings.HasSuffix(got, c[1]) && (c[2] == "" || !strings.HasSuffix(got, c[2])) {
								t.Errorf("it says %q, want %q", got, c[1])
							}
						}
					})
				})
			}
		})
	}
}
