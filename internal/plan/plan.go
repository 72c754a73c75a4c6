package plan

import (
	"slices"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
)

// A Plan is what a change of the file does.
type Plan struct {
	// Services are those of both files, by name.
	Services []Service `json:"services"`
	// Listeners are those that open, close or change their address, by name.
	Listeners []Listener `json:"listeners"`
	// Settings are other keys of the file with another value.
	Settings []string `json:"settings"`
	// Restart says why a reload refuses the new file. Empty: a reload takes it.
	Restart []string `json:"restart"`
}

// A Verb says what becomes of something.
type Verb string

// The verbs.
const (
	Stays   Verb = "STAYS"
	Comes   Verb = "COMES"
	Goes    Verb = "GOES"
	Changes Verb = "CHANGES"
)

// Compare says what becomes of a proxy with the file prev that gets the file next.
func Compare(prev, next *config.Config) (*Plan, error) {
	p := &Plan{
		Services:  []Service{},
		Listeners: listeners(prev, next),
		Settings:  settings(prev, next),
		Restart:   []string{},
	}
	for _, name := range serviceNames(prev, next) {
		before, err := newSide(prev, name)
		if err != nil {
			return nil, err
		}
		after, err := newSide(next, name)
		if err != nil {
			return nil, err
		}
		p.Services = append(p.Services, compareService(name, before, after))
	}
	for _, err := range app.Refusals(prev, next) {
		p.Restart = append(p.Restart, err.Error())
	}
	p.Restart = append(p.Restart, taken(prev, next)...)
	return p, nil
}

// Empty reports whether nothing changes.
func (p *Plan) Empty() bool {
	return len(p.Listeners)+len(p.Settings)+len(p.Restart) == 0 &&
		!slices.ContainsFunc(p.Services, func(s Service) bool { return s.Verb != Stays })
}

// serviceNames are the names in either file, sorted.
func serviceNames(files ...*config.Config) []string {
	var names []string
	for _, cfg := range files {
		for i := range cfg.Services {
			names = append(names, cfg.Services[i].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
