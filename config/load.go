package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"github.com/BurntSushi/toml"
)

// maxFileSize is far above any real file (10,000 endpoints take about 300 kB) and
// far below what a slip such as "-c /dev/zero" would read.
const maxFileSize = 16 << 20

// Load reads the file at path. The error has every problem of the file, for
// Problems to tell apart, or says why the file cannot be read.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the text of a file. The name is for messages only. Environment
// variables are put in place of ${NAME} inside strings.
func Parse(name string, data []byte) (*Config, error) {
	if len(data) > maxFileSize {
		return nil, asError([]*Problem{{File: name, Message: "is larger than 16 MiB"}})
	}
	found, tooDeep := locate(data)
	if tooDeep > 0 {
		return nil, asError([]*Problem{{File: name, Line: tooDeep, Message: "is nested too deeply"}})
	}
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		return nil, asError([]*Problem{syntaxProblem(name, err)})
	}
	l := &loader{file: name, places: found, getenv: os.LookupEnv}
	return l.load(tree)
}

// FromFlags returns the Config of a proxy that needs no file: one HTTP listener
// and one service, "default", with the endpoints to. An empty policy is the
// default one. Problems name the flags --listen, --to and --policy.
func FromFlags(listen string, to []string, policy string) (*Config, error) {
	l := &loader{
		flags: map[string]string{
			"listener.listen":            "--listen",
			"service.endpoints":          "--to",
			"service.locality_lb_policy": "--policy",
		},
		// The shell has expanded what there was to expand.
		getenv: func(name string) (string, bool) { return "${" + name + "}", true },
	}
	endpoints := make([]any, len(to))
	for i, address := range to {
		endpoints[i] = address
	}
	return l.load(map[string]any{
		"listener": []map[string]any{{"listen": listen, "service": "default"}},
		"service":  []map[string]any{{"name": "default", "endpoints": endpoints, "locality_lb_policy": policy}},
	})
}

// syntaxProblem says where the toml package stopped.
func syntaxProblem(name string, err error) *Problem {
	p := &Problem{File: name, Message: err.Error()}
	var parse toml.ParseError
	if errors.As(err, &parse) {
		p.Line, p.Key = parse.Position.Line, parse.LastKey
		p.Message = parse.Message
		if p.Message == "" {
			p.Message = parse.Error()
		}
	}
	return p
}

// load makes a Config of what the toml package read, in the order in which one
// step needs the other: decode, canonical spelling, defaults, checks.
func (l *loader) load(tree map[string]any) (*Config, error) {
	l.bad = map[string]bool{}
	c := new(Config)
	l.table("", tree, reflect.ValueOf(c).Elem())
	l.spell(c)
	l.fillIn(c)
	l.check(c)
	sortProblems(l.problems)
	if slices.ContainsFunc(l.problems, isError) {
		return nil, asError(l.problems)
	}
	c.Warnings = l.problems
	return c, nil
}
