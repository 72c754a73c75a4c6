package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
)

const smallest = `
[[listener]]
listen  = ":8080"
service = "web"

[[service]]
name      = "web"
endpoints = ["10.0.0.1:80", "10.0.0.2:80"]
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused checks that a file is refused for one reason only.
func refused(t *testing.T, text, want string) {
	t.Helper()
	_, err := config.Parse("test.toml", []byte(text))
	if err == nil || !strings.Contains(err.Error(), want) || len(config.Problems(err)) != 1 {
		t.Errorf("got %v\nwant one problem with %q", err, want)
	}
}

func TestSmallestFileGetsEveryDefault(t *testing.T) {
	c, err := config.Load("testdata/smallest.toml")
	if err != nil {
		t.Fatal(err)
	}
	seconds := func(n int) config.Duration { return config.Duration(time.Duration(n) * time.Second) }
	want := &config.Config{
		Log:   config.Log{Level: "info", Format: "text", Access: "off"},
		Proxy: config.Proxy{DrainTimeout: seconds(30), Engine: "loop"},
		Listeners: []config.Listener{{
			Name: ":8080", Listen: ":8080", Protocol: "HTTP", Service: "web",
			ClientTimeout: seconds(60), KeepaliveTimeout: seconds(610), MaxHeaderBytes: 65536,
		}},
		Services: []config.Service{{
			Name: "web", Protocol: "HTTP", LocalityLBPolicy: "ROUND_ROBIN", SessionAffinity: "NONE",
			Endpoints: []config.Endpoint{
				{Address: "10.0.0.1:80", ID: "10.0.0.1:80", Weight: 1},
				{Address: "10.0.0.2:80", ID: "10.0.0.2:80", Weight: 1},
			},
			Timeout: seconds(30), ConnectTimeout: seconds(5), KeepaliveTimeout: seconds(600), Panic: "closed",
			ConnectionDraining: config.ConnectionDraining{DrainingTimeout: seconds(300)},
		}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestFullFileLoadsWithoutAWarning(t *testing.T) {
	c, err := config.Load("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings {
		t.Error(w)
	}
}

func TestProtocolOfAServiceIsThatOfItsListeners(t *testing.T) {
	c := parse(t, `
listener = [{ listen = ":1", protocol = "tcp", service = "a" }, { listen = ":2", service = "b" }]
service  = [{ name = "a", endpoints = ["x:1"] }, { name = "b", endpoints = ["x:1"] }]`)
	a, b := c.Services[0], c.Services[1]
	if a.Protocol != "TCP" || a.Panic != "open" || a.KeepaliveTimeout != 0 {
		t.Errorf("of a TCP listener: %+v", a)
	}
	if b.Protocol != "HTTP" || b.Panic != "closed" || b.KeepaliveTimeout == 0 {
		t.Errorf("of an HTTP listener: %+v", b)
	}
	refused(t, `
listener = [{ listen = ":1", protocol = "TCP", service = "a" }, { listen = ":2", service = "a" }]
service  = [{ name = "a", endpoints = ["x:1"] }]`, "speaks")
}

func TestAffinityBringsAHashPolicyAndItsCookie(t *testing.T) {
	c := parse(t, smallest+"session_affinity = 'generated_cookie'\naffinity_cookie_ttl = '1h'\n")
	s := c.Services[0]
	want := config.ConsistentHash{
		MaglevTableSize: 65537,
		HTTPCookie:      config.HTTPCookie{Name: "GCILB", Path: "/", TTL: config.Duration(time.Hour)},
	}
	if s.SessionAffinity != "GENERATED_COOKIE" || s.LocalityLBPolicy != "MAGLEV" || s.ConsistentHash != want {
		t.Errorf("got %+v", s)
	}
}

func TestCheckTimeoutDefaultsToAShorterInterval(t *testing.T) {
	c := parse(t, smallest+"[service.health_check]\ncheck_interval = '1s'\n")
	if h := c.Services[0].HealthCheck; h.Timeout != h.CheckInterval || h.Type != "HTTP" || h.RequestPath != "/" {
		t.Errorf("got %+v", h)
	}
}

func TestRetryIsNotThereOrTriesOnceMoreWhatWasNotProcessed(t *testing.T) {
	if r := parse(t, smallest).Services[0].Retry; r != nil {
		t.Errorf("without a section: %+v", r)
	}
	for section, want := range map[string]config.Retry{
		"":                                 {RetryOn: []string{"connect-failure", "refused-stream"}, NumRetries: 1},
		"retry_on = []\nnum_retries = 0\n": {RetryOn: []string{"connect-failure", "refused-stream"}},
		"retry_on = ['5XX', 'Retriable-4xx']\nnum_retries = 100\nper_try_timeout = '30s'\n": {
			RetryOn: []string{"5xx", "retriable-4xx"}, NumRetries: 100, PerTryTimeout: config.Duration(30 * time.Second),
		},
	} {
		if got := parse(t, smallest+"[service.retry]\n"+section).Services[0].Retry; !reflect.DeepEqual(got, &want) {
			t.Errorf("%q: got %+v, want %+v", section, got, want)
		}
	}
}

func TestRouteTimeoutIsTheServicesUnlessItHasItsOwn(t *testing.T) {
	c := parse(t, `
[[listener]]
listen = ":80"
route = [{ host = "A.example.com", service = "web", timeout = "0s" }, { service = "web" }]
[[service]]
name = "web"
timeout = "7s"
endpoints = ["x:1"]`)
	r := c.Listeners[0].Routes
	if r[0].Timeout != 0 || r[1].Timeout != config.Duration(7*time.Second) || r[0].Host != "a.example.com" || r[1].PathPrefix != "/" {
		t.Errorf("got %+v", r)
	}
}

func TestHashSeedTakesEvery64Bits(t *testing.T) {
	for _, seed := range []int64{0, -1, math.MinInt64, math.MaxInt64} {
		if c := parse(t, smallest+fmt.Sprintf("[proxy]\nhash_seed = %d\n", seed)); c.Proxy.HashSeed != seed {
			t.Errorf("got %d, want %d", c.Proxy.HashSeed, seed)
		}
	}
}

func TestTrustedProxiesBecomePrefixes(t *testing.T) {
	c := parse(t, strings.Replace(smallest, "service =",
		`trusted_proxies = ["10.1.2.3/8", "192.0.2.1", "::1", "::ffff:192.0.2.0/120"]`+"\nservice =", 1))
	want := []string{"10.0.0.0/8", "192.0.2.1/32", "::1/128", "192.0.2.0/24"}
	if got := c.Listeners[0].TrustedProxies; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvironmentIsPutIntoStringsAndNeverReadAsTOML(t *testing.T) {
	t.Setenv("SPILLWAY_TEST_A", `b"
[[service]] ${HOME}`)
	c := parse(t, smallest+`
[log]
access = "$/${SPILLWAY_TEST_A}/$${SPILLWAY_TEST_A}/$$${x"`)
	want := "$/b\"\n[[service]] ${HOME}/${SPILLWAY_TEST_A}/$${x"
	if c.Log.Access != want {
		t.Errorf("got %q, want %q", c.Log.Access, want)
	}
}

func TestAdminNeedsATokenWhereOthersCanReachIt(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:9900", "[::1]:9900", "localhost:9900", "unix:/run/s.sock", "127.8.8.8:1"} {
		parse(t, smallest+"[admin]\nlisten = '"+listen+"'\n")
	}
	for _, listen := range []string{":9900", "0.0.0.0:9900", "[::]:9900", "10.0.0.1:9900", "admin.internal:9900"} {
		refused(t, smallest+"[admin]\nlisten = '"+listen+"'\n", "admin.token_file: is required")
		parse(t, smallest+"[admin]\nlisten = '"+listen+"'\ntoken_file = 'token'\n")
	}
}

func TestMaglevTableSizeIsAPrimeUpToItsBound(t *testing.T) {
	size := func(n int) string {
		return smallest + fmt.Sprintf("locality_lb_policy = 'MAGLEV'\nconsistent_hash.maglev_table_size = %d\n", n)
	}
	for _, n := range []int{2, 3, 65537, 5000011} {
		parse(t, size(n))
	}
	for n, why := range map[int]string{
		-7: "is not from 2", 0: "is not from 2", 1: "is not from 2", 4: "4 is not a prime; 5 is",
		5000010: "5000011 is", 5000077: "is not from 2 to 5000011",
	} {
		refused(t, size(n), why)
	}
}

func TestWhatAnAffinityWouldIgnoreIsRefused(t *testing.T) {
	for _, policy := range []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"} {
		refused(t, smallest+"session_affinity = 'CLIENT_IP'\nlocality_lb_policy = '"+policy+"'\n", "would have no effect")
	}
	for _, policy := range []string{"MAGLEV", "WEIGHTED_MAGLEV", "RING_HASH"} {
		for _, affinity := range []string{"CLIENT_IP", "CLIENT_IP_NO_DESTINATION", "CLIENT_IP_PROTO", "CLIENT_IP_PORT_PROTO", "GENERATED_COOKIE"} {
			parse(t, smallest+"session_affinity = '"+affinity+"'\nlocality_lb_policy = '"+policy+"'\n")
		}
		parse(t, smallest+"locality_lb_policy = '"+policy+"'\n") // by the 5-tuple
	}
}

// The text says nothing wrong about sections that are right: what follows from a
// first mistake is not reported again.
func TestOneMistakeIsOneProblem(t *testing.T) {
	for _, change := range [][2]string{
		{"endpoints", "endpoint"},
		{`":8080"`, "8080"},
		{`"10.0.0.1:80"`, `"10.0.0.1:http"`},
		{`"10.0.0.1:80"`, `"${SPILLWAY_TEST_UNSET}"`},
		{`"10.0.0.1:80"`, `"10.0.0.1"`},
		{`"10.0.0.1:80"`, `{}`},
		{`"10.0.0.1:80"`, `{ addres = "10.0.0.1:80" }`},
		{`= "web"`, `= "wbe"`},
		{"[[service]]", "protocol = 'SSL'\n[[service]]"},
		{"[[service]]", "protocol = 'TPC'\n[[service]]\nprotocol = 'TCP'"},
		{"endpoints", "protocol = 'H2C'\nendpoints"},
		{"endpoints", "locality_lb_policy = 'X'\nsession_affinity = 'CLIENT_IP'\nendpoints"},
		{"endpoints", "session_affinity = 'X'\naffinity_cookie_ttl = '1h'\nendpoints"},
		{"endpoints", "health_check = { type = 'X', request_path = '/x', request = 'x' }\nendpoints"},
	} {
		text := strings.Replace(smallest, change[0], change[1], 1)
		_, err := config.Parse("test.toml", []byte(text))
		if n := len(config.Problems(err)); n != 1 && !onlyWarningsBut(1, config.Problems(err)) {
			t.Errorf("%s → %s: %d problems: %v", change[0], change[1], n, err)
		}
	}
}

func onlyWarningsBut(errors int, problems []*config.Problem) bool {
	for _, p := range problems {
		if !p.Warning {
			errors--
		}
	}
	return errors == 0
}

func TestWarningsDoNotKeepAFileFromLoading(t *testing.T) {
	c := parse(t, strings.Replace(smallest, `"10.0.0.2:80"`, `{ address = "10.0.0.1:80", id = "b" }`, 1)+`
[[service]]
name = "unused"
endpoints = ["x:1"]
[[group]]
name = "unused"
endpoints = ["x:1"]`)
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	want := []string{
		`test.toml:8: service.endpoints: warning: 10.0.0.1:80 is the endpoint "10.0.0.1:80" too: it will get the traffic of both`,
		`test.toml:11: service.name: warning: no listener uses "unused"`,
		`test.toml:14: group.name: warning: no service has "unused" as a backend`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEndpointsMergesGroupsAndResolvesPorts(t *testing.T) {
	c, err := config.Load("testdata/full.toml")
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Endpoint{
		{Address: "10.0.0.1:8080", ID: "10.0.0.1:8080", Weight: 1, Zone: "eu-a", Group: "eu-a"},
		{Address: "10.0.0.2:8081", ID: "big", Weight: 2, Max: 100, Zone: "eu-a", Group: "eu-a"},
		{Address: "[2001:db8::7]:8080", ID: "[2001:db8::7]:8080", Weight: 1, Zone: "eu-b", Group: "eu-b"},
		{Address: "unix:/run/web.sock", ID: "unix:/run/web.sock", Weight: 1, Zone: "eu-b", Group: "eu-b"},
	}
	if got := c.Endpoints(&c.Services[0]); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := c.Endpoints(&c.Services[1]); len(got) != 2 || got[0].Group != "" {
		t.Errorf("of the service itself: %+v", got)
	}
	if c.Groups[0].Endpoints[0].Address != "10.0.0.1" {
		t.Error("Endpoints changed the group")
	}
}

func TestPortlessAddressesOfEveryKindGetThePortOfEachService(t *testing.T) {
	c := parse(t, `
[[listener]]
listen = ":80"
service = "a"
route = [{ host = "b.example.com", service = "b" }]
[[group]]
name = "g"
named_ports = { http = 8080, admin = 9000 }
endpoints = ["10.0.0.1", "2001:db8::1", "[2001:db8::2]", "web.internal", { address = "10.0.0.9", id = "nine" }]
[[service]]
name = "a"
port_name = "http"
backend = [{ group = "g" }]
[[service]]
name = "b"
port_name = "admin"
backend = [{ group = "g" }]`)
	var got []string
	for i := range c.Services {
		for _, e := range c.Endpoints(&c.Services[i]) {
			got = append(got, e.ID+"="+e.Address)
		}
	}
	want := "10.0.0.1:8080=10.0.0.1:8080 [2001:db8::1]:8080=[2001:db8::1]:8080 [2001:db8::2]:8080=[2001:db8::2]:8080" +
		" web.internal:8080=web.internal:8080 nine=10.0.0.9:8080" +
		" 10.0.0.1:9000=10.0.0.1:9000 [2001:db8::1]:9000=[2001:db8::1]:9000 [2001:db8::2]:9000=[2001:db8::2]:9000" +
		" web.internal:9000=web.internal:9000 nine=10.0.0.9:9000"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

func TestFlagsAreCheckedLikeAFile(t *testing.T) {
	c, err := config.FromFlags(":8080", []string{"10.0.0.1:80", "10.0.0.2:80"}, "maglev")
	if err != nil {
		t.Fatal(err)
	}
	s := c.Services[0]
	if s.LocalityLBPolicy != "MAGLEV" || len(s.Endpoints) != 2 || s.ConnectTimeout == 0 || c.Listeners[0].ClientTimeout == 0 {
		t.Errorf("got %+v", c)
	}
	_, err = config.FromFlags("8080", []string{"10.0.0.1", "${HOME}:80"}, "MAGLEVE")
	want := `--listen: "8080" has no host: write ":8080" for every address
--policy: "MAGLEVE" is not one of ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV, WEIGHTED_MAGLEV, WEIGHTED_ROUND_ROBIN, ORIGINAL_DESTINATION; did you mean MAGLEV?
--to: "${HOME}" is neither an IP address nor the name of a host
--to: "10.0.0.1" has no port: write host:port`
	if err == nil || sortedLines(err.Error()) != sortedLines(want) {
		t.Errorf("got:\n%v\nwant:\n%v", err, want)
	}
	if _, err := config.FromFlags(":8080", nil, ""); err == nil || !strings.HasPrefix(err.Error(), "--to: ") {
		t.Errorf("without endpoints: %v", err)
	}
}

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		for j := range i {
			if lines[i] < lines[j] {
				lines[i], lines[j] = lines[j], lines[i]
			}
		}
	}
	return strings.Join(lines, "\n")
}

func TestPrintedFileParsesBackToTheSame(t *testing.T) {
	for _, file := range []string{"testdata/smallest.toml", "testdata/full.toml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkRoundTrip(t, parse(t, string(data)))
	}
}

// checkRoundTrip prints a Config and parses it again.
func checkRoundTrip(t *testing.T, c *config.Config) {
	t.Helper()
	var text bytes.Buffer
	if err := c.Print(&text); err != nil {
		t.Fatal(err)
	}
	again, err := config.Parse("printed", text.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	c.Warnings, again.Warnings = nil, nil
	if !reflect.DeepEqual(c, again) {
		t.Fatalf("printed:\n%s\ngot  %+v\nwant %+v", text.String(), again, c)
	}
}

// FuzzParse checks that nothing makes Parse panic, that every problem of a file
// has a message and a line of the file, and that what Parse accepts, Print writes
// so that it means the same.
func FuzzParse(f *testing.F) {
	f.Setenv("A", "a")
	for _, pattern := range []string{"testdata/*.toml", "testdata/bad/*.toml"} {
		for _, data := range readAll(f, pattern) {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("fuzz", data)
		if err == nil {
			checkRoundTrip(t, c)
			return
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		problems := config.Problems(err)
		if len(problems) == 0 {
			t.Fatalf("an error without problems: %v", err)
		}
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 || p.Line > lines {
				t.Errorf("%+v in a file of %d lines", *p, lines)
			}
		}
	})
}

func TestDurationsAreTextInJSON(t *testing.T) {
	for text, d := range map[string]time.Duration{
		"30s": 30 * time.Second, "10m": 10 * time.Minute, "24h": 24 * time.Hour, "1h1m": 61 * time.Minute,
		"1m30s": 90 * time.Second, "250ms": 250 * time.Millisecond, "0s": 0, "1h0m1s": time.Hour + time.Second,
	} {
		b, err := json.Marshal(config.Duration(d))
		if err != nil || string(b) != `"`+text+`"` {
			t.Errorf("%v: got %s, %v", d, b, err)
		}
		var back config.Duration
		if err := json.Unmarshal(b, &back); err != nil || back != config.Duration(d) {
			t.Errorf("%s: got %v, %v", b, back, err)
		}
	}
}

// bigFile has n endpoints, half of them tables.
func bigFile(n int) []byte {
	var b bytes.Buffer
	b.WriteString("[[listener]]\nlisten = ':8080'\nservice = 'web'\n[[service]]\nname = 'web'\nendpoints = [\n")
	for i := range n / 2 {
		fmt.Fprintf(&b, "'10.%d.%d.%d:80',\n", i>>16, i>>8&255, i&255)
		fmt.Fprintf(&b, "{ address = '11.%d.%d.%d:80', id = 'e%d', weight = 2, max = 100 },\n", i>>16, i>>8&255, i&255, i)
	}
	b.WriteString("]\n")
	return b.Bytes()
}

func TestTenThousandEndpointsLoad(t *testing.T) {
	c := parse(t, string(bigFile(10000)))
	if n := len(c.Endpoints(&c.Services[0])); n != 10000 {
		t.Errorf("%d endpoints", n)
	}
}

func BenchmarkParse10000Endpoints(b *testing.B) {
	data := bigFile(10000)
	for b.Loop() {
		if _, err := config.Parse("big.toml", data); err != nil {
			b.Fatal(err)
		}
	}
}

func readAll(tb testing.TB, pattern string) [][]byte {
	tb.Helper()
	var all [][]byte
	files, err := os.ReadDir(strings.TrimSuffix(pattern, "/*.toml"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".toml") {
			data, err := os.ReadFile(strings.TrimSuffix(pattern, "*.toml") + f.Name())
			if err != nil {
				tb.Fatal(err)
			}
			all = append(all, data)
		}
	}
	return all
}
