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

// choosePeers finds the wanted proxies, the others first and then Spillway's variants; those that are missing are noted,
// not fatal, unless none is left.
func choosePeers(ctx context.Context, o options, dir string) (peers []*peer, notes []string, err error) {
	wanted := strings.Split(o.proxies, ",")
	for _, p := range otherPeers() {
		i := slices.Index(wanted, p.name)
		if i < 0 {
			continue
		}
		wanted = slices.Delete(wanted, i, i+1)
		if err := p.find(ctx); err != nil {
			notes = append(notes, fmt.Sprintf("%s: %v", p.name, err))
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
	for _, name := range wanted {
		if name != spillway && !strings.HasPrefix(name, spillway+"-") {
			return nil, nil, fmt.Errorf("there is no proxy %q", name)
		}
	}
	if len(wanted) > 0 {
		ours, err := spillways(ctx, wanted, o.spillway, dir)
		if err != nil {
			return nil, nil, err
		}
		peers = append(peers, ours...)
	}
	if len(peers) == 0 {
		return nil, nil, fmt.Errorf("no proxy to measure: %s", strings.Join(notes, "; "))
	}
	return peers, notes, nil
}

const spillway = "spillway"

// spillways makes a peer of each wanted engine ("spillway" is the default engine, "spillway-stream" the named one) with each
// binary. Without a label the binary has no part in the name; with one it is behind an @: "spillway-stream@old".
func spillways(ctx context.Context, wanted []string, given, dir string) ([]*peer, error) {
	binaries, err := spillwayBinaries(ctx, given, dir)
	if err != nil {
		return nil, err
	}
	var peers []*peer
	for _, name := range wanted {
		_, engine, _ := strings.Cut(name, "-")
		for _, b := range binaries {
			p := spillwayPeer(name+b.label, engine)
			p.binary = b.path
			p.version = askVersion(ctx, b.path, p.ask)
			peers = append(peers, p)
		}
	}
	return peers, nil
}

// subjectOf names the proxy that all others are compared with: the first Spillway wanted, of the last binary given.
func subjectOf(peers []*peer) string {
	var subject *peer
	for _, p := range peers {
		if p.ours && (subject == nil || p.engine == subject.engine) {
			subject = p
		}
	}
	if subject == nil {
		return spillway
	}
	return subject.name
}

// A labelled binary has a label of "" or "@old".
type labelled struct{ label, path string }

// spillwayBinaries takes "PATH" or "old=PATH,new=PATH", or, given nothing, builds one from the repository that surrounds the
// working directory.
func spillwayBinaries(ctx context.Context, given, dir string) ([]labelled, error) {
	if given == "" {
		path := filepath.Join(dir, spillway)
		return []labelled{{"", path}}, buildSpillway(ctx, path)
	}
	var binaries []labelled
	for _, one := range strings.Split(given, ",") {
		label, path, named := strings.Cut(one, "=")
		if !named {
			label, path = "", one
		} else {
			label = "@" + label
		}
		if slices.ContainsFunc(binaries, func(b labelled) bool { return b.label == label }) {
			return nil, fmt.Errorf("-spillway %s: two binaries of one name", given)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		if _, err := exec.LookPath(path); err != nil {
			return nil, err
		}
		binaries = append(binaries, labelled{label, path})
	}
	return binaries, nil
}

func buildSpillway(ctx context.Context, path string) error {
	root, err := repository()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/spillway")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/spillway: %w: %s", err, out)
	}
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
