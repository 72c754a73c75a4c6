package top_test

import (
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/internal/admin"
	"github.com/spillway-lb/spillway/internal/top"
)

// endpoint is one that is well.
func endpoint(id string, requests uint64) admin.EndpointStatus {
	return admin.EndpointStatus{ID: id, Health: "HEALTHY", Admin: "READY", Warm: 1, Requests: requests, ShareExpected: 0.5, ShareActual: 0.5}
}

func service(endpoints ...admin.EndpointStatus) []admin.ServiceStatus {
	return []admin.ServiceStatus{{
		Name: "web", Policy: "MAGLEV", Affinity: "HEADER_FIELD", ActivePool: "PRIMARY",
		Groups: []admin.GroupStatus{{Name: "near", Region: "eu", Zone: "eu-a", Share: 1, Endpoints: endpoints}},
	}}
}

func names(lines []top.Line) (out []string) {
	for _, l := range lines {
		out = append(out, l.Name)
	}
	return out
}

func TestRatesAreOfTheTimeBetweenTwoReadings(t *testing.T) {
	start := time.Now()
	before := top.Reading{At: start, Services: service(endpoint("a", 100), endpoint("b", 50))}
	now := top.Reading{At: start.Add(2 * time.Second), Services: service(endpoint("a", 120), endpoint("b", 10), endpoint("c", 1000))}
	lines := top.Lines(&before, &now, top.ByName, false)
	want := map[string]float64{
		"a": 10,
		"b": 5, // the proxy has begun anew
		"c": 0, // nobody knows since when
	}
	for _, l := range lines {
		if l.Level == top.OfEndpoint && l.Rate != want[l.Name] {
			t.Errorf("%s has %v a second, want %v", l.Name, l.Rate, want[l.Name])
		}
	}
	if lines[0].Rate != 15 || lines[1].Rate != 15 {
		t.Errorf("the service has %v, the group %v; want 15", lines[0].Rate, lines[1].Rate)
	}
}

func TestTheFirstReadingHasNoRates(t *testing.T) {
	now := top.Reading{At: time.Now(), Services: service(endpoint("a", 100))}
	for _, l := range top.Lines(new(top.Reading), &now, top.ByName, false) {
		if l.Rate != 0 {
			t.Errorf("%s has %v a second", l.Name, l.Rate)
		}
	}
}

func TestEndpointsAreSortedInTheirGroup(t *testing.T) {
	start := time.Now()
	a, b, c := endpoint("a", 10), endpoint("b", 30), endpoint("c", 20)
	a.Active, a.Failures = 2, 9
	c.Active = 7
	before := top.Reading{At: start, Services: service(endpoint("a", 0), endpoint("b", 0), endpoint("c", 0))}
	now := top.Reading{At: start.Add(time.Second), Services: service(b, c, a)}
	for by, want := range map[top.Order][]string{
		top.ByName:     {"web", "near", "a", "b", "c"},
		top.ByRate:     {"web", "near", "b", "c", "a"},
		top.ByActive:   {"web", "near", "c", "a", "b"},
		top.ByFailures: {"web", "near", "a", "b", "c"},
	} {
		if got := names(top.Lines(&before, &now, by, false)); !slices.Equal(got, want) {
			t.Errorf("by %v: %v, want %v", by, got, want)
		}
	}
}

func TestAnEndpointsStateIsWhatMattersMost(t *testing.T) {
	for want, change := range map[string]func(*admin.EndpointStatus){
		"HEALTHY":   func(*admin.EndpointStatus) {},
		"TIMEOUT":   func(e *admin.EndpointStatus) { e.Health, e.Dropped = "TIMEOUT", "UNHEALTHY" },
		"EJECTED":   func(e *admin.EndpointStatus) { e.Ejected, e.EjectedFor = true, "CONSECUTIVE_ERRORS" },
		"DRAIN":     func(e *admin.EndpointStatus) { e.Admin, e.Dropped = "DRAIN", "DRAIN" },
		"REFUSED":   func(e *admin.EndpointStatus) { e.Traffic = "REFUSED" },
		"STANDBY":   func(e *admin.EndpointStatus) { e.Dropped = "STANDBY" },
		"WARMING":   func(e *admin.EndpointStatus) { e.Warm = 0.3 },
		"UNKNOWN":   func(e *admin.EndpointStatus) { e.Health, e.Dropped = "UNKNOWN", "UNKNOWN" },
		"UNHEALTHY": func(e *admin.EndpointStatus) { e.Health = "UNHEALTHY" },
	} {
		e := endpoint("a", 0)
		change(&e)
		now := top.Reading{At: time.Now(), Services: service(e)}
		lines := top.Lines(new(top.Reading), &now, top.ByName, false)
		if got := lines[len(lines)-1]; got.State != want {
			t.Errorf("%+v: state %q, want %q", e, got.State, want)
		}
	}
}

func TestOnlyTroubleIsShownWhereItIsAskedFor(t *testing.T) {
	ill := endpoint("b", 0)
	ill.Health = "UNHEALTHY"
	now := top.Reading{At: time.Now(), Services: append(service(endpoint("a", 0), ill), admin.ServiceStatus{Name: "well", Affinity: "NONE"})}
	if got, want := names(top.Lines(new(top.Reading), &now, top.ByName, true)), []string{"web", "near", "b"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
