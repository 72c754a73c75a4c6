package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// judgeProxy is of what all services have in common: the process and its machine.
func judgeProxy(r *Report, f *Facts) {
	at := place{r, "", ""}
	p := f.last().Proxy
	if p == nil {
		at.note("proxy", "the proxy does not tell of itself: descriptors, ports, queues, loops and a forgotten reload were not looked at", "run the version of the proxy that this spillway is of")
		return
	}
	if p.Draining {
		at.note("draining", "the proxy has been told to stop, and drains", "nothing: it ends when its connections have")
	}
	judgeDescriptors(at, p)
	judgePorts(at, p)
	judgeQueues(at, f)
	judgeDatagrams(at, f)
	judgeFile(at, f)
}

// tooManyDescriptors and tooManyPorts are the parts of a limit that is nearly reached.
const tooManyDescriptors, tooManyPorts = 0.80, 0.70

func judgeDescriptors(at place, p *admin.ProxyStatus) {
	d := p.Descriptors
	if d == nil || d.Limit == 0 || float64(d.Open) < tooManyDescriptors*float64(d.Limit) {
		return
	}
	at.find("descriptors", fmt.Sprintf("%d of %d file descriptors are open: %s; without one nobody can connect any more", d.Open, d.Limit, percent(float64(d.Open)/float64(d.Limit))),
		"raise the limit (systemd: LimitNOFILE=1048576; a shell: ulimit -n), or bound clients with max_connections of listeners; a connection takes two, one that is spliced more")
}

func judgePorts(at place, p *admin.ProxyStatus) {
	if p.Ports == nil {
		return
	}
	all := p.Ports.High - p.Ports.Low + 1
	for _, use := range p.Ports.Towards {
		if float64(use.Used) < tooManyPorts*float64(all) {
			continue
		}
		at.find("ephemeral-ports", fmt.Sprintf("%d of %d ports (%d to %d) from %s to %s are taken, those in TIME_WAIT included: %s; without one it cannot be connected to",
			use.Used, all, p.Ports.Low, p.Ports.High, use.From, use.To, percent(float64(use.Used)/float64(all))),
			"widen the range (sysctl net.ipv4.ip_local_port_range=\"1024 65535\"), keep connections longer (keepalive_timeout, of endpoints too), or give endpoints or the proxy more addresses")
	}
}

// nearly is by how much a queue may have shrunk since it was full: one that is shorter
// than that when it is looked at is not the one of this machine that has overflowed.
const nearly = 8

// judgeQueues is of connections that wait to be accepted, or had no room to.
func judgeQueues(at place, f *Facts) {
	first, p := f.Readings[0].Proxy, f.last().Proxy
	lost := uint64(0)
	if first != nil && first.QueueOverflows != nil && p.QueueOverflows != nil {
		lost = grown(*first.QueueOverflows, *p.QueueOverflows)
	}
	longest := 0
	for i := range p.Listeners {
		l := &p.Listeners[i]
		most, often := f.waiting(l.Name)
		longest = max(longest, most)
		atMax := l.MaxConnections > 0 && l.Connections >= int64(l.MaxConnections)
		full := p.QueueMax > 0 && most >= p.QueueMax
		overran := lost > 0 && p.QueueMax > 0 && most > 0 && most >= p.QueueMax/nearly
		if !full && !overran && !(atMax && often) {
			continue
		}
		evidence := fmt.Sprintf("up to %s waited to be accepted by listener %s; there is room for %d on each of its sockets", plural(most, "connection", "connections"), l.Name, p.QueueMax)
		if lost > 0 {
			evidence += fmt.Sprintf("; %d found no room on this machine in %v", lost, round(f.window()))
		}
		remedy := "the proxy does not keep up with accepting: give it more cores (loops), or raise sysctl net.core.somaxconn and restart it to stand bursts"
		if atMax {
			evidence += fmt.Sprintf("; it has %d connections, as many as max_connections allows", l.Connections)
			remedy = "raise max_connections of listener " + l.Name + ", or shorten its keepalive_timeout so that idle clients make room"
		}
		at.find("backlog", evidence, remedy)
		lost = 0
	}
	if lost > 0 {
		at.note("backlog", fmt.Sprintf("%s found no room in the queue of a listening socket of this machine in %v, though at most %d wait to be accepted by any of the proxy's listeners, which have room for %d", plural(lost, "connection", "connections"), round(f.window()), longest, p.QueueMax),
			"if this happens often: sysctl net.core.somaxconn; it may be another program's")
	}
}

// waiting is how many connections have waited at most to be accepted by a listener,
// and whether most readings saw some. The kernel's list, which is read while it
// changes, may miss one.
func (f *Facts) waiting(listener string) (most int, often bool) {
	seen, readings := 0, 0
	for _, r := range f.Readings {
		if r.Proxy == nil {
			continue
		}
		readings++
		for _, l := range r.Proxy.Listeners {
			if l.Name == listener && l.Waiting > 0 {
				most = max(most, l.Waiting)
				seen++
			}
		}
	}
	return most, 2*seen > readings
}

// dropped says of each reason for which datagrams are not passed on how many of them
// are no accident, and what to do.
var dropped = map[string]struct {
	many   uint64
	why    string
	remedy string
}{
	"no_endpoint":     {1, "nobody could be picked for them", "spillway status says why no endpoint takes traffic"},
	"max_connections": {1, "the listener has as many sessions as max_connections allows", "raise max_connections of the listener, or shorten timeout of the service"},
	"no_port":         {1, "no port or descriptor was left for their session", "raise the limit of descriptors, or widen net.ipv4.ip_local_port_range"},
	"no_room":         {10, "a socket's buffer was full", "raise sysctl net.core.rmem_max and wmem_max"},
	"refused":         {10, "the endpoint's machine said that nobody listens", "start what is to listen, or let health_check look at it"},
	"stray":           {10, "they came from an endpoint for a session that is no more: evicted, or idle for longer than timeout", "raise timeout of the service above the longest pause between question and answer"},
}

// judgeDatagrams is of UDP listeners that did not pass on what came.
func judgeDatagrams(at place, f *Facts) {
	first := f.Readings[0].Proxy
	if first == nil {
		return
	}
	before := make(map[string]map[string]uint64)
	for _, l := range first.Listeners {
		before[l.Name] = l.Drops
	}
	for _, l := range f.last().Proxy.Listeners {
		for _, reason := range slices.Sorted(maps.Keys(l.Drops)) {
			d, known := dropped[reason]
			if n := grown(before[l.Name][reason], l.Drops[reason]); known && n >= d.many {
				at.find("udp/"+reason, fmt.Sprintf("listener %s did not pass on %s in %v: %s", l.Name, plural(n, "datagram", "datagrams"), round(f.window()), d.why), d.remedy)
			}
		}
	}
}

// judgeFile compares what runs with the file.
func judgeFile(at place, f *Facts) {
	p := f.last().Proxy
	if f.File == nil || p.Config == "" || f.File.Fingerprint() == p.Config {
		return
	}
	evidence := fmt.Sprintf("the file is not what the proxy runs since %s", p.Loaded.Format("2006-01-02 15:04:05"))
	if d := f.differences(); len(d) > 0 {
		evidence += ": " + strings.Join(d, "; ")
	}
	at.find("config", evidence, "spillway plan shows what a change does, spillway reload (or SIGHUP) puts it in force; if that was done, its log says why it was refused")
}

// differences names what of the file is not running and the other way round, as far
// as it can be seen.
func (f *Facts) differences() (all []string) {
	const most = 5
	running := make(map[string]*admin.ServiceStatus)
	for i := range f.last().Services {
		running[f.last().Services[i].Name] = &f.last().Services[i]
	}
	for i := range f.File.Listeners {
		name := f.File.Listeners[i].Name
		if !slices.ContainsFunc(f.last().Proxy.Listeners, func(l admin.ListenerStatus) bool { return l.Name == name }) {
			all = append(all, "listener "+name+" is not open")
		}
	}
	for i := range f.File.Services {
		s := &f.File.Services[i]
		r := running[s.Name]
		if r == nil {
			all = append(all, "service "+s.Name+" does not run")
			continue
		}
		for _, e := range f.File.Endpoints(s) {
			if is := endpoint(r, e.ID); is == nil {
				all = append(all, fmt.Sprintf("service %s has no endpoint %s", s.Name, e.ID))
			} else if is.Weight != e.Weight {
				all = append(all, fmt.Sprintf("endpoint %s of service %s has weight %d instead of %d", e.ID, s.Name, is.Weight, e.Weight))
			}
		}
		if s.LocalityLBPolicy != r.Policy {
			all = append(all, fmt.Sprintf("service %s runs with %s instead of %s", s.Name, r.Policy, s.LocalityLBPolicy))
		}
	}
	if n := len(all) - most; n > 0 {
		all = append(all[:most], fmt.Sprintf("and %d more", n))
	}
	return all
}
