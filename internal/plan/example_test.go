package plan_test

import (
	"fmt"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/plan"
)

// A third endpoint takes a third of the keys, and hardly any other moves.
func Example() {
	const file = `
[[listener]]
listen = ":8080"
service = "web"
[[service]]
name = "web"
session_affinity = "CLIENT_IP"
endpoints = [%s]
`
	parse := func(endpoints string) *config.Config {
		cfg, err := config.Parse("spillway.toml", fmt.Appendf(nil, file, endpoints))
		if err != nil {
			fmt.Println(err)
		}
		return cfg
	}
	p, err := plan.Compare(parse(`"10.0.0.1:80", "10.0.0.2:80"`), parse(`"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"`))
	if err != nil {
		fmt.Println(err)
		return
	}
	s := p.Services[0]
	fmt.Printf("%s gains %s, and %.1f %% of its keys move\n", s.Name, s.Gained[0].ID, 100*s.Moved)
	// Output: web gains 10.0.0.3:80, and 33.3 % of its keys move
}
