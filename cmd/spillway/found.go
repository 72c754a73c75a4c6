package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/app"
)

// findTimeout is how long groups may look for their endpoints.
const findTimeout = 5 * time.Second

// loadFound reads a file and looks for the endpoints that its groups do not list. A
// group that finds none is told, and has none.
func (c *console) loadFound(path string) (*config.Config, error) {
	cfg, err := load(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	cfg, err = app.Found(ctx, cfg)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(c.err, "%s: warning: %s\n", path, strings.TrimSuffix(line, "\n"))
		}
	}
	return cfg, nil
}
