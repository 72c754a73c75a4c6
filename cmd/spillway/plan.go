package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/internal/plan"
)

// planned is what plan --json prints.
type planned struct {
	*plan.Plan
	Traced *plan.Traced `json:"traced,omitempty"` // with --keys
}

// runPlan says what a change of the file does, before it is made.
func runPlan(c *console, f *flags, args []string) error {
	most := f.String("max-moved", "", "fail with code 4 if more of any service's keys move, or of its strong sessions lose their endpoint: `PART` is a percentage or a number from 0 to 1")
	keys := f.String("keys", "", "a `FILE` of keys, one on each line, of which to say which move: values of the header or cookie, or addresses")
	service := f.String("service", "", "the `NAME` of the service whose keys --keys has; default: the only one that goes by keys")
	asJSON := f.Bool("json", false, "print JSON")
	files, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	limit, err := parsePart(*most)
	switch {
	case err != nil:
		return err
	case *service != "" && *keys == "":
		return usageError("--service needs --keys")
	}
	prev, next, err := loadBoth(files[0], files[1])
	if err != nil {
		return err
	}
	if prev, next, err = found(prev, next); err != nil {
		return err
	}
	p, err := plan.Compare(prev, next)
	if err != nil {
		return err
	}
	var traced *plan.Traced
	if *keys != "" {
		if traced, err = traceFile(prev, next, *service, *keys); err != nil {
			return err
		}
	}
	if *asJSON {
		err = c.printJSON(planned{p, traced})
	} else {
		err = printPlan(c.out, p, traced)
	}
	if err != nil {
		return err
	}
	return c.gate(p, limit)
}

// loadBoth reads both files, and reports the problems of both.
func loadBoth(old, new string) (prev, next *config.Config, err error) {
	prev, errPrev := load(old)
	next, errNext := load(new)
	if errPrev != nil && errNext != nil && old != new {
		return nil, nil, configError{errors.Join(errPrev, errNext)}
	}
	if errPrev != nil {
		return nil, nil, errPrev
	}
	return prev, next, errNext
}

// found is both files with the endpoints that name servers and files know now.
func found(prev, next *config.Config) (a, b *config.Config, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*findTimeout) // one file after the other
	defer cancel()
	return plan.Found(ctx, prev, next)
}

// gate ends with exitFound if more moves than may. No limit is 1.
func (c *console) gate(p *plan.Plan, limit float64) error {
	var over []string
	for _, s := range p.Services {
		moved := s.Moved
		if s.Sessions != nil {
			moved = s.Sessions.Orphaned
		}
		if moved > limit {
			over = append(over, fmt.Sprintf("%s (%s)", s.Name, exactPercent(moved)))
		}
	}
	if len(over) == 0 {
		return nil
	}
	fmt.Fprintf(c.err, "spillway plan: more than %s of the keys move: %s\n", exactPercent(limit), strings.Join(over, ", "))
	return errSaid(exitFound)
}

// parsePart reads "5%", "5 %" or "0.05"; "" is 1.
func parsePart(text string) (float64, error) {
	if text == "" {
		return 1, nil
	}
	number, isPercent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if isPercent {
		x /= 100
	}
	switch {
	case err != nil || !(x >= 0):
		return 0, usageError(fmt.Sprintf("--max-moved %q is neither a percentage, such as 5%%, nor a part, such as 0.05", text))
	case x > 1:
		what := "--max-moved " + text + " is more than everything"
		if !isPercent {
			what += "; is it " + text + "%?"
		}
		return 0, usageError(what)
	}
	return x, nil
}

func traceFile(prev, next *config.Config, service, path string) (*plan.Traced, error) {
	file, err := os.Open(path)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			return nil, usageError(fmt.Sprintf("--keys %s: %v", path, at.Err))
		}
		return nil, err
	}
	defer file.Close()
	t, err := plan.Trace(prev, next, service, file)
	if err != nil {
		return nil, fmt.Errorf("--keys %s: %w", path, err)
	}
	return t, nil
}
