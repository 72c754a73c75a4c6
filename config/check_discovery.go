package config

import (
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Finds reports whether the group's endpoints come from elsewhere: from DNS or a
// file.
func (g *Group) Finds() bool { return g.DNS != "" || g.SRV != "" || g.File != "" }

// asks reports whether they come from DNS.
func (g *Group) asks() bool { return g.DNS != "" || g.SRV != "" }

// HostPort splits DNS, the port of which is "" where it has none.
func (g *Group) HostPort() (host, port string) {
	host, _, _ = splitPort(g.DNS)
	if !lacksPort(g.DNS) {
		port = g.DNS[strings.LastIndexByte(g.DNS, ':')+1:]
	}
	return host, port
}

// HasPort reports whether an endpoint of the group has a port, its own or that of a
// service with this port_name.
func (g *Group) HasPort(address, portName string) bool {
	_, named := g.NamedPorts[portName]
	return named || !lacksPort(address)
}

func (l *loader) fillGroup(path string, g *Group) {
	fillEndpoints(g.Endpoints)
	if g.asks() {
		if !l.has(path + ".min_ttl") {
			g.MinTTL = second
		}
		if !l.has(path + ".max_ttl") {
			g.MaxTTL = max(5*minute, g.MinTTL)
		}
	}
	if g.File != "" {
		g.FilePath = g.File
		if !filepath.IsAbs(g.File) {
			g.FilePath = filepath.Join(filepath.Dir(l.file), g.File)
		}
	}
}

// checkOrigin checks where the group's endpoints come from.
func (l *loader) checkOrigin(path string, g *Group) {
	var written []string
	for _, key := range []string{"endpoints", "dns", "srv", "file"} {
		if l.has(path + "." + key) {
			written = append(written, key)
		}
	}
	for _, key := range written[min(1, len(written)):] {
		l.errorf(path+"."+key, "cannot be had beside %s%s: a group has one of endpoints, dns, srv and file", written[0], l.onLine(path+"."+written[0]))
	}
	if len(g.Endpoints) == 0 && !g.Finds() {
		key := path + ".endpoints"
		if len(written) > 0 {
			key = path + "." + written[0]
		}
		l.errorf(key, "a group needs at least one endpoint, or one of dns, srv and file, which names them")
	}
	l.checkDNS(path+".dns", g.DNS)
	l.checkSRV(path+".srv", g.SRV)
	if strings.ContainsRune(g.File, 0) {
		l.errorf(path+".file", "the path of a file must not hold a zero byte")
	}
	if g.SRV != "" || g.DNS != "" && !lacksPort(g.DNS) {
		l.onlyWith(path+".named_ports", len(g.NamedPorts) > 0, "endpoints that have no port")
	}
	l.checkQuestions(path, g)
}

func (l *loader) checkDNS(path, name string) {
	if name == "" {
		return
	}
	if a, err := checkEndpointAddress(name); err != nil {
		l.errorf(path, "%v", err)
	} else if a.path != "" {
		l.errorf(path, "a unix socket has no name that could be asked for: write it in endpoints")
	}
}

func (l *loader) checkSRV(path, name string) {
	if name == "" {
		return
	}
	err := checkHost(name)
	_, notName := netip.ParseAddr(name)
	switch {
	case strings.Contains(name, ":"):
		l.errorf(path, "%q has a port: SRV records give it", name)
	case err != nil || notName == nil:
		l.errorf(path, "%q is not a name, such as _http._tcp.web.internal", name)
	}
}

// checkQuestions checks whom DNS groups ask, and when.
func (l *loader) checkQuestions(path string, g *Group) {
	if !g.asks() {
		for _, key := range []string{".resolvers", ".min_ttl", ".max_ttl"} {
			l.onlyWith(path+key, l.has(path+key), "dns or srv")
		}
		return
	}
	for i, r := range g.Resolvers {
		a, err := parseAddress(r)
		if _, notIP := netip.ParseAddr(a.host); err != nil || notIP != nil || a.port == 0 || isMulticastOrAny(a.host) {
			l.errorf(at(path+".resolvers", i), "%q is not the address of a name server: write an IP address, or address:port", r)
		}
	}
	if len(g.Resolvers) == 0 && runtime.GOOS == "windows" {
		l.errorf(path+".resolvers", "is required on Windows, which has no resolv.conf")
	}
	const least, most = 10 * Duration(1e6), 24 * 60 * minute
	bound := func(key string, d Duration) {
		if d < least || d > most {
			l.errorf(path+key, "%v is not from 10ms to 24h", d)
		}
	}
	bound(".min_ttl", g.MinTTL)
	bound(".max_ttl", g.MaxTTL)
	if g.MinTTL > g.MaxTTL {
		l.errorf(path+".max_ttl", "%v is less than min_ttl, which is %v", g.MaxTTL, g.MinTTL)
	}
}

func isMulticastOrAny(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsMulticast() || ip.IsUnspecified())
}

// fillServerName makes the name whose addresses endpoints are the one whose
// certificate they must have, where all have the same one.
func (c *Config) fillServerName(s *Service) {
	if !s.Verifies() || s.TLS != nil && s.TLS.Name != "" || len(s.Backends) == 0 {
		return
	}
	var name string
	for _, b := range s.Backends {
		g, _ := c.group(b.Group)
		if g == nil || g.DNS == "" {
			return
		}
		host, _ := g.HostPort()
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if name != "" && name != host {
			return
		}
		name = host
	}
	if s.TLS == nil {
		s.TLS = new(ServiceTLS)
	}
	s.TLS.Name = name
}

// checkFoundNames warns where endpoints will be addresses, and nobody says whose
// certificates they must have.
func (l *loader) checkFoundNames(path string, s *Service, c *Config) {
	if !s.Verifies() || s.TLS != nil && (s.TLS.Name != "" || s.TLS.InsecureSkipVerify) {
		return
	}
	i := slices.IndexFunc(s.Backends, func(b Backend) bool {
		g, _ := c.group(b.Group)
		return g != nil && g.asks()
	})
	if i >= 0 {
		l.warnf(at(path+".backend", i)+".group", "endpoints of %q are addresses, which their certificates must have: write server_name in tls, if they have a name instead",
			s.Backends[i].Group)
	}
}
