package udp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"os/user"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

// dnsmasq starts a DNS server that knows names below "test" and nobody else.
func dnsmasq(t *testing.T, answer string) (addr string, stop func()) {
	t.Helper()
	binary, err := exec.LookPath("dnsmasq")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/dnsmasq"); err != nil {
			t.Skip("there is no dnsmasq; install dnsmasq-base")
		}
	}
	me, err := user.Current()
	must(t, err)
	// An address and a port that nobody else happens to use.
	host, port := fmt.Sprintf("127.53.%d.%d", rand.IntN(256), 1+rand.IntN(254)), "20053"
	addr = net.JoinHostPort(host, port)
	cmd := exec.Command(binary, "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
		"--listen-address="+host, "--bind-interfaces", "--port="+port, "--user="+me.Username,
		"--address=/test/"+answer, "--txt-record=long.test,"+fmt.Sprintf("%0200d,%0200d,%0200d", 1, 2, 3))
	must(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	r := resolver(addr)
	testkit.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_, err := r.LookupHost(ctx, "up.test")
		return err == nil
	})
	return addr, stop
}

func resolver(addr string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if network != "udp" {
			return nil, fmt.Errorf("%s is not for this test", network)
		}
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}}
}

// lookup asks again and again, as stub resolvers do, and waits longer each time: on a
// busy machine an answer may take longer than any first guess.
func lookup(r *net.Resolver, name string) (got []string, err error) {
	for i := range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+i)*100*time.Millisecond)
		got, err = r.LookupHost(ctx, name)
		cancel()
		if err == nil {
			break
		}
	}
	return got, err
}

// A server from Debian, Go's resolver as the client, and one of two servers killed.
func TestRealDNS(t *testing.T) {
	onBothAtOnce(t, func(t *testing.T, loops bool) {
		first, stopFirst := dnsmasq(t, "192.0.2.7")
		second, _ := dnsmasq(t, "192.0.2.7")
		b := setup{
			loops: loops, endpoints: []string{first, second},
			service: proxy.Service{Timeout: time.Second},
		}.start(t)
		r := resolver(b.addr.String())
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ask := func(n int) {
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					got, err := lookup(r, fmt.Sprintf("host-%d.test", i))
					if err != nil || !slices.Equal(got, []string{"192.0.2.7"}) {
						t.Errorf("name %d: %v, %v", i, got, err)
					}
				})
			}
			all.Wait()
		}
		ask(100)
		if got, err := r.LookupTXT(ctx, "long.test"); err != nil || len(got) != 1 || len(got[0]) != 600 {
			t.Errorf("an answer of more than 512 bytes: %v, %v", got, err)
		}
		stopFirst()
		ask(20) // by another attempt, where the first was refused
		for _, c := range b.service.Balancer.Snapshot().Candidates {
			if c.Load.Started() < 40 {
				t.Errorf("%s got %d questions", c.ID, c.Load.Started())
			}
			if failed := c.Load.Failed(); (failed > 0) != (c.Addr == first) {
				t.Errorf("%s failed %d times", c.ID, failed)
			}
		}
	})
}
