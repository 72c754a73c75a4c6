package main

import (
	"fmt"
	"strings"
)

// How the demo's health checks go: a dead endpoint is found out within half a
// second, where the defaults of a file take ten.
const demoCheck = `
[service.health_check]
type = "HTTP"
check_interval = "250ms"
`

// file is the demo's configuration, in the words that anybody would write.
func (d *demo) file(adminAddr string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `[admin]
listen = %q

[proxy]
drain_timeout = "1s"

[[group]]
name = "demo"
endpoints = [
`, adminAddr)
	for _, e := range d.endpoints {
		fmt.Fprintf(&b, "  { address = %q, id = %q },\n", e.addr, e.name)
	}
	b.WriteString(`]

[[listener]]
name = "http"
listen = "127.0.0.1:0"
service = "web"
`)
	for _, p := range d.policies {
		fmt.Fprintf(&b, "\n[[listener.route]]\npath_prefix = %q\nservice = %q\n", demoPath(p), p)
	}
	b.WriteString(`
[[listener]]
name = "tcp"
listen = "127.0.0.1:0"
protocol = "TCP"
service = "tcp"
`)
	b.WriteString(demoService("web", "HTTP", d.policy) + demoCheck)
	b.WriteString(demoService("tcp", "TCP", d.policy))
	for _, p := range d.policies {
		b.WriteString(demoService(p, "HTTP", p))
	}
	return b.String()
}

// demoPath is where the demo serves a policy: "/ring-hash".
func demoPath(policy string) string {
	return "/" + strings.ToLower(strings.ReplaceAll(policy, "_", "-"))
}

// demoService writes a service of the three endpoints. Where the policy hashes,
// it hashes the user, who is named by a header.
func demoService(name, protocol, policy string) string {
	s := fmt.Sprintf("\n[[service]]\nname = %q\nprotocol = %q\nlocality_lb_policy = %q\n", name, protocol, policy)
	if protocol == "HTTP" && demoHashes(policy) {
		s += fmt.Sprintf("session_affinity = \"HEADER_FIELD\"\nconsistent_hash = { http_header_name = %q }\n", userHeader)
	}
	return s + "backend = [{ group = \"demo\" }]\n"
}

func demoHashes(policy string) bool {
	return strings.HasSuffix(policy, "MAGLEV") || strings.HasSuffix(policy, "HASH")
}
