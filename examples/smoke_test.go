// Package examples has programs of one screen each, and a test that runs them.
package examples

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// outputs is what each program prints.
var outputs = map[string]string{
	"quickstart": `
10.0.0.1:80 got 2000 requests
10.0.0.2:80 got 1000 requests
`,
	"sticky": `
a second visit moves 0 of 3000 clients
while b is down, its clients go elsewhere and 0 others move
when it is back, 0 clients are not where they were
`,
	"tcp": `
map[hello from a:3 hello from b:3 hello from c:3]
`,
	"custompolicy": `
a: about 4000 of 9000
b: about 1000 of 9000
c: about 4000 of 9000
`,
	"spill": `
20 clients:  near 20 of 30  far 0 of 10
30 clients:  near 30 of 30  far 0 of 10
35 clients:  near 30 of 30  far 5 of 10
40 clients:  near 30 of 30  far 10 of 10
80 clients:  near 60 of 30  far 20 of 10
`,
	"report": `
TEXT application_utilization=1.000,named_metrics.workers=4
application utilization: 1 named: [{workers 4}]
`,
	"drain": `
traffic runs over a and b
b is drained: its requests have finished, it can be stopped
a serves on; requests that b got meanwhile: 0
b is removed; removed endpoints that still have requests: 0
failed requests: 0
`,
}

func TestExamplesPrintWhatTheyShould(t *testing.T) {
	for name, want := range outputs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), name+".exe")
			if out, err := exec.Command("go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			var stderr strings.Builder
			cmd := exec.CommandContext(ctx, program)
			cmd.Stderr = &stderr
			got, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			if strings.TrimSpace(string(got)) != strings.TrimSpace(want) {
				t.Errorf("printed\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEveryExampleIsRun(t *testing.T) {
	programs, err := filepath.Glob("*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) != len(outputs) {
		t.Errorf("there are %q, and outputs for %d of them", programs, len(outputs))
	}
	for _, p := range programs {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > 90 {
			t.Errorf("%s has %d lines: more than a screen", p, n)
		}
	}
}
