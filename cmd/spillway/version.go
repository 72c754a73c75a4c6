package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// A build says what this binary was made of.
type build struct {
	Version  string `json:"version"`  // of the module; "devel" outside of releases
	Revision string `json:"revision"` // of the repository; "" if not recorded
	Time     string `json:"time"`     // of the revision
	Modified bool   `json:"modified"` // there were changes beside the revision
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func thisBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is "spillway v1.2.3 (0123456789ab 2026-01-02T03:04:05Z) go1.26.0 linux/amd64".
func (b build) String() string {
	var vcs []string
	if b.Revision != "" {
		vcs = append(vcs, b.Revision[:min(12, len(b.Revision))], b.Time)
	}
	if b.Modified {
		vcs = append(vcs, "modified")
	}
	s := "spillway " + b.Version
	if len(vcs) > 0 {
		s += " (" + strings.Join(vcs, " ") + ")"
	}
	return fmt.Sprintf("%s %s %s/%s", s, b.Go, b.OS, b.Arch)
}

func runVersion(c *console, f *flags, args []string) error {
	asJSON := f.Bool("json", false, "print JSON")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *asJSON {
		return c.printJSON(thisBuild())
	}
	_, err := fmt.Fprintln(c.out, thisBuild())
	return err
}
