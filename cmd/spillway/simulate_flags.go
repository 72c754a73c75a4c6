package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spillway-lb/spillway/internal/plot"
	"github.com/spillway-lb/spillway/internal/simulate"
)

// simulateFlags are the verb's. Those that may be repeated are gathered while
// they are parsed.
type simulateFlags struct {
	file, service, log, ramp, arrivals, plot string

	rate             float64
	duration, bucket time.Duration
	keys, cores      int
	seed             uint64
	asJSON           bool

	curve    simulate.Curve // of rate or ramp
	time     simulate.ServiceTime
	times    map[string]simulate.ServiceTime
	failures []simulate.Failure
	scales   []simulate.Scale
}

func newSimulateFlags(f *flags) *simulateFlags {
	s := &simulateFlags{times: make(map[string]simulate.ServiceTime)}
	f.StringVar(&s.file, "c", "", "the `FILE` with the service; or name it without -c")
	f.StringVar(&s.service, "service", "", "the `NAME` of the service; may be left out where there is one")
	f.StringVar(&s.log, "log", "", "play the traffic of this access log, a `FILE` of Spillway's JSON lines, or - for standard input")
	f.Float64Var(&s.rate, "rate", 0, "make this many requests per second, or connections; `N` is above 0")
	f.StringVar(&s.ramp, "ramp", "", "make requests by a `CURVE` of TIME:RATE pairs, with straight lines in between: 0:300,30s:450,60s:0")
	f.DurationVar(&s.duration, "duration", time.Minute, "how long it lasts; with --ramp, by default until the curve's end")
	f.StringVar(&s.arrivals, "arrivals", "paced", "paced: evenly; poisson: as they come from many clients")
	f.IntVar(&s.keys, "keys", 10000, "how many clients there are, `N` up to 16777216; counts for services that go by keys")
	f.Func("service-time", "how long an endpoint works on a request: `TIME` is 20ms, exp:20ms (exponential, with that mean), or NAME=TIME for one "+
		"endpoint or group; may be repeated (default 20ms, or what the log says)", s.addTime)
	f.IntVar(&s.cores, "cores", 0, "on how many requests an endpoint works at once, and what is a utilization of 1; more wait (default: "+
		"nobody waits, and 4 are a utilization of 1)")
	f.Func("fail", "an endpoint, or all of a group, is down: `NAME@10s-20s`, or NAME@10s until the end; may be repeated", s.addFailure)
	f.Func("scaler", "sets a group's capacity scaler: `GROUP=0.5@30s`; may be repeated", s.addScale)
	f.Uint64Var(&s.seed, "seed", 1, "of everything random: the same `N` gives the same result")
	f.DurationVar(&s.bucket, "bucket", 0, "the resolution over time (default 1s, or more for a long time)")
	f.StringVar(&s.plot, "plot", "", "draw demand, fullness and spill to a `FILE` that ends in .svg or .png")
	f.BoolVar(&s.asJSON, "json", false, "print JSON")
	return s
}

// check says which flags do not go together, and works out the curve.
func (s *simulateFlags) check(f *flags) error {
	sources := slices.DeleteFunc([]string{"log", "rate", "ramp"}, func(n string) bool { return !f.set(n) })
	switch {
	case len(sources) == 0:
		return usageError("it takes traffic: --rate N, --ramp CURVE or --log FILE")
	case len(sources) > 1:
		return usageError(fmt.Sprintf("--%s and --%s exclude each other", sources[0], sources[1]))
	}
	if s.arrivals != "paced" && s.arrivals != "poisson" {
		return usageError(fmt.Sprintf("--arrivals %q: want paced or poisson", s.arrivals))
	}
	if s.keys < 1 || s.keys > 1<<24 {
		return usageError(fmt.Sprintf("--keys %d: want 1 to %d", s.keys, 1<<24))
	}
	if s.plot != "" {
		if _, err := plot.FormatOf(s.plot); err != nil {
			return usageError("--plot " + err.Error())
		}
	}
	return s.demand(f, sources[0])
}

func (s *simulateFlags) demand(f *flags, source string) (err error) {
	switch source {
	case "log":
		if s.log == "" {
			return usageError("--log names no file")
		}
		for _, name := range []string{"duration", "arrivals", "keys"} {
			if f.set(name) {
				return usageError(fmt.Sprintf("--%s is for traffic that is made; --log has its own", name))
			}
		}
	case "rate":
		if !(s.rate > 0) || math.IsInf(s.rate, 1) {
			return usageError(fmt.Sprintf("--rate %v: want requests per second, above 0", s.rate))
		}
		s.curve = simulate.Constant(s.rate)
	case "ramp":
		if s.curve, err = simulate.ParseCurve(s.ramp); err != nil {
			return usageError("--ramp: " + err.Error())
		}
		if end := s.curve.End(); !f.set("duration") && end > 0 {
			s.duration = end
		}
	}
	return nil
}

func (s *simulateFlags) addTime(v string) error {
	name, text, named := cutLast(v, "=")
	if !named {
		name, text = "", v
	}
	var t simulate.ServiceTime
	text, t.Exponential = strings.CutPrefix(text, "exp:")
	mean, err := time.ParseDuration(text)
	if err != nil || mean <= 0 {
		return errors.New("want a time above 0 such as 20ms or exp:20ms, or NAME=20ms")
	}
	t.Mean = mean
	if name == "" {
		s.time = t
	} else {
		s.times[name] = t
	}
	return nil
}

func (s *simulateFlags) addFailure(v string) (err error) {
	name, when, ok := cutLast(v, "@")
	from, to, ends := strings.Cut(when, "-")
	failure := simulate.Failure{Name: name}
	if ok {
		failure.From, err = simulate.ParseTime(from)
	}
	if ok && ends && err == nil {
		failure.To, err = simulate.ParseTime(to)
	}
	if !ok || name == "" || err != nil || ends && failure.To <= failure.From {
		return errors.New("want NAME@10s-20s or NAME@10s")
	}
	s.failures = append(s.failures, failure)
	return nil
}

func (s *simulateFlags) addScale(v string) error {
	v, when, ok1 := cutLast(v, "@")
	group, scaler, ok2 := cutLast(v, "=")
	at, err1 := simulate.ParseTime(when)
	x, err2 := strconv.ParseFloat(scaler, 64)
	if !ok1 || !ok2 || group == "" || errors.Join(err1, err2) != nil {
		return errors.New("want GROUP=0.5@30s")
	}
	s.scales = append(s.scales, simulate.Scale{Group: group, Scaler: x, At: at})
	return nil
}

// cutLast is strings.Cut at the last sep: an endpoint's ID may be an address.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
