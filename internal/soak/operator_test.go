package soak_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"
)

// An operator changes the file, drains and restarts the endpoints whose service
// must not suffer, and kills the others.
type operator struct {
	*soak
	plant
	engine    string
	r         *rand.Rand
	endpoints map[string][]*endpoint // by service
	restart   *endpoint              // of steady's; draining
}

// A plant is what an operator looks after. Steady and wild are among its services.
type plant struct {
	http       bool // there are requests with headers, but for the service echo
	services   []service
	randomFile func(*operator) string // a file for the traffic
	restFile   func(*operator) string // with every service and no endpoint that is there, so nothing is kept for any
}

// A service has endpoints, which serve in their way.
type service struct {
	name      string
	endpoints int
	serve     func(*endpointConn)
	hear      func(*endpoint, *net.UDPConn) // in place of serve
}

// newOperator starts the endpoints.
func newOperator(s *soak, engine string, p plant) (*operator, error) {
	o := &operator{soak: s, plant: p, engine: engine, r: rand.New(rand.NewPCG(s.seed, 1<<40)), endpoints: map[string][]*endpoint{}}
	for _, service := range p.services {
		for range service.endpoints {
			e, err := newEndpoint(service)
			if err != nil {
				return o, err
			}
			o.endpoints[service.name] = append(o.endpoints[service.name], e)
		}
	}
	return o, nil
}

func (o *operator) stopEndpoints() {
	for _, all := range o.endpoints {
		for _, e := range all {
			e.down(false)
			e.wg.Wait()
		}
	}
}

// run does one thing after the other until the soak stops, and then puts
// everything in order.
func (o *operator) run() {
	for !o.stop.Load() {
		time.Sleep(time.Duration(50+o.r.IntN(200)) * time.Millisecond)
		o.revive()
		o.continueRestart()
		switch n := o.r.IntN(20); {
		case n < 11:
			o.reload(o.randomFile(o))
		case n < 14:
			e := o.one("wild")
			e.down(o.r.IntN(2) == 0)
			o.count("operator", "kills")
		case n < 16:
			o.one("wild").lag.Store(int64(o.r.IntN(2)) * o.r.Int64N(int64(200*time.Millisecond)))
			o.count("operator", "slows")
		case n < 18:
			o.beginRestart()
		case n < 19:
			o.word("wild", o.one("wild"), oneOf(o.r, "DRAIN", "DOWN", "READY", "READY"))
		default:
			o.badReload()
		}
	}
	for o.restart != nil {
		o.continueRestart()
		time.Sleep(10 * time.Millisecond)
	}
}

func (o *operator) one(service string) *endpoint {
	all := o.endpoints[service]
	return all[o.r.IntN(len(all))]
}

// revive brings some of the dead back.
func (o *operator) revive() {
	for _, e := range o.endpoints["wild"] {
		if !e.isUp() && o.r.IntN(2) == 0 {
			if err := e.up(); err != nil {
				o.count("operator", "no revival yet")
			}
		}
	}
}

// beginRestart drains the second of steady's endpoints; the first always serves.
// It is always in the file: one that had left the file and is back has new counters,
// which know nothing of requests from before that are still under way.
func (o *operator) beginRestart() {
	if o.restart == nil {
		o.restart = o.endpoints["steady"][1]
		o.word("steady", o.restart, "DRAIN")
	}
}

// continueRestart stops a drained endpoint once nobody uses it, as an operator
// does, and brings it back.
func (o *operator) continueRestart() {
	e := o.restart
	if e == nil {
		return
	}
	active, err := o.proxy.active()
	if err != nil {
		o.wrong("operator: %v", err)
		return
	}
	if active["steady "+e.addr] > 0 {
		return
	}
	// The last bytes of a stream may still be on their way when the proxy has passed
	// on both ends. Connections of HTTP end with the endpoint.
	if !o.http && e.busy() {
		return
	}
	e.down(false)
	for e.up() != nil {
		time.Sleep(time.Millisecond)
	}
	o.word("steady", e, "READY")
	o.restart = nil
	o.count("operator", "restarts of drained endpoints")
}

// word says READY, DRAIN or DOWN. What the file does not have at the moment may
// be refused.
func (o *operator) word(service string, e *endpoint, word string) {
	err := o.proxy.say(service, e.addr, word)
	if err != nil && service == "steady" {
		o.wrong("operator: %v", err)
	}
	o.count("operator", "words")
}

func (o *operator) reload(file string) {
	err := o.proxy.write(file)
	if err == nil && o.r.IntN(2) == 0 {
		_, err = o.proxy.ask("POST", "/api/v1/reload", "")
	} else if err == nil {
		err = o.proxy.Reload()
	}
	if err != nil {
		o.wrong("operator: reload: %v\n%s", err, file)
	}
	o.count("operator", "reloads")
}

// badReload offers a file that is refused.
func (o *operator) badReload() {
	err := o.proxy.write(o.randomFile(o) + "nonsense = 1\n")
	if err == nil {
		err = o.proxy.Reload()
	}
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		o.wrong("operator: a bad file: %v", err)
	}
	o.count("operator", "bad reloads")
}

// httpPlant is for traffic of HTTP/1.1.
func (s *soak) httpPlant() plant {
	return plant{
		http: true,
		services: []service{
			{"steady", 4, s.serveHTTP, nil}, {"closing", 2, s.serveHTTP, nil}, {"wild", 4, s.serveHTTP, nil}, {"echo", 2, serveEcho, nil},
		},
		randomFile: (*operator).randomHTTP,
		restFile:   (*operator).restHTTP,
	}
}

// randomHTTP has some of the endpoints, a policy for each service, and maybe the
// guest listener.
func (o *operator) randomHTTP() string {
	services := ""
	for _, service := range []string{"steady", "closing", "wild", "echo"} {
		services += o.service(service)
	}
	guest := ""
	if o.r.IntN(3) > 0 {
		guest = "[[listener]]\nname = \"guest\"\nlisten = \"127.0.0.1:0\"\nservice = \"steady\"\nclient_timeout = \"300ms\"\n"
	}
	return o.frame(guest) + services
}

func (o *operator) restHTTP() string { return o.frame("") + o.emptyServices() }

// emptyServices have no endpoint that is there.
func (o *operator) emptyServices() (services string) {
	for _, service := range o.services {
		services += fmt.Sprintf("[[service]]\nname = %q\nendpoints = [\"127.0.0.1:1\"]\n", service.name)
	}
	return services
}

func (o *operator) frame(guest string) string {
	routes := ""
	for _, service := range []string{"steady", "closing", "wild"} {
		routes += fmt.Sprintf("[[listener.route]]\npath_prefix = \"/%s/\"\nservice = %q\n", service, service)
		if o.r.IntN(2) == 0 {
			routes += "header_action = { response_headers_to_add = [{ header_name = \"X-Edge\", header_value = \"soak\" }] }\n"
		}
	}
	return fmt.Sprintf(`[log]
level = %q
access = %q
[admin]
listen = "127.0.0.1:0"
[proxy]
engine = %q
drain_timeout = "20s"
[[listener]]
name = "tcp"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "echo"
%s[[listener]]
name = "web"
listen = "127.0.0.1:0"
%s`, oneOf(o.r, "warn", "info", "debug"), *soakAccess, o.engine, guest, routes)
}

// service is a service as it may be: what must not suffer gets time enough.
func (o *operator) service(name string) string {
	timeout := time.Duration(120+o.r.IntN(60)) * time.Second
	if name == "wild" {
		timeout = time.Duration(300+o.r.IntN(5000)) * time.Millisecond
	}
	s := fmt.Sprintf("[[service]]\nname = %q\ntimeout = %q\nendpoints = [%s]\n%s", name, timeout, o.list(name), o.policy(name))
	switch {
	case name == "steady" && o.r.IntN(2) == 0:
		s += "[service.health_check]\ntype = \"TCP\"\ncheck_interval = \"1s\"\nunhealthy_threshold = 10\n"
	case name == "wild" && o.r.IntN(3) == 0:
		s += fmt.Sprintf("[service.retry]\nretry_on = [\"5xx\"]\nnum_retries = %d\nper_try_timeout = \"%dms\"\n", o.r.IntN(4), 100+o.r.IntN(200))
	case name == "wild" && o.r.IntN(2) == 0:
		s += "[service.health_check]\nrequest_path = \"/healthz\"\ncheck_interval = \"50ms\"\nhealthy_threshold = 1\n"
	}
	return s
}

// list has some of a service's endpoints in some order, with some weights: always
// the first, which serves, and steady's second.
func (o *operator) list(name string) string {
	var list []string
	for i, e := range o.endpoints[name] {
		if i > 0 && (i > 1 || name != "steady") && o.r.IntN(4) == 0 {
			continue
		}
		weight, most := 1+o.r.IntN(5), 0
		if i > 0 && o.r.IntN(8) == 0 {
			weight = 0
		}
		if name == "wild" && o.r.IntN(6) == 0 {
			most = 1 + o.r.IntN(3)
		}
		list = append(list, fmt.Sprintf("{ address = %q, weight = %d, max = %d }", e.addr, weight, most))
	}
	o.r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return strings.Join(list, ", ")
}

// policy is one of all, with an affinity where it looks at keys.
func (o *operator) policy(name string) string {
	policy := oneOf(o.r, "ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV")
	hash := map[string]string{"RING_HASH": "minimum_ring_size = 64\n", "MAGLEV": "maglev_table_size = 251\n"}[policy]
	s := fmt.Sprintf("locality_lb_policy = %q\n", policy)
	if hash == "" {
		return s
	}
	affinity := oneOf(o.r, "NONE", "CLIENT_IP", "CLIENT_IP_PORT_PROTO")
	if o.speaksHTTP(name) && o.r.IntN(2) == 0 {
		affinity = oneOf(o.r, "GENERATED_COOKIE", "HEADER_FIELD")
	}
	if affinity == "HEADER_FIELD" {
		hash += "http_header_name = \"X-Id\"\n"
	}
	return s + fmt.Sprintf("session_affinity = %q\n[service.consistent_hash]\n%s", affinity, hash)
}

// speaksHTTP reports whether requests of the service have headers to look at.
func (o *operator) speaksHTTP(service string) bool {
	return o.http && service != "echo"
}
