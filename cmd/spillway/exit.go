package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/admin"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitConfig      = 3
	exitFound       = 4 // a check or gate found something
	exitUnreachable = 5
)

// A usageError is a command line that makes no sense.
type usageError string

func (e usageError) Error() string { return string(e) }

// helpWanted is a verb's usage text, asked for.
type helpWanted string

func (helpWanted) Error() string { return "help" }

// A configError is a file that cannot be used. Its text is the problems, one on
// each line.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// errSaid is a failure whose reason is on the screen already, with its code.
type errSaid int

func (errSaid) Error() string { return "said" }

// exitCode says how the process ends.
func exitCode(err error) int {
	var (
		said   errSaid
		usage  usageError
		config configError
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &said):
		return int(said)
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &config):
		return exitConfig
	case errors.Is(err, admin.ErrUnreachable):
		return exitUnreachable
	}
	return exitFailure
}

// report prints an error where that is still to be done, and returns the exit
// code.
func (c *console) report(verb string, err error) int {
	code := exitCode(err)
	var said errSaid
	if err == nil || errors.As(err, &said) {
		return code
	}
	name := strings.TrimSpace("spillway " + verb)
	var bad configError
	if errors.As(err, &bad) {
		fmt.Fprintln(c.err, err) // each line begins with the file already
	} else {
		fmt.Fprintf(c.err, "%s: %v\n", name, err)
	}
	if what := remedy(name, code, err); what != "" {
		fmt.Fprintln(c.err, what)
	}
	return code
}

// remedy says what to do about an error that does not say so itself.
func remedy(name string, code int, err error) string {
	var p *admin.Problem
	switch {
	case code == exitUsage:
		return name + " -h says what it takes"
	case code == exitUnreachable:
		return "--admin ADDR or -c FILE says where it is; a proxy has one if its file has [admin]"
	case errors.As(err, &p) && p.Status == http.StatusUnauthorized:
		return "--token-file FILE or the proxy's own -c FILE says what the token is"
	}
	return ""
}

// load reads a file; its errors are configErrors.
func load(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, configError{err}
	}
	return cfg, nil
}
