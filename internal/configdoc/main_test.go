package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
)

const configDir = "../../config"

func TestReferenceIsFresh(t *testing.T) {
	want, err := reference(configDir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))
	if !bytes.Equal(got, want) {
		t.Error("docs/config.md is stale: run go generate ./config")
	}
}

func TestEveryKeyHasAMeaning(t *testing.T) {
	for _, s := range sections(t) {
		if s.doc == "" || len(s.keys) == 0 {
			t.Errorf("%s: no comment or no keys", s.header)
		}
		for _, k := range s.keys {
			if k.meaning == "" {
				t.Errorf("%s %s: no meaning", s.header, k.name)
			}
		}
	}
}

// The file below leaves out every key that has a default in backquotes, in an
// arrangement where the key has an effect; what Print shows for it must be that
// default.
func TestDefaultsInTheReferenceAreTrue(t *testing.T) {
	var printed bytes.Buffer
	for _, text := range []string{`
[admin]
[[listener]]
listen = ":80"
[[listener.route]]
path_prefix = "/old"
url_redirect = { https_redirect = true }
[[listener.route]]
path_prefix = "/new"
url_redirect = { host_redirect = "b" }
header_action = { response_headers_to_add = [{ header_name = "A" }] }
[[listener.route]]
service = "a"
header_action = { request_headers_to_add = [{ header_name = "A" }] }
[[service]]
name = "a"
endpoints = [{ address = "x:1", id = "y" }]
session_affinity = "GENERATED_COOKIE"
[service.health_check]
[service.retry]
`, `
[[listener]]
listen = ":80"
service = "a"
[[service]]
name = "a"
endpoints = ["x:1"]
locality_lb_policy = "RING_HASH"
[[listener]]
listen = ":81"
protocol = "TCP"
service = "b"
[[service]]
name = "b"
endpoints = ["x:1"]
`, `
[[listener]]
listen = ":443"
protocol = "HTTPS"
service = "a"
[listener.tls]
certificates = [{ cert_file = "../../config/testdata/tls/localhost.pem", key_file = "../../config/testdata/tls/localhost.key" }]
[[service]]
name = "a"
protocol = "HTTPS"
tls = { server_name = "localhost" }
endpoints = ["x:1"]
`, `
[[listener]]
listen = ":80"
protocol = "TCP"
service = "a"
[[group]]
name = "g"
endpoints = ["x:1"]
[[service]]
name = "a"
session_affinity = "CLIENT_IP"
[service.connection_tracking_policy]
tracking_mode = "PER_SESSION"
[service.failover_policy]
[service.network_pass_through_lb_traffic_policy.zonal_affinity]
[[service.backend]]
group = "g"
`, `
[[listener]]
listen = ":80"
service = "a"
[[group]]
name = "g"
endpoints = ["x:1"]
[[service]]
name = "a"
locality_lb_policy = "WEIGHTED_ROUND_ROBIN"
custom_metrics = [{ name = "orca.cpu_utilization" }]
[[service.backend]]
group = "found"
balancing_mode = "CUSTOM_METRICS"
custom_metrics = [{ name = "orca.cpu_utilization" }]
[[group]]
name = "found"
dns = "web.internal:80"
[[service.backend]]
group = "g"
balancing_mode = "CUSTOM_METRICS"
custom_metrics = [{ name = "orca.cpu_utilization" }]
[service.utilization]
enable_oob_load_report = true
`, `
[[listener]]
listen = ":80"
protocol = "TCP"
service = "a"
[[group]]
name = "g"
endpoints = ["x:1"]
[[service]]
name = "a"
utilization = { source = "POLL", poll_path = "/" }
[[service.backend]]
group = "g"
balancing_mode = "UTILIZATION"
`, `
[[listener]]
listen = ":80"
service = "a"
[[service]]
name = "a"
endpoints = ["x:1"]
locality_lb_policy = "WEIGHTED_ROUND_ROBIN"
[service.weighted_round_robin]
[service.slow_start]
window = "30s"
[service.circuit_breakers]
max_connections = 1
[service.outlier_detection]
[service.subsetting]
`, `
[[listener]]
listen = ":80"
service = "a"
[[service]]
name = "a"
endpoints = ["x:1"]
session_affinity = "STRONG_COOKIE_AFFINITY"
`} {
		c, err := config.Parse("test.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Print(&printed); err != nil {
			t.Fatal(err)
		}
	}
	shown := shownValues(printed.String())
	n := 0
	for _, s := range sections(t) {
		for _, k := range s.keys {
			want, exact := strings.CutPrefix(k.fallback, "`")
			want = strings.TrimSuffix(want, "`")
			// Left out of what is printed where it is zero.
			if !exact || k.name == "affinity_cookie_ttl" {
				continue
			}
			n++
			if !anySame(shown[s.header+" "+k.name], want) {
				t.Errorf("%s %s: the comment says %s, the file gets %q", s.header, k.name, want, shown[s.header+" "+k.name])
			}
		}
	}
	if n < 25 {
		t.Errorf("only %d defaults were compared", n)
	}
}

// shownValues returns the values of "header key" in printed TOML.
func shownValues(text string) map[string][]string {
	values, header := map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			header = line
		}
		if inline, ok := strings.CutPrefix(line, "{ "); ok { // an endpoint
			for pair := range strings.SplitSeq(strings.TrimSuffix(inline, " },"), ", ") {
				k, v, _ := strings.Cut(pair, " = ")
				values["An endpoint "+k] = append(values["An endpoint "+k], v)
			}
			continue
		}
		if k, v, ok := strings.Cut(line, " = "); ok {
			values[header+" "+k] = append(values[header+" "+k], strings.Trim(v, `"`))
		}
	}
	return values
}

func anySame(values []string, want string) bool {
	for _, v := range values {
		d, err := time.ParseDuration(v)
		w, err2 := time.ParseDuration(want)
		if v == want || err == nil && err2 == nil && d == w {
			return true
		}
	}
	return false
}

func sections(t *testing.T) []section {
	t.Helper()
	structs, err := readStructs(configDir)
	if err != nil {
		t.Fatal(err)
	}
	return sectionsOf(structs)
}
