package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/dnstest"
	"github.com/spillway-lb/spillway/internal/plan"
)

func TestEndpointsThatGroupsFindAreCompared(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"old.json": `["10.0.0.1:80", "10.0.0.2:80"]`, "new.json": `["10.0.0.2:80", "10.0.0.3:80"]`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.1", "web.test. 60 IN A 10.0.0.2")
	s.Set("more.test", "A", "more.test. 60 IN A 10.0.0.2", "more.test. 60 IN A 10.0.0.3")
	finds := func(key, value string) *config.Config {
		text := "[[listener]]\nlisten = \":1\"\nservice = \"web\"\n[[service]]\nname = \"web\"\nsession_affinity = \"CLIENT_IP\"\n" +
			"[[service.backend]]\ngroup = \"g\"\n[[group]]\nname = \"g\"\n" + fmt.Sprintf("%s = %q\n", key, value)
		if key == "dns" {
			text += fmt.Sprintf("resolvers = [%q]\n", s.Addr)
		}
		cfg, err := config.Parse(filepath.Join(dir, "f.toml"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	for name, c := range map[string]struct{ prev, next *config.Config }{
		"a file": {finds("file", "old.json"), finds("file", "new.json")},
		"DNS":    {finds("dns", "web.test:80"), finds("dns", "more.test:80")},
	} {
		t.Run(name, func(t *testing.T) {
			prev, next, err := plan.Found(t.Context(), c.prev, c.next)
			if err != nil {
				t.Fatal(err)
			}
			got := compare(t, prev, next).Services[0]
			if len(got.Gained) != 1 || got.Gained[0].ID != "10.0.0.3:80" || len(got.Lost) != 1 || got.Lost[0].ID != "10.0.0.1:80" || got.Moved < 0.5 {
				t.Errorf("%+v", got)
			}
			prev, next, err = plan.Found(t.Context(), c.prev, c.prev)
			if err != nil || !compare(t, prev, next).Empty() {
				t.Errorf("a file differs from itself: %v", err)
			}
		})
	}
	if _, _, err := plan.Found(t.Context(), finds("file", "old.json"), finds("file", "none.json")); err == nil || !strings.Contains(err.Error(), `group "g"`) {
		t.Errorf("a file that is not there: %v", err)
	}
}
