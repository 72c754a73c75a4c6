package main

import (
	"fmt"

	"github.com/spillway-lb/spillway/config"
)

// checked is what check --json prints.
type checked struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Problems []problem `json:"problems"`
}

type problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // 0: no line is to blame
	Key     string `json:"key"`
	Message string `json:"message"`
	Warning bool   `json:"warning"` // the file can be used all the same
}

// runCheck prints every problem of a file to standard output: they are what was
// asked for.
func runCheck(c *console, f *flags, args []string) error {
	file := f.String("c", "", "the `FILE` to check; or name it without -c")
	show := f.Bool("print", false, "print a valid file with every default filled in")
	asJSON := f.Bool("json", false, "print JSON")
	rest, err := f.parse(args, 0, 1)
	if err != nil {
		return err
	}
	path, err := oneFile(*file, rest)
	switch {
	case err != nil:
		return err
	case path == "":
		return usageError("it takes a file: spillway check FILE")
	case *show && *asJSON:
		return usageError("--print and --json exclude each other")
	}

	cfg, err := config.Load(path)
	problems := config.Problems(err)
	if err == nil {
		problems = cfg.Warnings
	} else if problems == nil { // it could not be read
		problems = []*config.Problem{{File: path, Message: err.Error()}}
	}
	switch {
	case *asJSON:
		if err := c.printJSON(checkedOf(path, err == nil, problems)); err != nil {
			return err
		}
	case err == nil && *show:
		for _, p := range problems {
			fmt.Fprintln(c.err, p) // what goes to standard output is a file
		}
		return cfg.Print(c.out)
	default:
		for _, p := range problems {
			fmt.Fprintln(c.out, p)
		}
	}
	if err != nil {
		return errSaid(exitConfig)
	}
	if !*asJSON {
		fmt.Fprintf(c.out, "%s: ok: %s\n", path, summary(cfg))
	}
	return nil
}

func checkedOf(path string, valid bool, problems []*config.Problem) checked {
	v := checked{File: path, Valid: valid, Problems: []problem{}}
	for _, p := range problems {
		v.Problems = append(v.Problems, problem{p.File, p.Line, p.Key, p.Message, p.Warning})
	}
	return v
}

// summary counts what a file has, so that one can see that it is the right one.
func summary(cfg *config.Config) string {
	endpoints := 0
	for i := range cfg.Services {
		endpoints += len(cfg.Endpoints(&cfg.Services[i]))
	}
	text := fmt.Sprintf("%s, %s, %s", count(len(cfg.Listeners), "listener"), count(len(cfg.Services), "service"), count(endpoints, "endpoint"))
	finding := 0
	for i := range cfg.Groups {
		if cfg.Groups[i].Finds() {
			finding++
		}
	}
	if finding > 0 {
		text += ", " + count(finding, "group") + " with endpoints from DNS or a file"
	}
	return text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
