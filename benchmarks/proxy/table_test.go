//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
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
		About:  []string{"a machine", "a command line"},
		Notes:  []string{"caddy: not installed"},
		Pinned: true,
		Sections: []section{
			{scenarios[0], []peerRun{
				{Name: "nginx", Results: []result{traced, slow, cpu(99)}},
				{Name: "haproxy", Results: []result{noisy, noisy, noisy}},
				{Name: "caddy", Failure: "it ended:\n\tno such option"},
				{Name: subject, Results: []result{limited, limited, limited}},
			}},
			{scenarios[len(scenarios)-1], []peerRun{
				{Name: "nginx", Results: []result{{Ops: 8000, RSSBefore: 20 << 20, RSSAfter: 25 << 20}}},
				{Name: subject, Results: []result{{Ops: 8000, RSSBefore: 10 << 20, RSSAfter: 12 << 20}}},
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
		HTTP: "127.0.0.1:1001", Echo: "127.0.0.1:1002", Stream: "127.0.0.1:1003",
		To:      endpointAddrs{HTTP: ports(2001), Echo: ports(3001), Stream: ports(4001)},
		Workers: 1, Dir: "/tmp/bench", NginxStream: "/modules/ngx_stream_module.so", Root: true,
	}
	for _, peer := range allPeers() {
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
	for _, args := range []string{"-rounds 0", "-rounds 1000", "-duration 1ms", "-duration 2h", "-warmup -1s", "-workers 2", "-unpinned -workers 0", "S1"} {
		if _, err := parseFlags(strings.Fields(args)); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
	if _, err := parseFlags(strings.Fields("-unpinned -workers 2 -rounds 5")); err != nil {
		t.Error(err)
	}
}

func TestUnknownProxiesAreRefused(t *testing.T) {
	if _, _, err := choosePeers(t.Context(), options{proxies: "ngnix"}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "ngnix") {
		t.Errorf("error: %v", err)
	}
}

// What a ratio of 0.69 is made of: three rounds each, the middle ones divided.
func Example() {
	ours := peerRun{Name: subject, Results: []result{cpu(20), cpu(22), cpu(19)}}
	nginx := peerRun{Name: "nginx", Results: []result{cpu(29), cpu(31), cpu(28)}}
	s, _ := ratio(scenarios[0], ours, nginx)
	fmt.Println(scenarios[0].costUnit(), nginx.of(scenarios[0].cost), ours.of(scenarios[0].cost))
	fmt.Println(versus, s)
	// Output:
	// CPU µs/request 29.0 (28.0–31.0) 20.0 (19.0–22.0)
	// spillway ÷ this 0.69 (0.68–0.71)
}
