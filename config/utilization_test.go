package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/config"
)

const reportsFile = `
[[listener]]
listen = ":1"
protocol = "%s"
service = "s"
[[group]]
name = "g"
endpoints = ["10.0.0.1:80", "10.0.0.2:80"]
[[service]]
name = "s"
%s
[[service.backend]]
group = "g"
%s
`

const utilization = "balancing_mode = 'UTILIZATION'"

func TestLoadReportsComeInOneWay(t *testing.T) {
	const s = config.Duration(time.Second)
	for _, row := range []struct {
		name, protocol, service, backend string
		want                             *config.Utilization
		refused                          string
	}{
		{"in responses, unsaid", "HTTP", "", utilization, nil, ""},
		{"in responses", "HTTP", "utilization = {}", utilization, &config.Utilization{Source: "ORCA", ReportExpiration: 180 * s}, ""},
		{"in responses, for a policy", "HTTP", "locality_lb_policy = 'WEIGHTED_ROUND_ROBIN'\nutilization.source = 'orca'", "", &config.Utilization{Source: "ORCA"}, ""},
		{"in responses, expiring", "HTTP", "utilization.report_expiration = '5s'", "balancing_mode = 'CUSTOM_METRICS'\ncustom_metrics = [{ name = 'orca.cpu_utilization' }]",
			&config.Utilization{Source: "ORCA", ReportExpiration: 5 * s}, ""},
		{"out of band", "TCP", "utilization.enable_oob_load_report = true", utilization,
			&config.Utilization{Source: "ORCA", EnableOOBLoadReport: true, OOBReportingPeriod: 10 * s, ReportExpiration: 180 * s}, ""},
		{"out of band, with details", "TCP", "protocol = 'SSL'\nutilization = { enable_oob_load_report = true, oob_reporting_period = '1m', port = 99 }", utilization,
			&config.Utilization{Source: "ORCA", EnableOOBLoadReport: true, OOBReportingPeriod: 60 * s, Port: 99, ReportExpiration: 180 * s}, ""},
		{"polled", "TCP", "utilization = { source = 'POLL', poll_path = '/load' }", utilization,
			&config.Utilization{Source: "POLL", PollPath: "/load", PollInterval: s, ReportExpiration: 180 * s}, ""},
		{"polled, with details", "HTTP", "utilization = { source = 'poll', poll_path = '/load?x=1', poll_interval = '50ms', port = 99 }", utilization,
			&config.Utilization{Source: "POLL", PollPath: "/load?x=1", PollInterval: s / 20, Port: 99, ReportExpiration: 180 * s}, ""},

		{"nobody wants them", "HTTP", "utilization = {}", "balancing_mode = 'RATE'\nmax_rate = 1", nil, "service.utilization: only has a meaning with balancing_mode"},
		{"nobody can send them", "TCP", "", utilization, nil, "service.backend.balancing_mode: UTILIZATION goes by load reports, which a service that speaks TCP gets in no response: write [service.utilization]"},
		{"nobody can send them so", "TCP", "utilization.source = 'ORCA'", utilization, nil, "enable_oob_load_report"},
		{"another source", "HTTP", "utilization.source = 'AGENT'", utilization, nil, `"AGENT" is not one of ORCA, POLL`},
		{"no page", "HTTP", "utilization.source = 'POLL'", utilization, nil, `poll_path: is required by source = "POLL"`},
		{"a page that is none", "HTTP", "utilization = { source = 'POLL', poll_path = 'load' }", utilization, nil, `poll_path: must begin with "/"`},
		{"too many polls", "HTTP", "utilization = { source = 'POLL', poll_path = '/', poll_interval = '1ms' }", utilization, nil, "poll_interval: 1ms is not from 10ms to 5m"},
		{"polled out of band", "HTTP", "utilization = { source = 'POLL', poll_path = '/', enable_oob_load_report = true }", utilization, nil, `enable_oob_load_report: only has a meaning with source = "ORCA"`},
		{"a page without polls", "HTTP", "utilization.poll_path = '/'", utilization, nil, `poll_path: only has a meaning with source = "POLL"`},
		{"a period without stream", "HTTP", "utilization.oob_reporting_period = '10s'", utilization, nil, "oob_reporting_period: only has a meaning with enable_oob_load_report = true"},
		{"a long period", "HTTP", "utilization = { enable_oob_load_report = true, oob_reporting_period = '1h' }", utilization, nil, "oob_reporting_period: 1h is not from"},
		{"a port of responses", "HTTP", "utilization.port = 0", utilization, nil, `port: only has a meaning with source = "POLL"`},
		{"a port that is none", "HTTP", "utilization = { source = 'POLL', poll_path = '/', port = 65536 }", utilization, nil, "port: 65536 is not from 0 to 65535"},
		{"always expired", "HTTP", "utilization.report_expiration = '0s'", utilization, nil, "report_expiration: must be"},
		{"the other expiration", "HTTP", "locality_lb_policy = 'WEIGHTED_ROUND_ROBIN'\nutilization.report_expiration = '1s'", "", nil, "weight_expiration_period"},
		{"another key", "HTTP", "utilization.path = '/'", utilization, nil, "path"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := fmt.Sprintf(reportsFile, row.protocol, row.service, row.backend)
			if row.refused != "" {
				refused(t, file, row.refused)
				return
			}
			c := parse(t, file)
			got := c.Services[0].Utilization
			if (got == nil) != (row.want == nil) || got != nil && *got != *row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
			if !c.Services[0].TakesReports() {
				t.Error("it takes no reports")
			}
			checkRoundTrip(t, c)
		})
	}
}
