package app_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
)

// What is said before a reload is what the reload says: word for word.
func TestRefusalsAreWhatAReloadSays(t *testing.T) {
	good := oneListener + list("127.0.0.1:1")
	for name, next := range map[string]string{
		"nothing":         good,
		"policy":          good + `locality_lb_policy = "RANDOM"`,
		"log and proxy":   "[log]\nformat = \"json\"\naccess = \"stderr\"\n[proxy]\nid = \"x\"\nengine = \"stream\"\ndrain_timeout = \"1s\"\n" + good,
		"no admin":        strings.Replace(good, "[admin]\nlisten = \"127.0.0.1:0\"\n", "", 1),
		"admin":           strings.Replace(good, "[admin]\n", "[admin]\npprof = true\n", 1),
		"protocol":        strings.Replace(good, `service = "web"`, "protocol = \"TCP\"\nservice = \"web\"", 1),
		"max_connections": strings.Replace(good, `service = "web"`, "max_connections = 5\nservice = \"web\"", 1),
		"another name":    strings.Replace(good, `name = "web"`, `name = "other"`, 1),
		"endpoint TLS":    good + `protocol = "HTTPS"`,
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t, good)
			before, err := config.Load(p.file)
			if err != nil {
				t.Fatal(err)
			}
			p.write(next)
			after, err := config.Load(p.file)
			if err != nil {
				t.Fatal(err)
			}
			said := errors.Join(app.Refusals(before, after)...)
			switch done := p.Reload(); {
			case (said == nil) != (done == nil), said != nil && said.Error() != done.Error():
				t.Errorf("said: %v\ndone: %v", said, done)
			}
		})
	}
}
