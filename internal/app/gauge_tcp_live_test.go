package app_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
)

const connectionsFile = `
[proxy]
engine = "ENGINE"
[[group]]
name = "a"
region = "eu"
zone = "a"
endpoints = [ENDPOINTSA]
[[group]]
name = "b"
region = "eu"
zone = "b"
endpoints = [ENDPOINTSB]
[[listener]]
name = "db"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "db"
[[service]]
name = "db"
timeout = "100ms"
[[service.backend]]
group = "a"
balancing_mode = "CONNECTION"
max_connections = 5
[[service.backend]]
group = "b"
balancing_mode = "CONNECTION"
max_connections_per_endpoint = 2
`

func TestEveryConnectionGivesItsPlaceInTheGroupBackAndTellsHowFarItsZoneIs(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"loop", "stream"} {
		t.Run(engine, func(t *testing.T) {
			byName := "localhost" + strings.TrimPrefix(holder(t, "B"), "127.0.0.1")
			file := strings.NewReplacer("ENGINE", engine,
				"ENDPOINTSA", fmt.Sprintf("%q, %q", holder(t, "A"), testkit.FreeAddr(t)),
				"ENDPOINTSB", fmt.Sprintf("%q", byName)).Replace(connectionsFile)
			p := run(t, file)
			addr := p.ListenAddr("db").String()
			var clients sync.WaitGroup
			for i := range 8 {
				clients.Go(func() {
					for range 6 {
						restless(addr, i)
					}
				})
			}
			p.reload(strings.Replace(file, "max_connections = 5", "max_connections = 4", 1))
			clients.Wait()
			testkit.Eventually(t, func() bool { return p.usages("db") == "a 0, b 0" })
			testkit.Eventually(t, func() bool {
				for _, g := range p.Balancer("db").Status().Groups {
					if g.RTT < 0 {
						return false
					}
				}
				return true
			})
		})
	}
}

// restless is a connection that ends in one of the ways there are.
func restless(addr string, kind int) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	switch kind % 4 {
	case 0: // the proxy ends it, for its silence
		_, _ = io.Copy(io.Discard, c)
	case 1:
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	case 2:
		_ = c.(*net.TCPConn).SetLinger(0)
		time.Sleep(rand.N(3 * time.Millisecond))
	case 3:
		_ = c.(*net.TCPConn).CloseWrite()
		time.Sleep(rand.N(3 * time.Millisecond))
	}
}
