package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
	"github.com/spillway-lb/spillway/internal/dnstest"
)

// Who asks what a file means gets the endpoints that a proxy would find.
func TestFoundIsTheFileWithTheEndpointsThatAProxyFinds(t *testing.T) {
	s := dnstest.Serve(t)
	s.Set("web.test", "A", "web.test. 60 IN A 10.0.0.2", "web.test. 60 IN A 10.0.0.1")
	cfg, err := config.Parse("f.toml", []byte(dnsGroup(s, "80")))
	if err != nil {
		t.Fatal(err)
	}
	found, err := app.Found(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Groups[0].Endpoints) != 0 {
		t.Error("the file itself has changed")
	}
	o, err := app.BalancerOptions(found, &found.Services[0])
	if err != nil || len(o.Groups) != 1 || len(o.Groups[0].Endpoints) != 2 || o.Groups[0].Endpoints[0].ID != "10.0.0.1:80" {
		t.Errorf("%+v, %v", o.Groups, err)
	}
	cfg, err = config.Parse(filepath.Join(t.TempDir(), "f.toml"), []byte(group(`file = "none.json"`)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = app.Found(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), `group "g"`) {
		t.Errorf("a file that is not there: %v", err)
	}
}
