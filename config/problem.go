package config

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// A Problem is one thing that is wrong with a file, and where.
type Problem struct {
	// File is the name that Load or Parse was given; "" for FromFlags.
	File string
	// Line counts from 1; 0 where no line is to blame.
	Line int
	// Key is what is wrong, as "service.health_check.timeout", or the flag;
	// "" where no key is to blame.
	Key string
	// Message says what is wrong and, where that can be said, what would be right.
	Message string
	// Warning is true where the file can be used all the same.
	Warning bool
}

// Error returns "file:line: key: message", without the parts that are not known.
func (p *Problem) Error() string {
	var b strings.Builder
	switch {
	case p.File != "" && p.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", p.File, p.Line)
	case p.File != "":
		fmt.Fprintf(&b, "%s: ", p.File)
	}
	if p.Key != "" {
		fmt.Fprintf(&b, "%s: ", p.Key)
	}
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems returns what Load, Parse or FromFlags found wrong, sorted by line, or
// nil if err is of another kind, such as a file that cannot be read.
func Problems(err error) []*Problem {
	var merr *multierror.Error
	if !errors.As(err, &merr) {
		return nil
	}
	var found []*Problem
	for _, e := range merr.Errors {
		if p, ok := e.(*Problem); ok {
			found = append(found, p)
		}
	}
	return found
}

// asError makes one error of problems, nil if there are none. Its text is one
// problem on each line.
func asError(problems []*Problem) error {
	merr := &multierror.Error{ErrorFormat: oneOnEachLine}
	for _, p := range problems {
		merr = multierror.Append(merr, p)
	}
	return merr.ErrorOrNil()
}

func oneOnEachLine(errs []error) string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

func isError(p *Problem) bool { return !p.Warning }

// sortProblems sorts by line, and keeps the order in which problems of one line
// were found.
func sortProblems(problems []*Problem) {
	sort.SliceStable(problems, func(i, j int) bool { return problems[i].Line < problems[j].Line })
}
