//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// golden compares with testdata/name, or rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
		t.Errorf("differs from %s (go test -run %s -update rewrites it):\n%s", file, t.Name(), got)
	}
}

// cpu makes a result that cost so many microseconds for each of 1000 operations in a tenth of a second.
func cpu(microseconds float64) result {
	return result{
		Ops: 1000, Wall: 100 * time.Millisecond, ProxyCPU: time.Duration(microseconds * 1e6),
		LoadCPU: 60 * time.Millisecond, P50: 1500 * time.Microsecond, P99: 12 * time.Millisecond,
	}
}

// beside makes a result whose p99 was so many milliseconds before the slow clients came, and so many beside them.
func beside(before, meanwhile int) result {
	return result{
		Ops: 100, Wall: 100 * time.Millisecond, ProxyCPU: 5 * time.Millisecond, Held: 2000,
		CalmP50: 100 * time.Microsecond, CalmP99: time.Duration(before) * time.Millisecond,
		P50: 110 * time.Microsecond, P99: time.Duration(meanwhile) * time.Millisecond,
		RSSBefore: 10 << 20, RSSPeak: 30 << 20, RSSAfter: 12 << 20,
	}
}

func named(t *testing.T, name string) scenario {
	t.Helper()
	picked, err := pickScenarios(name)
	if err != nil {
		t.Fatal(err)
	}
	return picked[0]
}

func TestTheMiddleRoundDecides(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestARatioIsOfMediansAndItsSpreadOfRounds(t *testing.T) {
	ours := peerRun{Results: []result{cpu(20), cpu(30), cpu(10)}}
	theirs := peerRun{Results: []result{cpu(40), cpu(30), cpu(50)}}
	got, ok := ratio(scenarios[0], ours, theirs)
	if want := (spread{0.5, 0.2, 1}); !ok || got != want {
		t.Errorf("ratio = %v, %v; want %v", got, ok, want)
	}
	if _, ok := ratio(scenarios[0], ours, peerRun{}); ok {
		t.Error("a ratio to a proxy that was not measured")
	}
}

func TestCostHasTheScenariosUnit(t *testing.T) {
	r := result{Ops: 2e9, Wall: 2 * time.Second, ProxyCPU: time.Second}
	if got := (scenario{Kind: stream}).cost(r); got != 500 {
		t.Errorf("a second for 2 GB costs %v ms/GB", got)
	}
	if got := (scenario{Kind: stream}).rate(r); got != 1 {
		t.Errorf("2 GB in 2 s is %v GB/s", got)
	}
	if got := scenarios[0].cost(cpu(29.5)); got != 29.5 {
		t.Errorf("29.5 µs became %v", got)
	}
	if got := (scenario{Kind: idle}).cost(result{Ops: 10, RSSBefore: 1000, RSSAfter: 3000}); got != 200 {
		t.Errorf("2000 bytes for 10 connections are %v", got)
	}
	if got := scenarios[0].cost(result{}); got != 0 {
		t.Errorf("nothing cost %v", got)
	}
}

func TestReportReadsWell(t *testing.T) {
	noisy, slow := cpu(50), cpu(95)
	noisy.RestCPU, noisy.Errors, noisy.First = 30*time.Millisecond, 2, "connection reset by peer"
	slow.LoadCPU = 99 * time.Millisecond
	traced := cpu(95)
	traced.SystemCalls = map[string]float64{"recvfrom": 2.01, "sendto": 2, "epoll_wait": 0.03}
	limited := cpu(30)
	limited.LoadCPU = 98 * time.Millisecond
	golden(t, "report.md", report{
		About:   []string{"a machine", "a command line"},
		Notes:   []string{"caddy: not installed"},
		Names:   []string{"nginx", "haproxy", "caddy", "spillway", "spillway-stream"},
		Ours:    []string{"spillway", "spillway-stream"},
		Subject: "spillway",
		Sections: []section{
			{scenarios[0], []peerRun{
				{Name: "nginx", Results: []result{traced, slow, cpu(99)}},
				{Name: "haproxy", Results: []result{noisy, noisy, noisy}},
				{Name: "caddy", Failure: "it ended:\n\tno such option"},
				{Name: "spillway", Results: []result{limited, limited, limited}},
				{Name: "spillway-stream", Results: []result{traced, traced, traced}},
			}},
			{named(t, "S9"), []peerRun{
				{Name: "nginx", Results: []result{{Ops: 8000, RSSBefore: 20 << 20, RSSAfter: 25 << 20}}},
				{Name: "spillway", Results: []result{{Ops: 8000, RSSBefore: 10 << 20, RSSAfter: 12 << 20}}},
			}},
			{named(t, "SlowH"), []peerRun{
				{Name: "nginx", Results: []result{beside(2, 3), beside(1, 2), beside(4, 2)}},
				{Name: "spillway", Results: []result{beside(2, 3), beside(1, 2), beside(2, 3)}},
			}},
		},
	}.markdown())
}

func TestStraceTableIsRead(t *testing.T) {
	table := `strace: Process 12 attached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.100000          10     10000           sendto
 40.00    0.060000           6     20000       123 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.160000           5     30000       123 total
`
	calls := callsPerOperation(table, scenarios[0], result{AllOps: 10000})
	if got := fmt.Sprint(calls); got != "map[recvfrom:2 sendto:1]" {
		t.Errorf("calls per operation: %s", got)
	}
}

func TestConfigurationsAreAsDocumented(t *testing.T) {
	ports := func(from int) (addrs []string) {
		for i := range endpointCount {
			addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", from+i))
		}
		return addrs
	}
	p := plan{
		HTTP: "127.0.0.1:1001", Echo: "127.0.0.1:1002", Stream: "127.0.0.1:1003", Datagrams: "127.0.0.1:1002",
		To:      endpointAddrs{HTTP: ports(2001), Echo: ports(3001), Stream: ports(4001), Datagrams: ports(5001)},
		Workers: 1, Dir: "/tmp/bench", NginxStream: "/modules/ngx_stream_module.so", Root: true,
	}
	for _, peer := range append(otherPeers(), spillwayPeer("spillway", ""), spillwayPeer("spillway-stream", "stream")) {
		golden(t, peer.file, peer.render(p))
	}
	p.NoTCP, p.Workers, p.Root = true, 2, false
	golden(t, "nginx-http-2.conf", nginxConfig(p))
}

func TestScenariosAreChosenByName(t *testing.T) {
	for names, want := range map[string]string{
		"S1":         "S1",
		"s5, S1":     "S1 S5",
		"S4":         "S4a S4b",
		"S4b,S4,S4b": "S4a S4b",
		"slow,S1u":   "S1u SlowH SlowB SlowX",
	} {
		picked, err := pickScenarios(names)
		var got []string
		for _, sc := range picked {
			got = append(got, sc.Name)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v; want %s", names, got, err, want)
		}
	}
	if all, err := pickScenarios("all"); err != nil || len(all) != len(scenarios) {
		t.Errorf("all: %d scenarios, %v", len(all), err)
	}
	if _, err := pickScenarios("S1,S99"); err == nil || !strings.Contains(err.Error(), "S99") {
		t.Errorf("an unknown scenario: %v", err)
	}
}

func TestFlagsOutOfBoundsAreRefused(t *testing.T) {
	for _, args := range []string{"-rounds 0", "-rounds 1000", "-duration 1ms", "-duration 2h", "-warmup -1s", "S1"} {
		if _, err := parseFlags(strings.Fields(args)); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
	if _, err := parseFlags(strings.Fields("-strace=false -rounds 5")); err != nil {
		t.Error(err)
	}
}

func TestUnknownProxiesAreRefused(t *testing.T) {
	if _, _, err := choosePeers(t.Context(), options{proxies: "ngnix"}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "ngnix") {
		t.Errorf("error: %v", err)
	}
}

func TestEachEngineRunsWithEachBinary(t *testing.T) {
	me, err := exec.LookPath("true") // any program that ends when asked for its version
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ proxies, given, want, subject string }{
		{"spillway", me, "spillway", "spillway"},
		{"spillway,spillway-stream", me, "spillway spillway-stream", "spillway"},
		{"spillway-stream,spillway", me, "spillway-stream spillway", "spillway-stream"},
		{"spillway", "old=" + me + ",new=" + me, "spillway@old spillway@new", "spillway@new"},
		{"spillway,spillway-stream", "a=" + me + ",b=" + me, "spillway@a spillway@b spillway-stream@a spillway-stream@b", "spillway@b"},
	} {
		peers, _, err := choosePeers(t.Context(), options{proxies: c.proxies, spillway: c.given}, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range peers {
			names = append(names, p.name)
		}
		if got := strings.Join(names, " "); got != c.want || subjectOf(peers) != c.subject {
			t.Errorf("-proxies %s -spillway %s: %s, subject %s; want %s, subject %s", c.proxies, c.given, got, subjectOf(peers), c.want, c.subject)
		}
	}
	for _, given := range []string{"a=" + me + ",a=" + me, "/nowhere/spillway", me + "," + me} {
		if _, _, err := choosePeers(t.Context(), options{proxies: "spillway", spillway: given}, t.TempDir()); err == nil {
			t.Errorf("-spillway %s is accepted", given)
		}
	}
}

func TestEstablishedConnectionsAreCounted(t *testing.T) {
	table := []byte(`  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:5A3C 00000000:0000 0A 00000000:00000000
   1: 0100007F:5A3C 0100007F:C001 01 00000000:00000000
   2: 0100007F:C001 0100007F:5A3C 01 00000000:00000000
   3: 0100007F:5A3C 0100007F:C002 06 00000000:00000000
   4: 0100007F:5A3C 0100007F:C003 01 00000000:00000000
`)
	if n := countEstablished(table, 0x5A3C); n != 2 {
		t.Errorf("%d established connections to the port, want 2", n)
	}
}

// What a ratio of 0.69 is made of: three rounds each, the middle ones divided.
func Example() {
	ours := peerRun{Name: spillway, Results: []result{cpu(20), cpu(22), cpu(19)}}
	nginx := peerRun{Name: "nginx", Results: []result{cpu(29), cpu(31), cpu(28)}}
	s, _ := ratio(scenarios[0], ours, nginx)
	fmt.Println(scenarios[0].costUnit(), nginx.of(scenarios[0].cost), ours.of(scenarios[0].cost))
	fmt.Println(report{Subject: spillway}.versus(), s)
	// Output:
	// CPU µs/request 29.0 (28.0–31.0) 20.0 (19.0–22.0)
	// spillway ÷ this 0.69 (0.68–0.71)
}
