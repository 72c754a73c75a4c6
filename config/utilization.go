package config

import "strings"

// Utilization says how endpoints tell how busy they are, for what goes by that: the
// balancing modes UTILIZATION and CUSTOM_METRICS, and the policy
// WEIGHTED_ROUND_ROBIN.
type Utilization struct {
	// ORCA: endpoints report, in fields of their HTTP responses, which clients do not
	// get to see, or with enable_oob_load_report over a stream. POLL: they have a
	// page. TCP, SSL and UDP have no responses, and need one of the last two.
	// Default: `ORCA`.
	Source string `toml:"source"`
	// Whether endpoints report over a stream of gRPC, out of band, instead of in
	// responses: StreamCoreMetrics of xds.service.orca.v3.OpenRcaService. ORCA only.
	// Default: false.
	EnableOOBLoadReport bool `toml:"enable_oob_load_report,omitzero"`
	// How often they are asked to report over the stream, 10ms to 1m; they may have a
	// lower bound of their own, such as 30s. Only with enable_oob_load_report.
	// Default: `10s`.
	OOBReportingPeriod Duration `toml:"oob_reporting_period,omitzero"`
	// The page: JSON of an OrcaLoadReport, or gauges for Prometheus, by its
	// Content-Type (docs/operating.md). POLL only, and required by it.
	PollPath string `toml:"poll_path,omitzero"`
	// From the start of a poll to the start of the next, 10ms to 5m. One takes no
	// longer than that, and no longer than 5s. POLL only. Default: `1s`.
	PollInterval Duration `toml:"poll_interval,omitzero"`
	// The port of the stream or the page, 0 to 65535; 0 is the one that serves. Either
	// is over TLS where the service is, and by its tls. Not for reports in responses.
	// Default: 0.
	Port int `toml:"port,omitzero"`
	// How old a report may be that counts for a group's capacity, above 0. An endpoint
	// without any counts as the mean of its group. Only with a balancing_mode that
	// goes by reports; WEIGHTED_ROUND_ROBIN has its own. Default: `180s`.
	ReportExpiration Duration `toml:"report_expiration,omitzero"`
}

// TakesReports reports whether s goes by what endpoints say of their load.
func (s *Service) TakesReports() bool {
	return s.LocalityLBPolicy == "WEIGHTED_ROUND_ROBIN" || s.reportedBackend() >= 0
}

// reportedBackend is the first backend whose balancing mode goes by reports, or -1.
func (s *Service) reportedBackend() int {
	for i := range s.Backends {
		if isReported(s.Backends[i].BalancingMode) {
			return i
		}
	}
	return -1
}

// inResponses reports whether reports come with HTTP responses.
func (u *Utilization) inResponses() bool { return u.Source == "ORCA" && !u.EnableOOBLoadReport }

// fillUtilization sets the defaults of the kind of reports that there are.
func (l *loader) fillUtilization(path string, s *Service) {
	u := s.Utilization
	orElse(&u.Source, "ORCA")
	if u.EnableOOBLoadReport && !l.has(path+".oob_reporting_period") {
		u.OOBReportingPeriod = 10 * second
	}
	if u.Source == "POLL" && !l.has(path+".poll_interval") {
		u.PollInterval = second
	}
	if s.reportedBackend() >= 0 && !l.has(path+".report_expiration") {
		u.ReportExpiration = 180 * second
	}
}

// checkUtilization checks that reports can be had where they are wanted, and that
// what is said of them means something.
func (l *loader) checkUtilization(path string, s *Service) {
	section := path + ".utilization"
	if l.bad[path+".protocol"] || l.bad[path+".locality_lb_policy"] || l.bad[section+".source"] {
		return
	}
	u := s.Utilization
	if !s.TakesReports() {
		for i := range s.Backends {
			if l.bad[at(path+".backend", i)+".balancing_mode"] {
				return // nobody knows what was meant
			}
		}
		l.onlyWith(section, u != nil, `balancing_mode = "UTILIZATION" or "CUSTOM_METRICS", or locality_lb_policy = "WEIGHTED_ROUND_ROBIN"`)
		return
	}
	if b := s.reportedBackend(); b >= 0 && isNetwork(s.Protocol) && (u == nil || u.inResponses()) {
		l.errorf(at(path+".backend", b)+".balancing_mode", `%s goes by load reports, which a service that speaks %s gets in no response: `+
			`write [service.utilization] with source = "POLL" or enable_oob_load_report = true`, s.Backends[b].BalancingMode, s.Protocol)
	}
	if u == nil {
		return
	}
	l.checkPoll(section, u)
	l.checkOutOfBand(section, u)
	l.checkRange(section+".port", int64(u.Port), 0, 65535)
	if u.inResponses() {
		l.onlyWith(section+".port", l.has(section+".port"), `source = "POLL" or enable_oob_load_report = true`)
	}
	if s.reportedBackend() >= 0 {
		l.checkPositive(section+".report_expiration", u.ReportExpiration)
	} else {
		l.onlyWith(section+".report_expiration", l.has(section+".report_expiration"),
			`balancing_mode = "UTILIZATION" or "CUSTOM_METRICS"; weighted_round_robin has weight_expiration_period`)
	}
}

func (l *loader) checkPoll(section string, u *Utilization) {
	page, interval := section+".poll_path", section+".poll_interval"
	if u.Source != "POLL" {
		l.onlyWith(page, l.has(page), `source = "POLL"`)
		l.onlyWith(interval, l.has(interval), `source = "POLL"`)
		return
	}
	switch {
	case l.bad[page]:
	case u.PollPath == "":
		l.errorf(page, `is required by source = "POLL"`)
	case u.PollPath[0] != '/' || !isPath(u.PollPath) || strings.Contains(u.PollPath, "#"):
		l.errorf(page, `must begin with "/" and be ASCII without spaces or "#"`)
	case len(u.PollPath) > maxProbe:
		l.errorf(page, "has %d bytes; at most %d are allowed", len(u.PollPath), maxProbe)
	}
	l.checkPeriod(interval, u.PollInterval, maxInterval)
}

func (l *loader) checkOutOfBand(section string, u *Utilization) {
	enable, period := section+".enable_oob_load_report", section+".oob_reporting_period"
	switch {
	case u.Source != "ORCA":
		l.onlyWith(enable, u.EnableOOBLoadReport, `source = "ORCA"`)
		l.onlyWith(period, l.has(period), `source = "ORCA"`)
	case !u.EnableOOBLoadReport:
		l.onlyWith(period, l.has(period), "enable_oob_load_report = true")
	default:
		l.checkPeriod(period, u.OOBReportingPeriod, minute)
	}
}

// checkPeriod checks how often an endpoint is asked for something.
func (l *loader) checkPeriod(path string, d, most Duration) {
	if d < minInterval || d > most {
		l.errorf(path, "%v is not from %v to %v", d, minInterval, most)
	}
}
