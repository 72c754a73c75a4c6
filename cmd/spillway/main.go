package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spillway-lb/spillway/internal/handover"
)

// A verb is one thing the command does.
type verb struct {
	name string
	args string // what it takes beside flags
	does string // in a line
	run  func(c *console, f *flags, args []string) error
}

// verbs returns what there is, in the order of the usage text.
func verbs() []verb {
	return []verb{
		{"demo", "", "show it at work: endpoints, traffic and a failure, all built in", runDemo},
		{"run", "[FILE]", "run the proxy that a file or flags describe", runProxy},
		{"check", "FILE", "report every problem of a file at once", runCheck},
		{"plan", "OLD NEW", "say what a change of the file does before it is made", runPlan},
		{"explain", "[FILE]", "say whom a service would choose for a request, and why", runExplain},
		{"simulate", "FILE", "play traffic through a file's service in virtual time", runSimulate},
		{"doctor", "[FILE]", "find what is wrong with live traffic, and what to do", runDoctor},
		{"status", "[SERVICE]", "show the endpoints of a running proxy", runStatus},
		{"top", "", "show a running proxy as it changes", runTop},
		{"drain", "[SERVICE] ENDPOINT", "send an endpoint or a --group nobody new; --wait for who is there", runDrain},
		{"ready", "[SERVICE] ENDPOINT", "send a drained endpoint or --group traffic again", runReady},
		{"reload", "", "make a running proxy read its file again", runReload},
		{"upgrade", "", "make a running proxy start its program anew, and drop nobody", runUpgrade},
		{"version", "", "say what this is", runVersion},
	}
}

// A console is a verb's whole world.
type console struct {
	out, err io.Writer
	// signals begins to receive the signals that drain, reload and upgrade, in
	// place of what they do by default. end stops it.
	signals func() (got <-chan os.Signal, end func())
	// heir is this process as the successor of another; nil: of nobody.
	heir *handover.Heir
}

func main() {
	c := &console{out: os.Stdout, err: os.Stderr, signals: notify}
	os.Exit(c.run(os.Args[1:]))
}

// run does what the command line says and returns the exit code.
func (c *console) run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(c.err, usage())
		return exitUsage
	}
	name, args := args[0], args[1:]
	if name == "--version" || name == "-v" {
		name = "version"
	}
	if name == "help" && len(args) > 0 {
		name, args = args[0], []string{"--help"}
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, name) {
		fmt.Fprint(c.out, usage())
		return exitOK
	}
	all := verbs()
	i := slices.IndexFunc(all, func(v verb) bool { return v.name == name })
	if i < 0 {
		return c.report("", unknownVerb(name, all))
	}
	err := all[i].run(c, newFlags(&all[i]), args)
	var help helpWanted
	if errors.As(err, &help) {
		fmt.Fprint(c.out, string(help))
		return exitOK
	}
	return c.report(name, err)
}

func unknownVerb(name string, all []verb) error {
	var names []string
	for _, v := range all {
		names = append(names, v.name)
	}
	if guess := nearest(name, names); guess != "" {
		return usageError(fmt.Sprintf("there is no %q; did you mean %s?", name, guess))
	}
	return usageError(fmt.Sprintf("there is no %q; there are %s", name, strings.Join(names, ", ")))
}

// usage is the command's usage text.
func usage() string {
	var t table
	for _, v := range verbs() {
		t.row("  "+v.name, v.args, v.does)
	}
	return "Spillway balances HTTP, TCP and UDP traffic.\n\nusage: spillway VERB [flags] …\n\n" + t.String() +
		"\nspillway help VERB has the flags. See it work first: spillway demo\n"
}
