package discovery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/internal/dnstest"
)

func TestTheSearchListIsGoneThroughAsTheCLibraryDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 10.0.0.53\nnameserver fd00::53\nsearch a.test b.test\noptions ndots:2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"web":         "web.a.test. web.b.test. web.",
		"web.c":       "web.c.a.test. web.c.b.test. web.c.",
		"web.c.d":     "web.c.d. web.c.d.a.test. web.c.d.b.test.",
		"web.c.test.": "web.c.test.",
	} {
		servers, names := systemPlan(path, name)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got := fmt.Sprint(servers); got != "[10.0.0.53:53 [fd00::53]:53]" {
			t.Errorf("servers: %s", got)
		}
	}
}

func TestWithoutTheFileThisMachineIsAsked(t *testing.T) {
	servers, names := systemPlan(filepath.Join(t.TempDir(), "none"), "web.test")
	if fmt.Sprint(servers) != "[127.0.0.1:53 [::1]:53]" || fmt.Sprint(names) != "[web.test.]" {
		t.Errorf("%v, %v", servers, names)
	}
}

// A name that cannot be asked for is not looked for elsewhere: who is found there may
// be somebody else.
func TestTheSearchGoesOnAfterNobodyAndEndsWithAFailure(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.b.test", "A", "web.b.test. 60 IN A 10.0.0.2")
	names := []string{"web.a.test.", "web.b.test."}
	search := func() (string, error) {
		l := lookup{host: "web"}
		addrs, _, err := l.search(t.Context(), []string{s.Addr}, names)
		return fmt.Sprint(addrs), err
	}
	if got, err := search(); err != nil || got != "[10.0.0.2]" {
		t.Errorf("%s, %v", got, err)
	}
	s.Fail("web.a.test", "A", 2)
	if got, err := search(); err == nil {
		t.Errorf("after a failure: %s", got)
	}
}

func TestTheHostsFile(t *testing.T) {
	const file = `
127.0.0.1	localhost
10.0.0.1  web.test web   # the first
10.0.0.2  other WEB.test.
fd00::1   web.test
10.0.0.3  notweb.test web.test.example
# 10.0.0.4 web.test
nonsense  web.test
10.0.0.5
`
	if got := fmt.Sprint(readHosts(strings.NewReader(file), "web.test")); got != "[10.0.0.1 10.0.0.2 fd00::1]" {
		t.Error(got)
	}
	if got := readHosts(strings.NewReader(file), "none"); got != nil {
		t.Error(got)
	}
	if got := hosts(filepath.Join(t.TempDir(), "none"), "web"); got != nil {
		t.Error(got)
	}
}

func TestLocalhostNeedsNoServer(t *testing.T) {
	if len(hosts(hostsFile, "localhost")) == 0 {
		t.Skip("this machine's hosts file has no localhost")
	}
	a, err := DNS("localhost", "80", Query{}).Look(t.Context())
	if err != nil || len(a.Endpoints) == 0 {
		t.Errorf("%+v, %v", a, err)
	}
}
