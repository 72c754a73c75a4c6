package http_test

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// hasIPv6 says whether there is a loopback address of IPv6: containers often have
// none.
func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// sayOK is the script of an endpoint that answers every request.
func sayOK(_ int, c net.Conn, r *bufio.Reader) {
	for readHead(r) != "" {
		io.WriteString(c, ok)
	}
}

func endpointsMayHaveAnyKindOfAddress(t *testing.T, d driver) {
	_, port, _ := net.SplitHostPort(scriptedAt(t, "tcp", "127.0.0.1:0", sayOK))
	addrs := []string{
		"127.0.0.1:" + port,
		"localhost:" + port,
		"unix:" + scriptedAt(t, "unix", filepath.Join(t.TempDir(), "endpoint"), sayOK),
	}
	if hasIPv6() {
		addrs = append(addrs, scriptedAt(t, "tcp", "[::1]:0", sayOK))
	}
	for _, addr := range addrs {
		b := d.start(t, []string{addr})
		c := b.dial()
		for range 2 {
			if resp, body := c.send(get("")).response("GET"); resp.StatusCode != 200 || body != "ok" {
				t.Errorf("%s: %d %q; %s", addr, resp.StatusCode, body, b.log)
			}
		}
	}
}

func clientsMayComeByAnyKindOfAddress(t *testing.T, d driver) {
	listens := map[string]string{"127.0.0.1:0": "127.0.0.1", "unix:" + filepath.Join(t.TempDir(), "proxy"): ""}
	if hasIPv6() {
		listens["[::1]:0"] = "::1"
	}
	for listen, peer := range listens {
		e := answer(t, ok)
		b := d.start(t, []string{e.addr}, func(b *bench) { b.listen = listen })
		network := "tcp"
		if strings.HasPrefix(listen, "unix:") {
			network = "unix"
		}
		c, err := b.connectBy(network)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			io.WriteString(c, get(""))
			if _, err := io.ReadFull(c, make([]byte, len(ok))); err != nil {
				t.Errorf("%s: %v", listen, err)
			}
			if head := <-e.heads; strings.Contains(head, "X-Forwarded-For: "+peer+"\r\n") != (peer != "") {
				t.Errorf("%s: the endpoint got %q", listen, head)
			}
		}
		c.Close()
	}
}
