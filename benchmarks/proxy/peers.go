//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A peer is a proxy that takes part: how to find it, configure it and start it. How each is tuned is in its render function.
type peer struct {
	name    string
	binary  string              // path, filled in by find
	version string              // filled in by find
	noTCP   bool                // HTTP only
	noTLS   bool                // plaintext only
	udp     bool                // datagrams, too
	only    func(scenario) bool // takes part only there; nil: everywhere
	engine  string              // Spillway: the engine in its file; "": the default
	ours    bool                // a Spillway
	noProxy bool                // need not do the work of one
	file    string              // name of its configuration file
	render  func(plan) string
	argv    func(binary, file string) []string
	ask     []string // arguments that make it print its version
}

// A plan is what a configuration must say: where to listen and where to send.
type plan struct {
	HTTP, Echo, Stream string // addresses to listen on
	TLS                string // the same for HTTP over TLS; "": not wanted
	Certificate        string // file with a certificate and its key
	Datagrams          string // for UDP; "": not wanted
	To                 endpointAddrs
	Workers            int
	Dir                string // for temporary files
	NginxStream        string // path of ngx_stream_module.so; "" when it is compiled in
	NoTCP              bool
	Root               bool // run as root, which makes nginx give its workers another user unless told
	ForceSplice        bool
	Engine             string
}

// idleLimit is how long any proxy keeps a connection that does nothing: longer than any run.
const idleLimit = "600s"

// otherPeers are all proxies that are not Spillway.
func otherPeers() []*peer {
	return []*peer{
		{name: "nginx", udp: true, file: "nginx.conf", render: nginxConfig, ask: []string{"-v"},
			argv: func(bin, file string) []string { return []string{bin, "-p", filepath.Dir(file), "-c", file} }},
		{name: "haproxy", file: "haproxy.cfg", render: haproxyConfig, ask: []string{"-v"},
			argv: func(bin, file string) []string { return []string{bin, "-db", "-f", file} }},
		{name: "haproxy-splice", file: "haproxy-splice.cfg", only: bulk, ask: []string{"-v"},
			render: func(p plan) string { p.ForceSplice = true; return haproxyConfig(p) },
			argv:   func(bin, file string) []string { return []string{bin, "-db", "-f", file} }},
		{name: "caddy", file: "caddy.json", noTCP: true, noTLS: true, render: caddyConfig, ask: []string{"version"},
			argv: func(bin, file string) []string { return []string{bin, "run", "--config", file} }},
		{name: "floor", noProxy: true, noTLS: true, file: "floor.json", only: hasFloor, render: floorConfig,
			argv: func(bin, file string) []string { return []string{bin, "floor", file} }},
	}
}

func bulk(sc scenario) bool { return sc.Bulk }

// spillwayPeer is a Spillway with an engine of the file's choice, or, for "", the one it chooses itself.
func spillwayPeer(name, engine string) *peer {
	return &peer{
		name: name, ours: true, udp: true, engine: engine, file: name + ".toml", ask: []string{"version"},
		render: func(p plan) string { p.Engine = engine; return spillwayConfig(p) },
		argv:   func(bin, file string) []string { return []string{bin, "run", "-c", file} },
	}
}

// takesPart says whether a peer can do the scenario and is meant to.
func (p *peer) takesPart(sc scenario) bool {
	return (!sc.tcp() || !p.noTCP) && (!sc.udp() || p.udp) && (!sc.tls() || !p.noTLS) && (p.only == nil || p.only(sc))
}

// env makes Go programs use as many threads as the others have workers, and keeps their files in dir.
func (p *peer) env(workers int, dir string) []string {
	return []string{
		fmt.Sprintf("GOMAXPROCS=%d", workers),
		"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
	}
}

// find looks for the binary on the PATH and in /usr/sbin, where distributions put servers, and asks for its version.
func (p *peer) find(ctx context.Context) error {
	if p.name == "floor" {
		var err error
		p.binary, err = os.Executable()
		p.version = "a part of this program"
		return err
	}
	name := strings.TrimSuffix(p.name, "-splice")
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			p.binary = path
			p.version = askVersion(ctx, path, p.ask)
			return nil
		}
	}
	return errors.New("not installed")
}

func askVersion(ctx context.Context, binary string, arguments []string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, binary, arguments...).CombinedOutput() // nginx prints to standard error
	return strings.TrimPrefix(strings.TrimSpace(string(firstLine(out))), "nginx version: ")
}

// nginxModule looks for the stream module: "" and true when it is compiled in, a path when it is to be loaded.
func nginxModule(ctx context.Context, binary, dir string) (path string, found bool) {
	out, _ := exec.CommandContext(ctx, binary, "-V").CombinedOutput()
	if strings.Contains(string(out), "--with-stream ") {
		return "", true
	}
	for _, dir := range []string{dir, "/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/nginx/modules"} {
		path := filepath.Join(dir, "ngx_stream_module.so")
		if _, err := os.Stat(path); err == nil {
			return path, true
		}
	}
	return "", false
}

// each joins one formatted line for each address.
func each(format string, addrs []string) string {
	var b strings.Builder
	for i, addr := range addrs {
		line := strings.NewReplacer("{n}", fmt.Sprint(i+1), "{addr}", addr).Replace(format)
		b.WriteString(line)
	}
	return b.String()
}

// nginxConfig: connections to the endpoints are kept and reused without limit, bodies pass without being stored, buffers
// hold a 128 KiB response, nothing is logged.
func nginxConfig(p plan) string {
	listen := "backlog=4096"
	if p.Workers > 1 {
		listen += " reuseport"
	}
	var b strings.Builder
	if p.NginxStream != "" && !p.NoTCP {
		fmt.Fprintf(&b, "load_module %s;\n", p.NginxStream)
	}
	if p.Root {
		b.WriteString("user root;\n") // the workers write to the harness's temporary directory
	}
	fmt.Fprintf(&b, `daemon off;
worker_processes %d;
pid %[2]s/nginx.pid;
error_log %[2]s/nginx-error.log;
events { worker_connections 20000; }
http {
	access_log off;
	client_body_temp_path %[2]s/nginx-body;
	proxy_temp_path %[2]s/nginx-proxy;
	fastcgi_temp_path %[2]s/nginx-fastcgi;
	uwsgi_temp_path %[2]s/nginx-uwsgi;
	scgi_temp_path %[2]s/nginx-scgi;
	keepalive_requests 1000000000;
	keepalive_timeout %[3]s;
	client_max_body_size 0;
	upstream endpoints {
%[4]s		keepalive 256;
		keepalive_requests 1000000000;
		keepalive_timeout %[3]s;
	}
	server {
		listen %[5]s %[6]s;
%[7]s		location / {
			proxy_pass http://endpoints;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_request_buffering off;
			proxy_max_temp_file_size 0;
			proxy_buffer_size 32k;
			proxy_buffers 8 32k;
		}
	}
}
`, p.Workers, p.Dir, idleLimit, each("\t\tserver {addr};\n", p.To.HTTP), p.HTTP, listen, nginxTLS(p, listen))
	if p.NoTCP {
		return b.String()
	}
	b.WriteString("stream {\n\taccess_log off;\n\tproxy_buffer_size 64k;\n")
	for _, s := range []struct {
		name, addr string
		to         []string
	}{{"echo", p.Echo, p.To.Echo}, {"stream", p.Stream, p.To.Stream}} {
		fmt.Fprintf(&b, "\tupstream %[1]s {\n%[2]s\t}\n\tserver { listen %[3]s %[4]s; proxy_pass %[1]s; }\n",
			s.name, each("\t\tserver {addr};\n", s.to), s.addr, listen)
	}
	if p.Datagrams == "" {
		b.WriteString("}\n")
		return b.String()
	}
	shared := ""
	if p.Workers > 1 {
		shared = " reuseport"
	}
	fmt.Fprintf(&b, "\tupstream datagrams {\n%s\t}\n\tserver { listen %s udp%s; proxy_pass datagrams; proxy_timeout %s; }\n",
		each("\t\tserver {addr};\n", p.To.Datagrams), p.Datagrams, shared, idleLimit)
	b.WriteString("}\n")
	return b.String()
}

// nginxTLS has the same server listen for TLS. No session is resumed, so there is no cache of any.
func nginxTLS(p plan, listen string) string {
	if p.TLS == "" {
		return ""
	}
	return fmt.Sprintf("\t\tlisten %s ssl %s;\n\t\tssl_certificate %[3]s;\n\t\tssl_certificate_key %[3]s;\n\t\tssl_protocols TLSv1.2 TLSv1.3;\n",
		p.TLS, listen, p.Certificate)
}

// haproxyConfig: connections to the endpoints are shared by all clients. By itself HAProxy decides when to splice
// (splice-auto), which for streams as even as these it seldom does; forced, it is the honest opponent for bulk.
func haproxyConfig(p plan) string {
	splice := "\toption splice-auto\n"
	if p.ForceSplice {
		splice = "\toption splice-request\n\toption splice-response\n"
	}
	secure := ""
	if p.TLS != "" {
		secure = fmt.Sprintf("\tbind %s backlog 4096 ssl crt %s\n", p.TLS, p.Certificate)
	}
	return fmt.Sprintf(`global
	nbthread %d
	maxconn 9000
	maxpipes 256
	tune.pipesize 1048576
defaults
	timeout connect 5s
	timeout client %[2]s
	timeout server %[2]s
	timeout http-keep-alive %[2]s
	balance roundrobin
%[3]slisten http
	mode http
	bind %[4]s backlog 4096
%[10]s	http-reuse always
	option forwardfor
%[5]slisten echo
	mode tcp
	bind %[6]s backlog 4096
%[7]slisten stream
	mode tcp
	bind %[8]s backlog 4096
%[9]s`, p.Workers, idleLimit, splice,
		p.HTTP, each("\tserver e{n} {addr}\n", p.To.HTTP),
		p.Echo, each("\tserver e{n} {addr}\n", p.To.Echo),
		p.Stream, each("\tserver e{n} {addr}\n", p.To.Stream), secure)
}

// caddyConfig: no TLS, HTTP/1.1 alone, 256 idle connections to each endpoint (the default is 32), no admin, no access log.
func caddyConfig(p plan) string {
	upstreams := strings.TrimSuffix(each(`
			{"dial": "{addr}"},`, p.To.HTTP), ",")
	return fmt.Sprintf(`{
	"admin": {"disabled": true, "config": {"persist": false}},
	"apps": {"http": {"servers": {"bench": {
		"listen": ["%s"],
		"automatic_https": {"disable": true},
		"protocols": ["h1"],
		"idle_timeout": "%[2]s",
		"routes": [{"handle": [{
			"handler": "reverse_proxy",
			"load_balancing": {"selection_policy": {"policy": "round_robin"}},
			"transport": {"protocol": "http", "compression": false, "keep_alive": {"idle_timeout": "%[2]s", "max_idle_conns_per_host": 256}},
			"upstreams": [%[3]s
			]
		}]}]
	}}}}
}
`, p.HTTP, idleLimit, upstreams)
}

// spillwayConfig has what a real file has, so that nothing is measured switched off: a request passes three routes before the
// one that matches, every timeout runs, the admin API serves the counters. X-Forwarded-* is always on.
func spillwayConfig(p plan) string {
	var b strings.Builder
	b.WriteString("[admin]\nlisten = \"127.0.0.1:0\"\n\n")
	if p.Engine != "" {
		fmt.Fprintf(&b, "[proxy]\nengine = %q\n\n", p.Engine)
	}
	fmt.Fprintf(&b, `[[listener]]
name = "http"
listen = %q
client_timeout = "60s"
keepalive_timeout = "%[2]s"

[[listener.route]]
host = "*.other.example"
service = "http"

[[listener.route]]
host = "bench.example"
path_prefix = "/api/"
service = "http"

[[listener.route]]
path_prefix = "/ping"
fixed_response = { status = 200, body = "pong" }

[[listener.route]]
service = "http"
timeout = "60s"

[[service]]
name = "http"
endpoints = [%[3]s]
timeout = "30s"
connect_timeout = "5s"
keepalive_timeout = "%[2]s"

`, p.HTTP, idleLimit, quotedList(p.To.HTTP))
	if p.TLS != "" {
		fmt.Fprintf(&b, "[[listener]]\nname = \"https\"\nlisten = %q\nprotocol = \"HTTPS\"\nservice = \"http\"\n\n", p.TLS)
		fmt.Fprintf(&b, "[listener.tls]\ncertificates = [{ cert_file = %q, key_file = %[1]q }]\n\n", p.Certificate)
	}
	for _, s := range []struct {
		name, addr string
		to         []string
	}{{"echo", p.Echo, p.To.Echo}, {"stream", p.Stream, p.To.Stream}} {
		fmt.Fprintf(&b, "[[listener]]\nname = %q\nlisten = %q\nprotocol = \"TCP\"\nservice = %[1]q\n\n", s.name, s.addr)
		fmt.Fprintf(&b, "[[service]]\nname = %q\nendpoints = [%s]\n\n", s.name, quotedList(s.to))
	}
	if p.Datagrams == "" {
		return b.String()
	}
	fmt.Fprintf(&b, "[[listener]]\nname = \"datagrams\"\nlisten = %q\nprotocol = \"UDP\"\nservice = \"datagrams\"\n\n", p.Datagrams)
	fmt.Fprintf(&b, "[[service]]\nname = \"datagrams\"\nendpoints = [%s]\ntimeout = %q\n\n", quotedList(p.To.Datagrams), idleLimit)
	return b.String()
}

func quotedList(addrs []string) string { return strings.TrimSuffix(each(`"{addr}", `, addrs), ", ") }
