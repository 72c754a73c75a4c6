package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/config"
)

// findTimeout is how long the groups of a file have that find their endpoints by DNS.
const findTimeout = 5 * time.Second

// serviceOf finds a service of the file at path by its name, which may be "" where
// there is only one.
func serviceOf(cfg *config.Config, path, name string) (*config.Service, error) {
	names := make([]string, len(cfg.Services))
	for i := range cfg.Services {
		names[i] = cfg.Services[i].Name
	}
	if name == "" {
		var err error
		if name, err = onlyOne(names); err != nil {
			return nil, err
		}
	}
	for i := range names {
		if names[i] == name {
			return &cfg.Services[i], nil
		}
	}
	return nil, usageError(fmt.Sprintf("%s has no service %q; it has %s", path, name, strings.Join(names, ", ")))
}

// onlyOne is the service that is meant by naming none.
func onlyOne(names []string) (string, error) {
	switch len(names) {
	case 0:
		return "", usageError("there is no service")
	case 1:
		return names[0], nil
	}
	return "", usageError("say which --service: there are " + strings.Join(names, ", "))
}
