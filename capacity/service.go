package capacity

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ValidateService reports everything that is wrong with a service's backends, by
// the names of their groups: what Backend.Validate refuses, modes in some of them
// only or without a unit in common, and scalers that leave nobody (spec.md §2.5).
func ValidateService(kind Kind, backends map[string]Backend) error {
	var errs []error
	names := slices.Sorted(maps.Keys(backends))
	for _, name := range names {
		if err := backends[name].Validate(kind); err != nil {
			errs = append(errs, fmt.Errorf("group %q: %w", name, err))
		}
	}
	if err := agree(names, backends); err != nil {
		errs = append(errs, err)
	}
	drained := func(name string) bool { return backends[name].Drained }
	switch rest := slices.DeleteFunc(slices.Clone(names), drained); {
	case len(rest) > 0 || len(names) == 0:
	case len(names) == 1:
		errs = append(errs, fmt.Errorf("capacity: group %q is the only one and has a scaler of 0", names[0]))
	default:
		errs = append(errs, fmt.Errorf("capacity: every group has a scaler of 0: %q", names))
	}
	return errors.Join(errs...)
}

// agree reports the first two groups whose targets cannot be added up.
func agree(names []string, backends map[string]Backend) error {
	for i := 1; i < len(names); i++ {
		a, b := backends[names[0]].Mode, backends[names[i]].Mode
		switch {
		case (a == NoMode) != (b == NoMode):
			return fmt.Errorf("capacity: groups %q and %q: either every group has a Mode or none has", names[0], names[i])
		case !a.addsUpWith(b):
			return fmt.Errorf("capacity: groups %q and %q: modes %v and %v have no unit in common", names[0], names[i], a, b)
		}
	}
	return nil
}

// addsUpWith reports whether targets of two modes are in one unit. Reports become
// a rate, which beside a number of open connections means nothing.
func (m Mode) addsUpWith(n Mode) bool {
	rate := func(m Mode) bool { return m == Rate || m.ByReports() }
	return m == n || rate(m) && rate(n)
}

// Compatible reports whether two services may use one group in these modes
// (spec.md §2.7). What endpoints report is the sum of what all services do to
// them, so a group that goes by reports must do so everywhere, and by the same.
// NoMode asks nothing of a group.
func Compatible(a, b Mode) bool {
	return a == b || a == NoMode || b == NoMode || !a.ByReports() && !b.ByReports()
}
