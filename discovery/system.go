package discovery

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/miekg/dns"
)

// The system's files. They are read for every question, so that a change needs
// nothing.
const (
	resolvConf = "/etc/resolv.conf"
	hostsFile  = "/etc/hosts"
)

// ask are the servers to be asked, and the names to be asked for, in order: the
// search list where the servers are the system's (resolv.conf(5)), else the name
// as it is. A name that ends in a dot is always complete.
func (c client) plan(name string) (servers, names []string) {
	if len(c.servers) > 0 {
		return c.servers, []string{dns.Fqdn(name)}
	}
	return systemPlan(resolvConf, name)
}

// systemPlan is the plan of the file at path. Without it the server is this
// machine, as the C library has it.
func systemPlan(path, name string) (servers, names []string) {
	conf, err := dns.ClientConfigFromFile(path)
	if err != nil {
		conf = &dns.ClientConfig{Ndots: 1, Port: "53"}
	}
	for _, s := range conf.Servers {
		servers = append(servers, net.JoinHostPort(s, conf.Port))
	}
	if len(servers) == 0 {
		servers = []string{"127.0.0.1:53", "[::1]:53"}
	}
	return servers, conf.NameList(name)
}

// hosts returns the addresses that the hosts file gives a name (hosts(5)).
func hosts(path, name string) []netip.Addr {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	return readHosts(f, name)
}

// maxHosts bounds what is read of the hosts file: some list a million names to be
// blocked.
const maxHosts = 64 << 20

func readHosts(r io.Reader, name string) (found []netip.Addr) {
	name = strings.TrimSuffix(name, ".")
	s := bufio.NewScanner(io.LimitReader(r, maxHosts))
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		if !containsFold(line, name) {
			continue // most lines
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, alias := range fields[1:] {
			if strings.EqualFold(strings.TrimSuffix(alias, "."), name) {
				found = append(found, addr.Unmap())
				break
			}
		}
	}
	return found
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
