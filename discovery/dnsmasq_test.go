package discovery_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/internal/dnstest"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// dnsmasq runs a server of others, if it is installed, until the test is over.
func dnsmasq(t *testing.T, args ...string) (addr string) {
	t.Helper()
	path, err := exec.LookPath("dnsmasq")
	if err != nil {
		t.Skip("dnsmasq is not installed")
	}
	for range 10 {
		port := dnstest.Port(t)
		server := exec.Command(path, append(args, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=", "--pid-file=",
			"--listen-address=127.0.0.1", "--bind-interfaces", "--port="+port)...)
		var output testkit.Buffer
		server.Stderr = &output
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_ = server.Wait()
		}()
		t.Cleanup(func() {
			_ = server.Process.Kill()
			<-gone
			if t.Failed() {
				t.Log(output.String())
			}
		})
		if answers("127.0.0.1:"+port, gone) {
			return "127.0.0.1:" + port
		}
		if !strings.Contains(output.String(), "Address already in use") { // somebody was faster
			t.Fatal("dnsmasq does not answer")
		}
	}
	t.Fatal("no port is free")
	return ""
}

// answers waits until a name server answers, and reports whether it did before it
// was gone.
func answers(addr string, gone <-chan struct{}) bool {
	q := discovery.DNS("web.test", "80", discovery.Query{Resolvers: []string{addr}})
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		select {
		case <-gone:
			return false
		default:
		}
		if _, err := q.Look(context.Background()); err == nil {
			return true
		}
	}
	return false
}

func TestDnsmasqIsUnderstood(t *testing.T) {
	args := []string{
		"--local=/test/", "--host-record=web.test,10.0.0.1,fd00::1,77", "--cname=alias.test,web.test",
		"--srv-host=_web._tcp.test,web.test,8080,10,5", "--srv-host=_web._tcp.test,b.test,8081,20,5",
		"--host-record=b.test,10.0.0.2,3",
	}
	for i := range 200 { // more than fits into a datagram
		args = append(args, fmt.Sprintf("--host-record=many.test,10.1.0.%d", i+1))
	}
	q := discovery.Query{Resolvers: []string{dnsmasq(t, args...)}}
	web := discovery.DNS("web.test", "80", q)
	if a, err := web.Look(t.Context()); err != nil || addrs(a.Endpoints) != "10.0.0.1:80 [fd00::1]:80" || a.TTL.String() != "1m17s" {
		t.Errorf("%+v, %v", a, err)
	}
	if got := found(t, discovery.DNS("ALIAS.test", "80", q)); got != "10.0.0.1:80 [fd00::1]:80" {
		t.Errorf("an alias: %s", got)
	}
	if got := found(t, discovery.DNS("many.test", "80", q)); len(strings.Fields(got)) != 200 {
		t.Errorf("of 200 addresses: %s", got)
	}
	a, err := discovery.SRV("_web._tcp.test", q).Look(t.Context())
	if want := "10/1 10.0.0.1:8080, 10/1 [fd00::1]:8080, 20/1 10.0.0.2:8081"; err != nil || described(a.Endpoints) != want {
		t.Errorf("%s, %v; want %s", described(a.Endpoints), err, want)
	}
	if _, err := discovery.DNS("none.test", "80", q).Look(t.Context()); err == nil || !strings.Contains(err.Error(), discovery.ErrNobody.Error()) {
		t.Errorf("a name that is not there: %v", err)
	}
}
