package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/dnstest"
	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/lb"
)

// hosts runs HTTP endpoints at the same port of 127.0.0.1, 127.0.0.2 and so on, which
// answer with their address. It returns the port.
func hosts(t *testing.T, n int) (port string) {
	t.Helper()
	var all []net.Listener
	for i := 1; len(all) < n; i++ {
		if port == "" {
			i, all = 1, nil
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:%s", i, port))
		if err != nil && i > 1 && strings.Contains(err.Error(), "cannot assign") {
			t.Skip("only Linux has more than one loopback address")
		}
		if err != nil { // the port is taken at this address: begin anew
			for _, l := range all {
				l.Close()
			}
			port, all = "", nil
			continue
		}
		all = append(all, l)
		_, port, _ = net.SplitHostPort(l.Addr().String())
	}
	for i, l := range all {
		serveNamed(t, l, fmt.Sprintf("127.0.0.%d", i+1))
	}
	return port
}

// setA makes web.test the addresses 127.0.0.N.
func setA(s *dnstest.Server, hosts ...int) {
	var lines []string
	for _, n := range hosts {
		lines = append(lines, fmt.Sprintf("web.test. 0 IN A 127.0.0.%d", n))
	}
	s.Set("web.test", "A", lines...)
}

// group is a file with a service of one group, with these keys.
func group(keys string) string {
	return oneListener + "[[service.backend]]\ngroup = \"g\"\n[[group]]\nname = \"g\"\n" + keys
}

func dnsGroup(s *dnstest.Server, port string) string {
	return group(fmt.Sprintf("dns = \"web.test:%s\"\nresolvers = [%q]\nmin_ttl = \"10ms\"\n", port, s.Addr))
}

// A crowd is clients that ask one listener without a pause.
type crowd struct {
	t       *testing.T
	seen    sync.Map // by the body of the response
	stop    atomic.Bool
	clients sync.WaitGroup
	rounds  [4]atomic.Int64 // by the client, how many requests have ended
}

func (p *proxy) crowd() *crowd {
	l := &crowd{t: p.t}
	url := "http://" + p.ListenAddr("web").String()
	for i := range l.rounds {
		l.clients.Go(func() {
			c := http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for !l.stop.Load() {
				l.one(&c, url)
				l.rounds[i].Add(1)
			}
		})
	}
	return l
}

// endRound waits until every request has ended that is under way now.
func (l *crowd) endRound() {
	for i := range l.rounds {
		n := l.rounds[i].Load()
		testkit.Eventually(l.t, func() bool { return l.rounds[i].Load() > n })
	}
}

func (l *crowd) one(c *http.Client, url string) {
	resp, err := c.Get(url)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		l.t.Errorf("status %d, %v: %s", resp.StatusCode, err, body)
	}
	n, _ := l.seen.LoadOrStore(string(body), new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
}

func (l *crowd) count(name string) int64 {
	if n, ok := l.seen.Load(name); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

func (l *crowd) end() {
	l.stop.Store(true)
	l.clients.Wait()
}

func (p *proxy) members(service string) string {
	var ids []string
	for _, c := range p.Balancer(service).Snapshot().Candidates {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, " ")
}

func TestEndpointsComeAndGoWithTheirRecordsAndNoRequestFails(t *testing.T) {
	s, port := dnstest.Serve(t), hosts(t, 3)
	setA(s, 1)
	p := run(t, dnsGroup(s, port))
	crowd := p.crowd()
	defer crowd.end()
	testkit.Eventually(t, func() bool { return crowd.count("127.0.0.1") > 10 })

	setA(s, 1, 2)
	testkit.Eventually(t, func() bool { return crowd.count("127.0.0.2") > 10 })
	before := p.Balancer("web").Snapshot().Candidates[0].Load

	// They flap for a while: who is in every answer keeps its counters.
	for i := range 40 {
		setA(s, 1, 2+i%2)
		asked := s.Asked("web.test", "A")
		testkit.Eventually(t, func() bool { return s.Asked("web.test", "A") > asked+1 })
	}
	if p.Balancer("web").Snapshot().Candidates[0].Load != before {
		t.Error("an endpoint that was always there has new counters")
	}

	setA(s, 3)
	testkit.Eventually(t, func() bool { return p.members("web") == "127.0.0.3:"+port })
	crowd.endRound() // someone may have picked before that
	one, two := crowd.count("127.0.0.1"), crowd.count("127.0.0.2")
	n := crowd.count("127.0.0.3")
	testkit.Eventually(t, func() bool { return crowd.count("127.0.0.3") > n+100 })
	if crowd.count("127.0.0.1") != one || crowd.count("127.0.0.2") != two {
		t.Error("endpoints that are gone get requests")
	}
}

func TestARequestUnderWayEndsOnAnEndpointThatIsGone(t *testing.T) {
	t.Parallel()
	arrived, finish := make(chan struct{}), make(chan struct{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slow := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-finish
		_, _ = io.WriteString(w, "slow")
	})}
	go slow.Serve(l)
	defer slow.Close()
	file := filepath.Join(t.TempDir(), "endpoints.json")
	writeList(t, file, l.Addr().String())
	p := run(t, group(fmt.Sprintf("file = %q\n", file)))
	got := make(chan string, 1)
	go func() {
		_, body := p.get("web", "/")
		got <- body
	}()
	<-arrived
	next := named(t, "next")
	writeList(t, file, next)
	testkit.Eventually(t, func() bool { return p.members("web") == next })
	if _, body := p.get("web", "/"); body != "next" {
		t.Errorf("a new request got %q", body)
	}
	close(finish)
	if body := <-got; body != "slow" {
		t.Errorf("the request under way got %q", body)
	}
	http.DefaultClient.CloseIdleConnections()
}

// writeList puts a list of endpoints in the place of another, in one step.
func writeList(t *testing.T, file string, addrs ...string) {
	t.Helper()
	text := "[]"
	if len(addrs) > 0 {
		text = `["` + strings.Join(addrs, `", "`) + `"]`
	}
	if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatIsReplacedAHundredTimesUnderLoadFailsNoRequest(t *testing.T) {
	a, b, c := named(t, "a"), named(t, "b"), named(t, "c")
	dir := t.TempDir()
	file := filepath.Join(dir, "endpoints.json")
	writeList(t, file, a)
	p := run(t, group(fmt.Sprintf("file = %q\n", file)))
	crowd := p.crowd()
	defer crowd.end()
	lists := [][]string{{a}, {b, a}, {b, c}, {c}, {}, {a, c}}
	for i := range 100 {
		writeList(t, file, lists[i%len(lists)]...)
		time.Sleep(10 * time.Millisecond) // not for the proxy: a second of crowd
	}
	writeList(t, file, b)
	testkit.Eventually(t, func() bool { return p.members("web") == b })
	n := crowd.count("b")
	testkit.Eventually(t, func() bool { return crowd.count("b") > n+20 })
}

func TestWhatIsWrongWithAFileIsLoggedWithItsLineAndChangesNothing(t *testing.T) {
	t.Parallel()
	a := named(t, "a")
	p := run(t, oneListener+list(a))
	file := filepath.Join(filepath.Dir(p.file), "endpoints.json") // relative to the proxy's file
	writeList(t, file, a)
	p.reload(group("file = \"endpoints.json\"\n"))
	if err := os.WriteFile(file, []byte("[\n\""+a+"\",\n{\"adress\": \"b:1\"}]"), 0o644); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() bool { return strings.Contains(p.log.String(), "endpoints.json:3: unknown key") })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() bool { return strings.Contains(p.log.String(), "no such file") })
	if _, body := p.get("web", "/"); body != "a" {
		t.Errorf("got %q", body)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestAResolverThatIsDownKeepsNoProxyFromStartingOrReloading(t *testing.T) {
	t.Parallel()
	s, port := dnstest.Serve(t), hosts(t, 1)
	for _, kind := range []string{"A", "AAAA"} {
		s.Fail("web.test", kind, dns.RcodeServerFailure)
	}
	p := run(t, dnsGroup(s, port))
	if code, _ := p.get("web", "/"); code != 503 {
		t.Errorf("status %d without an endpoint", code)
	}
	if log := p.log.String(); !strings.Contains(log, "the group has no endpoints yet") {
		t.Errorf("log:\n%s", log)
	}
	p.reload(dnsGroup(s, port) + "max_ttl = \"1m\"\n")
	if v := p.view("web"); len(v.Groups) != 1 || v.Groups[0].Name != "g" || len(v.Groups[0].Endpoints) != 0 {
		t.Errorf("the admin API shows %+v", v.Groups)
	}
	if _, page := p.get("admin", "/metrics"); !strings.Contains(page, `spillway_discovery_endpoints{group="g"} 0`) ||
		!strings.Contains(page, `spillway_discovery_updates_total{group="g",result="failure"} `) ||
		strings.Contains(page, `spillway_discovery_updates_total{group="g",result="failure"} 0`) {
		t.Errorf("metrics:\n%s", page)
	}
	if code, why := p.get("admin", "/readyz"); code != 200 {
		t.Errorf("not ready: %s", why)
	}
	s.Set("web.test", "AAAA")
	setA(s, 1)
	testkit.Eventually(t, func() bool { code, _ := p.get("web", "/"); return code == 200 })
	if _, page := p.get("admin", "/metrics"); !strings.Contains(page, `spillway_discovery_endpoints{group="g"} 1`) {
		t.Errorf("metrics:\n%s", page)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestAReloadKeepsSourcesThatDidNotChangeAndTheAnswersOfThoseThatDid(t *testing.T) {
	s, port := dnstest.Serve(t), hosts(t, 2)
	setA(s, 1)
	good := strings.Replace(dnsGroup(s, port), "10ms", "1h", 1) + "max_ttl = \"1h\"\n"
	p := run(t, good)
	p.reload(good + "region = \"eu\"\n")
	if n := s.Asked("web.test", "A"); n != 1 {
		t.Errorf("the name was asked for %d times", n)
	}
	p.reload(strings.Replace(good, "web.test", "none.test", 1))
	if _, body := p.get("web", "/"); body != "127.0.0.1" {
		t.Errorf("with a name that does not exist: %q", body)
	}
	// From a list to a name that nobody knows, and back.
	p.reload(group(list("127.0.0.2:" + port)))
	p.reload(strings.Replace(good, "web.test", "none.test", 1))
	if _, body := p.get("web", "/"); body != "127.0.0.2" {
		t.Errorf("in place of a list, a name that does not exist: %q", body)
	}
	p.reload(good)
	if _, body := p.get("web", "/"); body != "127.0.0.1" {
		t.Errorf("back to the first: %q", body)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestOneSourceServesAllServicesOfAGroupEachWithItsPort(t *testing.T) {
	s, one, two := dnstest.Serve(t), hosts(t, 2), hosts(t, 2)
	setA(s, 1)
	p := run(t, fmt.Sprintf(`
[[group]]
name = "g"
dns = "web.test"
resolvers = [%q]
min_ttl = "10ms"
named_ports = { one = %s, two = %s }
[[listener]]
name = "one"
listen = "127.0.0.1:0"
service = "one"
[[listener]]
name = "two"
listen = "127.0.0.1:0"
service = "two"
[[service]]
name = "one"
port_name = "one"
[[service.backend]]
group = "g"
[[service]]
name = "two"
port_name = "two"
[[service.backend]]
group = "g"
`, s.Addr, one, two))
	if p.members("one") != "127.0.0.1:"+one || p.members("two") != "127.0.0.1:"+two {
		t.Errorf("one has %s, two %s", p.members("one"), p.members("two"))
	}
	setA(s, 2)
	testkit.Eventually(t, func() bool {
		return p.members("one") == "127.0.0.2:"+one && p.members("two") == "127.0.0.2:"+two
	})
	if a, aaaa := s.Asked("web.test", "A"), s.Asked("web.test", "AAAA"); max(a-aaaa, aaaa-a) > 1 {
		t.Errorf("asked %d times for A, %d for AAAA", a, aaaa)
	}
}

func TestPrioritiesAreReservesAndWeightsAreShares(t *testing.T) {
	s := dnstest.Serve(t)
	a, b, c := newSpeaker(t, "a"), newSpeaker(t, "b"), newSpeaker(t, "c")
	record := func(priority, weight int, e *speaker) string {
		host, port, _ := net.SplitHostPort(e.addr)
		return fmt.Sprintf("_web._tcp.test. 0 IN SRV %d %d %s %s.", priority, weight, port, host)
	}
	s.Set("_web._tcp.test", "SRV", record(10, 30, a), record(10, 10, b), record(20, 1, c))
	p := run(t, fmt.Sprintf(`
[admin]
listen = "127.0.0.1:0"
[[group]]
name = "g"
srv = "_web._tcp.test"
resolvers = [%q]
min_ttl = "10ms"
[[listener]]
name = "web"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "web"
[[service]]
name = "web"
[[service.backend]]
group = "g"
[service.health_check]
check_interval = "20ms"
unhealthy_threshold = 10 # a busy machine may need 20 ms for a check, but not ten times
healthy_threshold = 1
`, s.Addr))
	count := func() map[string]int {
		seen := map[string]int{}
		for range 40 {
			seen[p.who("web")]++
		}
		return seen
	}
	// The checks' first round is over when c is known, too.
	testkit.Eventually(t, func() bool { return p.Balancer("web").Checked() })
	if seen := count(); seen["a"] != 30 || seen["b"] != 10 {
		t.Errorf("weights 30 and 10: %v", seen)
	}
	a.kill()
	b.kill()
	testkit.Eventually(t, func() bool { return p.who("web") == "c" })
	a.revive()
	testkit.Eventually(t, func() bool { seen := count(); return seen["a"] == 40 })
	for _, e := range p.view("web").Groups[0].Endpoints {
		if e.ID == c.addr && e.Dropped != "STANDBY" {
			t.Errorf("the one of a higher priority is shown as %q", e.Dropped)
		}
	}
}

func TestEndpointsThatCannotBeUsedAreLoggedAndLeftOut(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	file := filepath.Join(t.TempDir(), "endpoints.json")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(`[%q, %q, "10.0.0.1", "unix:/run/x.sock"]`, a, b)), 0o644); err != nil {
		t.Fatal(err)
	}
	p := run(t, oneListener+fmt.Sprintf(`
locality_lb_policy = "MAGLEV"
consistent_hash = { maglev_table_size = 2 }
[service.health_check]
port = 1
[[service.backend]]
group = "static"
[[service.backend]]
group = "g"
[[group]]
name = "static"
endpoints = [%q, "127.0.0.1:9"]
[[group]]
name = "g"
file = %q
`, a, file))
	log := p.log.String()
	for _, want := range []string{"is in group \\\"static\\\" too", "has no port", "is a unix socket", "2 slots are too few for 3 endpoints"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for _, id := range []string{a, b, "127.0.0.1:9"} {
		if !strings.Contains(p.members("web"), id) {
			t.Errorf("%s is not in %s", id, p.members("web"))
		}
	}
	if n := len(strings.Fields(p.members("web"))); n != 3 {
		t.Errorf("%d endpoints: %s", n, p.members("web"))
	}
}

func TestAGroupOfWhichNobodyCanBeUsedIsStillThere(t *testing.T) {
	a, b := named(t, "a"), named(t, "b")
	file := filepath.Join(t.TempDir(), "endpoints.json")
	writeList(t, file, b)
	p := run(t, oneListener+fmt.Sprintf(`
[[service.backend]]
group = "static"
balancing_mode = "RATE"
max_rate = 100
[[service.backend]]
group = "found"
balancing_mode = "RATE"
max_rate = 100
[[group]]
name = "static"
endpoints = [%q]
[[group]]
name = "found"
file = %q
`, a, file))
	scale := func(to string) {
		if status, body := p.post("/api/v1/services/web/groups/found", `{"capacity_scaler":`+to+`}`); status != 200 {
			t.Errorf("scaled to %s: %d %s", to, status, body)
		}
	}
	scale("0.5")
	writeList(t, file, a, "10.0.0.1") // one is the other group's, and one has no port
	testkit.Eventually(t, func() bool { return p.members("web") == a })
	found := func() admin.GroupStatus {
		for _, g := range p.service("web").Groups {
			if g.Name == "found" {
				return g
			}
		}
		t.Fatal("the group is gone")
		return admin.GroupStatus{}
	}
	g := found()
	if g.CapacityScaler != 0.5 || len(g.Endpoints) != 0 || len(g.Unusable) != 2 ||
		!strings.Contains(g.Unusable[0], `in group "static" too`) || !strings.Contains(g.Unusable[1], "has no port") {
		t.Errorf("the group is %+v, %+v", g, g.GroupCapacity)
	}
	scale("0.7")
	writeList(t, file, b)
	testkit.Eventually(t, func() bool { return len(found().Endpoints) == 1 })
	if g := found(); g.CapacityScaler != 0.7 || g.Unusable != nil {
		t.Errorf("with somebody again the group is %+v, %+v", g, g.GroupCapacity)
	}
}

func TestAGroupThatFindsNobodyLeavesItsPartToOthers(t *testing.T) {
	t.Parallel()
	s, port, a := dnstest.Serve(t), hosts(t, 1), named(t, "a")
	file := fmt.Sprintf(`
[proxy]
region = "eu"
zone = "eu-a"
[[listener]]
name = "web"
listen = "127.0.0.1:0"
service = "web"
[[group]]
name = "near"
region = "eu"
zone = "eu-a"
dns = "web.test:%s"
resolvers = [%q]
min_ttl = "10ms"
[[group]]
name = "far"
region = "us"
zone = "us-a"
endpoints = [%q]
[[service]]
name = "web"
[[service.backend]]
group = "near"
balancing_mode = "RATE"
max_rate_per_endpoint = 1000
[[service.backend]]
group = "far"
balancing_mode = "RATE"
max_rate_per_endpoint = 1000
`, port, s.Addr, a)
	p := run(t, file)
	if _, body := p.get("web", "/"); body != "a" {
		t.Errorf("while nobody is near: %q", body)
	}
	setA(s, 1)
	testkit.Eventually(t, func() bool { _, body := p.get("web", "/"); return body == "127.0.0.1" })
	st := p.Balancer("web").Status()
	for _, g := range st.Groups {
		if g.Target != 1000 {
			t.Errorf("group %s has a target of %v", g.Name, g.Target)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestTheOperatorsWordOutlivesAnswers(t *testing.T) {
	s, port := dnstest.Serve(t), hosts(t, 3)
	setA(s, 1, 2)
	p := run(t, dnsGroup(s, port))
	if err := p.Balancer("web").SetAdmin("127.0.0.1:"+port, lb.Drain); err != nil {
		t.Fatal(err)
	}
	setA(s, 1, 3)
	testkit.Eventually(t, func() bool { return p.members("web") == "127.0.0.1:"+port+" 127.0.0.3:"+port })
	for range 10 {
		if _, body := p.get("web", "/"); body != "127.0.0.3" {
			t.Errorf("got %q", body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
