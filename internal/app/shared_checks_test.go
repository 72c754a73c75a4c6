package app_test

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// TestServicesShareChecksAndReloadsKeepThem counts the connections that the checks of two services make to one
// endpoint, and has the file reloaded: whoever asks the same asks once.
func TestServicesShareChecksAndReloadsKeepThem(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	addr := ln.Addr().String()
	const check = `[service.health_check]
type = "TCP"
check_interval = "50ms"
timeout = "50ms"
`
	listener := "[[listener]]\nname = \"web\"\nlisten = \"127.0.0.1:0\"\nservice = \"one\"\n"
	service := func(name string) string {
		return "[[service]]\nname = \"" + name + "\"\nendpoints = [\"" + addr + "\"]\n" + check
	}
	p := run(t, listener+service("one")+service("two"))
	counted := func(service string) uint64 {
		st := p.Balancer(service).Status()
		return st.ChecksPassed + st.ChecksFailed
	}
	testkit.Eventually(t, func() bool { return counted("one") > 10 && counted("two") > 10 })
	both, asked := counted("one")+counted("two"), connections.Load()
	if asked*3 > both*2 {
		t.Errorf("%d checks were counted, and the endpoint saw %d", both, asked)
	}
	p.reload(listener + service("two") + service("one"))
	testkit.Eventually(t, func() bool { return counted("one") > 20 })
	p.reload(listener + service("one")) // the other's are no longer wanted, and these go on
	before := counted("one")
	testkit.Eventually(t, func() bool { return counted("one") > before+5 })
	if both, asked := counted("one"), connections.Load(); asked > both*2 {
		t.Errorf("%d checks were counted, and the endpoint saw %d", both, asked)
	}
}
