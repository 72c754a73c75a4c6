package config

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"unicode"
)

// check notes everything that is wrong with a Config whose defaults are filled
// in. Combinations of which a part would be ignored are errors (a file means
// what it says); what merely looks like a slip is a warning.
func (l *loader) check(c *Config) {
	l.checkLog(&c.Log)
	if c.Admin != nil {
		l.checkAdmin(c.Admin)
	}
	l.checkProxy(&c.Proxy)
	for i := range c.Groups {
		l.checkGroup(at("group", i), &c.Groups[i])
	}
	for i := range c.Listeners {
		l.checkListener(at("listener", i), &c.Listeners[i], c)
	}
	for i := range c.Services {
		l.checkService(at("service", i), &c.Services[i], c)
	}
	if len(c.Listeners) == 0 {
		l.errorf("listener", "there is none: a [[listener]] says where traffic comes in")
	}
	l.checkZones(c)
	l.checkSharedGroups(c)
	l.checkStrongNames(c)
	l.checkNames(c)
	l.checkListens(c)
	if !slices.ContainsFunc(l.problems, isError) {
		l.checkUse(c)
	}
}

func (l *loader) checkLog(v *Log) {
	if strings.ContainsRune(v.Access, 0) {
		l.errorf("log.access", "the path of a file must not hold a zero byte")
	}
}

func (l *loader) checkAdmin(v *Admin) {
	a, err := checkListenAddress(v.Listen)
	switch {
	case err != nil:
		l.errorf("admin.listen", "%v", err)
	case a.path == "" && !isLoopback(a.host) && v.TokenFile == "":
		l.errorf("admin.token_file",
			"is required, because %q can be reached from other machines", v.Listen)
	}
}

func (l *loader) checkProxy(p *Proxy) {
	l.checkName("proxy.id", p.ID)
	l.checkName("proxy.region", p.Region)
	l.checkName("proxy.zone", p.Zone)
	if p.Engine == "loop" && runtime.GOOS != "linux" {
		l.errorf("proxy.engine", "event loops need Linux: leave it out, or write \"stream\"")
	}
	l.checkRange("proxy.loops", int64(p.Loops), 0, 1024)
	if p.Loops > 0 && p.Engine != "loop" {
		l.errorf("proxy.loops", "means nothing with engine = %q", p.Engine)
	}
}

func (l *loader) checkGroup(path string, g *Group) {
	l.checkRequiredName(path+".name", g.Name)
	l.checkName(path+".region", g.Region)
	l.checkName(path+".zone", g.Zone)
	for _, name := range slices.Sorted(maps.Keys(g.NamedPorts)) {
		port := g.NamedPorts[name]
		key := join(path+".named_ports", name)
		if !isName(name) {
			l.errorf(key, "%s", nameRule)
		}
		l.checkRange(key, int64(port), 1, 65535)
	}
	l.checkOrigin(path, g)
	seen := map[string]string{}
	for i := range g.Endpoints {
		key, e := at(path+".endpoints", i), &g.Endpoints[i]
		l.checkEndpoint(key, e)
		id := e.ID
		orElse(&id, e.Address)
		if first, twice := seen[id]; twice {
			l.errorf(key, "there is an endpoint %q already%s: give one of them another id", id, l.onLine(first))
		}
		seen[id] = key
	}
}

// maxWeight is the largest weight that a health check may report (spec.md §4.7):
// configured and reported weights are on one scale.
const maxWeight = 1000

func (l *loader) checkEndpoint(path string, e *Endpoint) {
	address := path + ".address"
	if !l.has(address) {
		address = path // the endpoint is just an address
	}
	if l.bad[path] || l.bad[path+".address"] {
		return
	}
	if e.Address == "" {
		l.errorf(address, "an endpoint needs an address")
	} else if _, err := checkEndpointAddress(e.Address); err != nil {
		l.errorf(address, "%v", err)
	}
	if e.ID != "" && e.ID != e.Address {
		l.checkLabel(path+".id", e.ID)
	}
	l.checkRange(path+".weight", int64(e.Weight), 0, maxWeight)
	if e.Max < 0 {
		l.errorf(path+".max", "must not be negative")
	}
}

// nameRule makes names fit into URLs, labels of metrics and file names.
const nameRule = `must be letters, digits, ".", "_" and "-", at most 63, and begin with a letter or digit`

func isName(s string) bool {
	ok := s != "" && len(s) <= 63 && !strings.ContainsRune("._-", rune(s[0]))
	for i := range len(s) {
		ok = ok && (isBareByte(s[i]) || s[i] == '.')
	}
	return ok
}

func (l *loader) checkName(path, name string) {
	if name != "" && !isName(name) {
		l.errorf(path, "%q %s", name, nameRule)
	}
}

func (l *loader) checkRequiredName(path, name string) {
	if name == "" {
		l.errorf(path, "is required")
	}
	l.checkName(path, name)
}

// checkLabel is for names that may be addresses.
func (l *loader) checkLabel(path, s string) {
	unfit := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	if strings.ContainsFunc(s, unfit) || len(s) > 253 {
		l.errorf(path, "%q must be at most 253 bytes that can be printed, without spaces", s)
	}
}

func (l *loader) checkRange(path string, n, least, most int64) {
	if n < least || n > most {
		l.errorf(path, "%d is not from %d to %d", n, least, most)
	}
}

func (l *loader) checkPositive(path string, d Duration) {
	if d <= 0 {
		l.errorf(path, "must be above 0")
	}
}

// onlyWith notes a key that is set and would be ignored.
func (l *loader) onlyWith(path string, set bool, what string) {
	if set {
		l.errorf(path, "only has a meaning with %s", what)
	}
}

// checkNames notes names that are used twice.
func (l *loader) checkNames(c *Config) {
	groups, listeners, services := map[string]string{}, map[string]string{}, map[string]string{}
	for i, g := range c.Groups {
		l.checkUnique(groups, at("group", i), g.Name)
	}
	for i, v := range c.Listeners {
		l.checkUnique(listeners, at("listener", i), v.Name)
	}
	for i, s := range c.Services {
		l.checkUnique(services, at("service", i), s.Name)
	}
}

func (l *loader) checkUnique(seen map[string]string, path, name string) {
	first, twice := seen[name]
	switch {
	case name == "":
	case twice && !l.has(path+".name"): // a listener's, which is its address
		l.errorf(path+".name", "%q is taken%s: give this listener a name", name, l.onLine(first))
	case twice:
		l.errorf(path+".name", "%q is taken%s", name, l.onLine(first))
	default:
		seen[name] = path + ".name"
	}
}

// onLine returns " on line 7" for a path that has a line.
func (l *loader) onLine(path string) string {
	if line := l.places.line(path); line > 0 {
		return fmt.Sprintf(" on line %d", line)
	}
	return ""
}

// checkListens notes addresses that two listeners, or a listener and the admin
// API, cannot both have.
func (l *loader) checkListens(c *Config) {
	type taken struct {
		path string
		udp  bool // its ports are others than TCP's
		address
	}
	var all []taken
	add := func(path, listen string, udp bool) {
		a, err := checkListenAddress(listen)
		if err != nil {
			return
		}
		for _, other := range all {
			if udp == other.udp && clash(a, other.address) {
				l.errorf(path, "%q cannot be had beside %s%s", listen, withoutIndices(other.path), l.onLine(other.path))
				return
			}
		}
		all = append(all, taken{path, udp, a})
	}
	if c.Admin != nil {
		add("admin.listen", c.Admin.Listen, false)
	}
	for i, v := range c.Listeners {
		add(at("listener", i)+".listen", v.Listen, v.Protocol == "UDP")
	}
}

// checkUse warns of services and groups that nothing refers to: most often a
// name was changed in one place. In a file with errors it may be the reference
// that is wrong.
func (l *loader) checkUse(c *Config) {
	used := c.protocolsByService()
	for i, s := range c.Services {
		if _, ok := used[s.Name]; !ok {
			l.warnf(at("service", i)+".name", "no listener uses %q", s.Name)
		}
	}
	l.checkZoneUse(c)
	referred := map[string]bool{}
	for _, s := range c.Services {
		for _, b := range s.Backends {
			referred[b.Group] = true
		}
	}
	for i, g := range c.Groups {
		if !referred[g.Name] {
			l.warnf(at("group", i)+".name", "no service has %q as a backend", g.Name)
		}
	}
}
