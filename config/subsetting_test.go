package config_test

import (
	"fmt"
	"testing"

	"github.com/spillway-lb/spillway/config"
)

const subsetFile = `
[[listener]]
listen = ":1"
protocol = "%s"
service = "s"
[[service]]
name = "s"
endpoints = ["10.0.0.1:80", "10.0.0.2:80"]
%s
`

// The rows of spec.md §6 that say what a file may hold.
func TestSubsettingIsWhatTheTableSays(t *testing.T) {
	for _, row := range []struct {
		name, protocol, service string
		want                    *config.Subsetting // nil: no subsetting
		refused                 string
	}{
		{"policy", "HTTP", "subsetting = { policy = 'consistent_hash_subsetting' }", &config.Subsetting{Policy: "CONSISTENT_HASH_SUBSETTING", SubsetSize: 20}, ""},
		{"policy/left out", "UDP", "", nil, ""},
		{"policy/NONE", "TCP", "subsetting.policy = 'NONE'", &config.Subsetting{Policy: "NONE"}, ""},
		{"subsetSize/above 0", "TCP", "subsetting.subset_size = 1", &config.Subsetting{Policy: "CONSISTENT_HASH_SUBSETTING", SubsetSize: 1}, ""},
		{"subsetSize/not above 0", "HTTP", "subsetting.subset_size = 0", nil, "0 is not from 1"},
		{"subsetSize/unset", "HTTP", "subsetting = {}", &config.Subsetting{Policy: "CONSISTENT_HASH_SUBSETTING", SubsetSize: 20}, ""},
		{"subsetSize/at least the group", "UDP", "subsetting.subset_size = 2000000000", &config.Subsetting{Policy: "CONSISTENT_HASH_SUBSETTING", SubsetSize: 2000000000}, ""},
		{"affinity/NONE", "HTTP", "session_affinity = 'NONE'\nsubsetting = {}", &config.Subsetting{Policy: "CONSISTENT_HASH_SUBSETTING", SubsetSize: 20}, ""},
		{"affinity/another", "HTTP", "session_affinity = 'CLIENT_IP'\nsubsetting = {}", nil, `subsetting: excludes session_affinity = "CLIENT_IP"`},
		{"affinity/the 5-tuple of a hash policy", "TCP", "locality_lb_policy = 'MAGLEV'\nsubsetting = {}", &config.Subsetting{Policy: "CONSISTENT_HASH_SUBSETTING", SubsetSize: 20}, ""},
		{"advice/LEAST_REQUEST", "TCP", "locality_lb_policy = 'LEAST_REQUEST'\nsubsetting = {}", &config.Subsetting{Policy: "CONSISTENT_HASH_SUBSETTING", SubsetSize: 20}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := fmt.Sprintf(subsetFile, row.protocol, row.service)
			if row.refused != "" {
				refused(t, file, row.refused)
				return
			}
			c := parse(t, file)
			got := c.Services[0].Subsetting
			if (got == nil) != (row.want == nil) || got != nil && *got != *row.want || got.IsOn() != (row.want != nil && row.want.SubsetSize > 0) {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
			checkRoundTrip(t, c)
		})
	}
}
