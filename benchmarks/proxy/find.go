//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// choosePeers finds the wanted proxies; those that are missing are noted, not fatal, unless none is left.
func choosePeers(ctx context.Context, o options, dir string) (peers []*peer, notes []string, err error) {
	wanted := strings.Split(o.proxies, ",")
	for _, p := range allPeers() {
		i := slices.Index(wanted, p.name)
		if i < 0 {
			continue
		}
		wanted = slices.Delete(wanted, i, i+1)
		if p.name == subject {
			err = findSpillway(ctx, p, o.spillway, dir)
		} else {
			err = p.find(ctx)
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s: %s", p.name, oneLine(err.Error())))
			continue
		}
		if p.name == "nginx" {
			if _, found := nginxModule(ctx, p.binary, o.modules); !found {
				p.noTCP = true
				notes = append(notes, "nginx in the TCP scenarios: its stream module is not installed (Debian: libnginx-mod-stream; or -nginx-modules)")
			}
		}
		peers = append(peers, p)
	}
	if len(wanted) > 0 {
		return nil, nil, fmt.Errorf("there is no proxy %q", wanted[0])
	}
	if len(peers) == 0 {
		return nil, nil, fmt.Errorf("no proxy to measure: %s", strings.Join(notes, "; "))
	}
	return peers, notes, nil
}

// findSpillway takes the given binary or builds one from the repository that surrounds the working directory.
func findSpillway(ctx context.Context, p *peer, given, dir string) error {
	if p.binary = given; given == "" {
		root, err := repository()
		if err != nil {
			return err
		}
		p.binary = filepath.Join(dir, subject)
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		build := exec.CommandContext(ctx, "go", "build", "-o", p.binary, "./cmd/spillway")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build ./cmd/spillway: %w: %s", err, out)
		}
	}
	path, err := filepath.Abs(p.binary)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath(path); err != nil {
		return err
	}
	p.binary = path
	p.version = askVersion(ctx, path, p.ask)
	return nil
}

// repository walks up to the directory of the module that has cmd/spillway.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module github.com/spillway-lb/spillway\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside the repository: use -spillway PATH")
		}
		dir = parent
	}
}
