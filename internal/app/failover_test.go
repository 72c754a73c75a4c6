package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

// A speaker is a TCP endpoint that says its name and hangs up. It can be killed
// and comes back at the same address.
type speaker struct {
	t          *testing.T
	name, addr string
	l          net.Listener
	serving    sync.WaitGroup
}

func newSpeaker(t *testing.T, name string) *speaker {
	s := &speaker{t: t, name: name, addr: testkit.FreeAddr(t)}
	s.revive()
	t.Cleanup(s.kill)
	return s
}

func (s *speaker) revive() {
	s.t.Helper()
	var err error
	if s.l, err = net.Listen("tcp", s.addr); err != nil {
		s.t.Fatal(err)
	}
	s.serving.Go(s.serve)
}

func (s *speaker) serve() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, s.name)
		c.Close()
	}
}

func (s *speaker) kill() {
	s.l.Close()
	s.serving.Wait()
}

// who returns the name of the endpoint that a connection to a listener reaches,
// "" if none.
func (p *proxy) who(listener string) string {
	p.t.Helper()
	c, err := net.Dial("tcp", p.ListenAddr(listener).String())
	if errors.Is(err, syscall.ECONNRESET) {
		return "" // turned away before it knew that it was connected
	}
	if err != nil {
		return "" // the reset was there before Dial returned
	}
	defer c.Close()
	name, _ := io.ReadAll(c)
	return string(name)
}

// A serviceView is what the admin API says of a service.
type serviceView struct {
	ActivePool string `json:"active_pool"`
	Groups     []struct {
		Name      string
		Failover  bool
		Endpoints []struct{ ID, Health, Dropped string }
	}
}

func (p *proxy) view(service string) (v serviceView) {
	p.t.Helper()
	_, body := p.get("admin", "/api/v1/services/"+service)
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		p.t.Fatalf("%v in %s", err, body)
	}
	return v
}

// dropped lists why endpoints get no traffic, in the order of the API.
func (v serviceView) dropped() string {
	var all []string
	for _, g := range v.Groups {
		for _, e := range g.Endpoints {
			all = append(all, fmt.Sprintf("%s:%s", e.ID, e.Dropped))
		}
	}
	return strings.Join(all, " ")
}

// A busy machine may need 20 ms for a check, but not ten times in a row.
const poolFile = `
[admin]
listen = "127.0.0.1:0"
[proxy]
zone = %q
[[group]]
name = "main"
zone = "a"
endpoints = [{ id = "m1", address = %q }, { id = "m2", address = %q }]
[[group]]
name = "spare"
zone = "b"
endpoints = [{ id = "s", address = %q }]
[[listener]]
name = "in"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "db"
[[service]]
name = "db"
[service.health_check]
check_interval = "20ms"
unhealthy_threshold = 10
[[service.backend]]
group = "main"
[[service.backend]]
group = "spare"
`

// Endpoints that die and come back move traffic to the backups and back, by the
// ratio of the file, and the API says who stands by.
func TestDeadPrimariesFailOverAndBack(t *testing.T) {
	t.Parallel()
	m1, m2, spare := newSpeaker(t, "m1"), newSpeaker(t, "m2"), newSpeaker(t, "s")
	file := fmt.Sprintf(poolFile, "", m1.addr, m2.addr, spare.addr) +
		"failover = true\n[service.failover_policy]\nfailover_ratio = 0.75\ndrop_traffic_if_unhealthy = true\n"
	p := run(t, file)
	is := func(pool, dropped string) {
		t.Helper()
		testkit.Eventually(t, func() bool {
			v := p.view("db")
			return v.ActivePool == pool && v.dropped() == dropped
		})
	}
	is("PRIMARY", "m1: m2: s:STANDBY")
	for range 10 {
		if name := p.who("in"); name != "m1" && name != "m2" {
			t.Errorf("with healthy primaries %q answered", name)
		}
	}
	m1.kill() // one of two is less than 0.75
	is("BACKUP", "m1:STANDBY m2:STANDBY s:")
	for range 10 {
		if name := p.who("in"); name != "s" {
			t.Errorf("after failover %q answered", name)
		}
	}
	spare.kill() // the half that is left is better than nobody
	is("PRIMARY", "m1:UNHEALTHY m2: s:STANDBY")
	if name := p.who("in"); name != "m2" {
		t.Errorf("with the backups dead %q answered", name)
	}
	m2.kill()
	is("PRIMARY", "m1:UNHEALTHY m2:UNHEALTHY s:STANDBY")
	if name := p.who("in"); name != "" {
		t.Errorf("nobody is healthy, and %q answered", name)
	}
	m1.revive()
	m2.revive()
	is("PRIMARY", "m1: m2: s:STANDBY")
	if name := p.who("in"); name != "m1" && name != "m2" {
		t.Errorf("after failback %q answered", name)
	}
	for _, want := range []string{
		"failed over to the backups", "failed back to the primaries",
		"healthy_primaries=1 primaries=2 healthy_backups=1 backups=1", "healthy_primaries=1 primaries=2 healthy_backups=0 backups=1",
	} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, p.log.String())
		}
	}
	if p.view("db").Groups[0].Failover || !p.view("db").Groups[1].Failover {
		t.Error("the API does not say who is a backup")
	}
}

// The zone is the proxy's, and a reload may move it.
func TestZonalAffinityKeepsConnectionsInTheProxysZone(t *testing.T) {
	m1, m2, other := newSpeaker(t, "m1"), newSpeaker(t, "m2"), newSpeaker(t, "s")
	file := func(zone, spillover string) string {
		return fmt.Sprintf(poolFile, zone, m1.addr, m2.addr, other.addr) +
			"[service.network_pass_through_lb_traffic_policy.zonal_affinity]\nspillover = '" + spillover + "'\n"
	}
	p := run(t, file("a", "ZONAL_AFFINITY_SPILL_CROSS_ZONE"))
	is := func(dropped string) {
		t.Helper()
		testkit.Eventually(t, func() bool { return p.view("db").dropped() == dropped })
	}
	is("m1: m2: s:OTHER_ZONE")
	for range 10 {
		if name := p.who("in"); name == "s" {
			t.Error("a connection left the zone")
		}
	}
	m1.kill()
	is("m1:UNHEALTHY m2: s:OTHER_ZONE")
	m2.kill()
	is("m1:UNHEALTHY m2:UNHEALTHY s:")
	if name := p.who("in"); name != "s" {
		t.Errorf("nobody of the zone is healthy, and %q answered", name)
	}
	p.reload(file("a", "ZONAL_AFFINITY_STAY_WITHIN_ZONE"))
	is("m1: m2: s:OTHER_ZONE") // ill as they are
	p.reload(file("b", "ZONAL_AFFINITY_STAY_WITHIN_ZONE"))
	is("m1:OTHER_ZONE m2:OTHER_ZONE s:")
	p.reload(file("b", "ZONAL_AFFINITY_DISABLED"))
	is("m1:UNHEALTHY m2:UNHEALTHY s:")
}

// Where all checks fail, a failover policy decides for HTTP as well, and panic
// only without one.
func TestLastResortIsThePolicysWhereThereIsOne(t *testing.T) {
	a, z := named(t, "a"), named(t, "z")
	file := func(rest string) string {
		return fmt.Sprintf(`
[[group]]
name = "main"
endpoints = [%q]
[[group]]
name = "spare"
endpoints = [%q]
%s
[service.health_check]
check_interval = "20ms"
response = "something else"
[[service.backend]]
group = "main"
[[service.backend]]
group = "spare"
failover = true
%s`, a, z, oneListener, rest)
	}
	p := run(t, file(""))
	is := func(code int, body string) {
		t.Helper()
		testkit.Eventually(t, func() bool {
			c, b := p.get("web", "/")
			return c == code && strings.Contains(b, body)
		})
	}
	is(503, "") // panic is closed for HTTP
	for range 3 {
		p.reload(file("[service.failover_policy]\n"))
		is(200, "a")
		p.reload(file("[service.failover_policy]\ndrop_traffic_if_unhealthy = true\n"))
		is(503, "")
	}
	http.DefaultClient.CloseIdleConnections()
}
