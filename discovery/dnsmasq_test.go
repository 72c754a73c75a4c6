package discovery_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/discovery"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// A server of others: dnsmasq, if it is installed.
func TestDnsmasqIsUnderstood(t *testing.T) {
	path, err := exec.LookPath("dnsmasq")
	if err != nil {
		t.Skip("dnsmasq is not installed")
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	c.Close()
	args := []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=", "--pid-file=",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--port=" + port, "--local=/test/",
		"--host-record=web.test,10.0.0.1,fd00::1,77", "--cname=alias.test,web.test",
		"--srv-host=_web._tcp.test,web.test,8080,10,5", "--srv-host=_web._tcp.test,b.test,8081,20,5",
		"--host-record=b.test,10.0.0.2,3",
	}
	for i := range 200 { // more than fits into a datagram
		args = append(args, fmt.Sprintf("--host-record=many.test,10.1.0.%d", i+1))
	}
	server := exec.Command(path, args...)
	var output testkit.Buffer
	server.Stderr = &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	}()
	q := discovery.Query{Resolvers: []string{"127.0.0.1:" + port}}
	web := discovery.DNS("web.test", "80", q)
	testkit.Eventually(t, func() bool { _, err := web.Look(t.Context()); return err == nil })
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
