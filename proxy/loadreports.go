package proxy

import (
	"sync/atomic"

	"github.com/spillway-lb/spillway/health"
)

// LoadReports says what becomes of the load reports in the responses of an HTTP
// service's endpoints. They are meant for us: clients never see them.
type LoadReports struct {
	// Reader reads them. nil: nobody does, for the service gets its reports in
	// another way.
	Reader *health.LoadReader
	// Note is told each report and the ID of the endpoint. It keeps nothing of the
	// report and does not block; it is called for every response that has one, from
	// any goroutine. Not nil where Reader is not.
	Note func(id string, report *health.LoadReport)
}

// LoadReportResult says what a report was.
type LoadReportResult uint8

// The results.
const (
	LoadReportOK      LoadReportResult = iota // read
	LoadReportInvalid                         // refused: it changes nothing
	LoadReportFailed                          // asked for, and not had
	loadReportResults
)

// LoadReportResults names the results as the metric's label does.
var LoadReportResults = [loadReportResults]string{"ok", "invalid", "failed"}

// LoadReportCounters count reports by result.
type LoadReportCounters [loadReportResults]atomic.Uint64
