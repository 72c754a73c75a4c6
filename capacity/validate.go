package capacity

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// A Kind is what a service carries, which decides what can be counted in it.
type Kind uint8

const (
	// AnyKind is for who does not know: what one of the others allows is allowed.
	AnyKind Kind = iota
	// Application is HTTP in any version.
	Application
	// ProxyNetwork is TCP, with or without TLS.
	ProxyNetwork
	// Passthrough is UDP. Its mode is a symbol: nothing is ever full.
	Passthrough
)

// String gives the word that errors use.
func (k Kind) String() string {
	return [...]string{"any", "HTTP", "TCP", "UDP"}[min(k, Passthrough)]
}

// A unit is what targets count, by the names of its targets.
type unit string

const (
	rates       unit = "MaxRate or MaxRatePerEndpoint"
	connections unit = "MaxConnections or MaxConnectionsPerEndpoint"
	inFlight    unit = "MaxInFlight or MaxInFlightPerEndpoint"
)

// rules is the table of spec.md §2.2 without its kinds of group, which are all
// one here: which modes a kind has, and what they count. What a row does not name
// is an error.
var rules = []struct {
	kind     Kind
	mode     Mode
	counts   unit
	required bool // a target of that unit must be given
}{
	{Application, Rate, rates, true},
	{Application, InFlight, inFlight, true},
	{Application, Utilization, rates, false},
	{Application, CustomMetrics, rates, false},
	{ProxyNetwork, Connection, connections, true},
	{ProxyNetwork, Utilization, connections, false},
}

// Validate reports everything about b that contradicts itself, or that a service
// of that kind cannot do or would ignore (spec.md §2.2, §2.5 and §2.6).
func (b Backend) Validate(kind Kind) error {
	c := checker{b: b}
	c.numbers()
	if kind == Passthrough || b.Mode == NoMode {
		c.noCapacity(kind)
	} else {
		c.targets(kind)
		c.reports()
	}
	return errors.Join(c.errs...)
}

// A checker gathers what is wrong with one backend.
type checker struct {
	b    Backend
	errs []error
}

func (c *checker) bad(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("capacity: "+format, args...))
}

// A field is a target that counts something.
type field struct {
	name  string
	unit  unit
	value float64
}

// given returns the fields that are set.
func (c *checker) given() []field {
	all := []field{
		{"MaxRate", rates, c.b.MaxRate},
		{"MaxRatePerEndpoint", rates, c.b.MaxRatePerEndpoint},
		{"MaxConnections", connections, float64(c.b.MaxConnections)},
		{"MaxConnectionsPerEndpoint", connections, float64(c.b.MaxConnectionsPerEndpoint)},
		{"MaxInFlight", inFlight, float64(c.b.MaxInFlight)},
		{"MaxInFlightPerEndpoint", inFlight, float64(c.b.MaxInFlightPerEndpoint)},
	}
	return slices.DeleteFunc(all, func(f field) bool { return f.value == 0 })
}

func (c *checker) numbers() {
	for _, f := range c.given() {
		if !(f.value > 0) || math.IsInf(f.value, 0) {
			c.bad("%s %v: want a number above 0", f.name, f.value)
		}
	}
	if !isPart(c.b.MaxUtilization) {
		c.bad("MaxUtilization %v: want 0 to 1", c.b.MaxUtilization)
	}
	if s := c.b.Scaler; s != 0 && !(s >= MinScaler && s <= 1) {
		c.bad("Scaler %v: want %v to 1; a scaler of 0 is Drained", s, MinScaler)
	}
}

// noCapacity refuses all that means something only beside a target, where there
// is none.
func (c *checker) noCapacity(kind Kind) {
	beside := "no Mode"
	if kind == Passthrough {
		beside = "UDP, where nothing is ever full"
		if c.b.Mode != NoMode && c.b.Mode != Connection {
			c.bad("Mode %v does not go with UDP; want CONNECTION or none", c.b.Mode)
		}
	}
	refuse := func(name string, given bool) {
		if given {
			c.bad("%s does not go with %s", name, beside)
		}
	}
	for _, f := range c.given() {
		refuse(f.name, true)
	}
	refuse("MaxUtilization", c.b.MaxUtilization != 0)
	refuse("CustomMetrics", len(c.b.CustomMetrics) > 0)
	refuse("Scaler", c.b.Scaler != 0)
	refuse("Drained", c.b.Drained)
	refuse("Preferred", c.b.Preferred)
}

// targets checks the mode against the kind, and against the targets that count.
func (c *checker) targets(kind Kind) {
	var units []unit
	required := false
	for _, r := range rules {
		if r.mode == c.b.Mode && (r.kind == kind || kind == AnyKind) {
			units, required = append(units, r.counts), r.required
		}
	}
	if len(units) == 0 {
		c.bad("Mode %v does not go with %v", c.b.Mode, kind)
		return
	}
	given := c.given()
	for _, f := range given {
		if !slices.Contains(units, f.unit) {
			c.bad("%s does not go with Mode %v", f.name, c.b.Mode)
		}
	}
	for i := 1; i < len(given); i++ {
		c.bad("%s and %s are both given; want one of them", given[0].name, given[i].name)
	}
	if required && len(given) == 0 {
		c.bad("Mode %v needs %s", c.b.Mode, units[0])
	}
}

// reports checks what belongs to the modes that go by reports.
func (c *checker) reports() {
	if c.b.MaxUtilization != 0 && c.b.Mode != Utilization {
		c.bad("MaxUtilization does not go with Mode %v", c.b.Mode)
	}
	if c.b.Mode != CustomMetrics {
		if len(c.b.CustomMetrics) > 0 {
			c.bad("CustomMetrics do not go with Mode %v", c.b.Mode)
		}
		return
	}
	counting := 0
	seen := make(map[string]bool)
	for _, m := range c.b.CustomMetrics {
		if err := CheckMetricName(m.Name); err != nil {
			c.errs = append(c.errs, err)
		}
		if seen[m.Name] {
			c.bad("metric %q is given twice", m.Name)
		}
		seen[m.Name] = true
		if !isPart(m.MaxUtilization) {
			c.bad("MaxUtilization %v of metric %q: want 0 to 1", m.MaxUtilization, m.Name)
		}
		if !m.DryRun {
			counting++
		}
	}
	if counting == 0 {
		c.bad("Mode CUSTOM_METRICS needs one of CustomMetrics without DryRun")
	}
}

var metricName = regexp.MustCompile(`^[a-z]([-_.a-z0-9]*[a-z0-9])?$`)

// CheckMetricName reports what is wrong with the name of a metric: its form
// (spec.md §2.6), or that no report has such a metric.
func CheckMetricName(name string) error {
	if len(name) > 64 || !metricName.MatchString(name) {
		return fmt.Errorf("capacity: metric %q: want up to 64 of a-z, 0-9, '-', '_' and '.', from a letter to a letter or digit", name)
	}
	switch name {
	case "orca.cpu_utilization", "orca.mem_utilization", "orca.application_utilization":
		return nil
	}
	if !strings.HasPrefix(name, "orca.named_metrics.") {
		return fmt.Errorf("capacity: metric %q: want orca.cpu_utilization, orca.mem_utilization, orca.application_utilization or orca.named_metrics.NAME", name)
	}
	return nil
}

// isPart reports whether x is from 0 to 1; NaN is not.
func isPart(x float64) bool { return x >= 0 && x <= 1 }
