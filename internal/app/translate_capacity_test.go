package app

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/capacity"
	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/lb"
)

// optionsOf returns what the first service of a file is made of.
func optionsOf(t *testing.T, text string) lb.Options {
	t.Helper()
	cfg, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o, err := balancerOptions(cfg, &cfg.Services[0], slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAServicePolicyIsTranslatedInWhole(t *testing.T) {
	file := func(policy string) string {
		return string(fileWith("HTTP", "group = 'g'\nbalancing_mode = 'RATE'\nmax_rate = 1\n")) +
			"[service.service_lb_policy]\n" + policy + "\n[proxy]\nregion = 'eu'\nzone = 'eu-a'\n"
	}
	for word, want := range map[string]capacity.Algorithm{
		"WATERFALL_BY_REGION": capacity.WaterfallByRegion, "SPRAY_TO_REGION": capacity.SprayToRegion,
		"WATERFALL_BY_ZONE": capacity.WaterfallByZone, "SPRAY_TO_WORLD": capacity.SprayToWorld,
	} {
		if got := optionsOf(t, file("load_balancing_algorithm = '"+word+"'")).Service.Algorithm; got != want {
			t.Errorf("%s: got %d, want %d", word, got, want)
		}
	}
	for isolation, want := range map[string]capacity.Isolation{
		"": capacity.NotIsolated, "isolation_mode = 'STRICT'": capacity.NotIsolated,
		"isolation_granularity = 'REGION'":                            capacity.Nearest,
		"isolation_granularity = 'REGION', isolation_mode = 'STRICT'": capacity.Strict,
	} {
		if got := optionsOf(t, file("isolation_config = { "+isolation+" }")).Service.Isolation; got != want {
			t.Errorf("%s: got %d, want %d", isolation, got, want)
		}
	}
	o := optionsOf(t, file("auto_capacity_drain = true\nfailover_health_threshold = 55"))
	if want := (capacity.ServicePolicy{AutoDrain: true, FailoverHealthThreshold: 55}); o.Service != want {
		t.Errorf("got %+v, want %+v", o.Service, want)
	}
	if want := (capacity.Place{Region: "eu", Zone: "eu-a"}); o.Here != want {
		t.Errorf("got %+v, want %+v", o.Here, want)
	}
}

const regional = `
[[listener]]
listen = ":1"
service = "s"
[[group]]
name = "g"
region = "eu"
zone = "a"
endpoints = [
  { address = "10.0.0.1:80", zone = "b" },
  "10.0.0.2:80",
  { address = "10.0.0.3:80", zone = "b" },
]
[[group]]
name = "h"
region = "us"
zone = "b"
endpoints = ["10.0.0.4:80"]
[[service]]
name = "s"
[[service.backend]]
group = "g"
balancing_mode = "RATE"
max_rate_per_endpoint = 10
[[service.backend]]
group = "h"
balancing_mode = "RATE"
max_rate = 10
`

func TestAGroupOfSeveralZonesIsOneForEach(t *testing.T) {
	type summary struct {
		name      string
		place     capacity.Place
		endpoints int
		target    float64
	}
	var got []summary
	for _, g := range optionsOf(t, regional).Groups {
		got = append(got, summary{g.Name, capacity.Place{Region: g.Region, Zone: g.Zone}, len(g.Endpoints), g.Capacity.Target(len(g.Endpoints))})
	}
	want := []summary{
		{"g/b", capacity.Place{Region: "eu", Zone: "b"}, 2, 20},
		{"g/a", capacity.Place{Region: "eu", Zone: "a"}, 1, 10},
		{"h", capacity.Place{Region: "us", Zone: "b"}, 1, 10},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	b, err := lb.New(optionsOf(t, regional))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.SetScaler("g/b", 0.5), b.SetScaler("g/a", 0)); err != nil {
		t.Error(err)
	}
}

func TestDistancesAreThoseOfTheGroupsZones(t *testing.T) {
	for text, want := range map[string][]capacity.Zone{
		"":                                  nil,
		"[[zone]]\nname = 'b'\nrtt = '2ms'": {zone("eu", "b", 2), zone("us", "b", 2)},
		"[[zone]]\nname = 'b'":              nil,
		"[[zone]]\nname = 'b'\nregion = 'us'\nrtt = '90ms'":                           {zone("us", "b", 90)},
		"[[zone]]\nname = 'b'\nrtt = '2ms'\n[[zone]]\nname = 'b'\nregion = 'us'":      {zone("eu", "b", 2)},
		"[[zone]]\nname = 'b'\nregion = 'us'\nrtt = '0s'\n[[zone]]\nname = 'b'":       {zone("us", "b", 0)},
		"[[zone]]\nname = 'a'\nrtt = '1ms'\n[[zone]]\nname = 'elsewhere'\nrtt = '1s'": {zone("eu", "a", 1)},
	} {
		if got := optionsOf(t, regional+text).Zones; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func zone(region, name string, rtt int) capacity.Zone {
	return capacity.Zone{Place: capacity.Place{Region: region, Zone: name}, RTT: time.Duration(rtt) * time.Millisecond}
}
