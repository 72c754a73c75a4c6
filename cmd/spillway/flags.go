package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// flags are a verb's.
type flags struct {
	*flag.FlagSet
	verb *verb
}

func newFlags(v *verb) *flags {
	f := &flags{flag.NewFlagSet(v.name, flag.ContinueOnError), v}
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parse reads the flags, which may stand before, after and between the other
// arguments, and returns those: at least min, at most max.
func (f *flags) parse(args []string, min, max int) ([]string, error) {
	var rest []string
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, helpWanted(f.usage())
		} else if err != nil {
			return nil, usageError(err.Error())
		}
		after := f.Args()
		if ended := len(args) - len(after); ended > 0 && args[ended-1] == "--" {
			rest = append(rest, after...)
			break
		}
		if len(after) == 0 {
			break
		}
		rest, args = append(rest, after[0]), after[1:]
	}
	switch {
	case len(rest) < min:
		return nil, usageError(fmt.Sprintf("it takes %s", f.verb.args))
	case len(rest) > max:
		return nil, usageError(fmt.Sprintf("%q is too much", rest[max]))
	}
	return rest, nil
}

// usage is the verb's usage text.
func (f *flags) usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "spillway %s: %s\n\nusage: %s\n\nflags:\n", f.verb.name, f.verb.does,
		strings.TrimSpace("spillway "+f.verb.name+" [flags] "+f.verb.args))
	f.SetOutput(&b)
	f.PrintDefaults()
	f.SetOutput(io.Discard)
	return b.String()
}

// set reports whether the command line has the flag.
func (f *flags) set(name string) bool {
	found := false
	f.Visit(func(g *flag.Flag) { found = found || g.Name == name })
	return found
}

// oneFile returns the file that is named by -c or as an argument, but not by
// both; "" if by neither.
func oneFile(flag string, args []string) (string, error) {
	switch {
	case len(args) == 0:
		return flag, nil
	case flag != "":
		return "", usageError("the file is named twice: by -c and as an argument")
	}
	return args[0], nil
}
