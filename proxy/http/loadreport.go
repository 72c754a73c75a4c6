package http

import (
	"log/slog"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/proxy"
)

// loadFields are the names under which a report may come, see health.LoadFormOf.
var loadFields = []string{
	"endpoint-load-metrics", "endpoint-load-metrics-json", "endpoint-load-metrics-bin",
	"x-endpoint-load-metrics", "x-endpoint-load-metrics-json", "x-endpoint-load-metrics-bin",
}

// takeReport takes the endpoint's load report out of the response's head, and
// hands it to who wants it: whatever becomes of the response, the report was made.
// Trailers are left alone: by then the client has most of the response.
func (x *exchange) takeReport() {
	form, value, n := health.NoLoadForm, []byte(nil), 0
	for i := range x.resp.Fields {
		f := &x.resp.Fields[i]
		if found := health.LoadFormOf(f.Name); found != health.NoLoadForm {
			form, value = found, f.Value
			n++
		}
	}
	if n == 0 {
		return
	}
	x.resp.Drop(loadFields)
	reports := x.svc.LoadReports
	if reports.Reader == nil {
		return
	}
	problem := "there is more than one in the response"
	if n == 1 {
		err := reports.Reader.Read(form, value, &x.report)
		if err == nil {
			x.svc.Stats.LoadReports[proxy.LoadReportOK].Add(1)
			reports.Note(x.lease.Endpoint.ID, &x.report)
			return
		}
		problem = err.Error()
	}
	x.svc.Stats.LoadReports[proxy.LoadReportInvalid].Add(1)
	x.c.engine.reports.Write(slog.LevelWarn, "a load report is refused",
		slog.String("service", x.svc.Name), slog.String("endpoint", x.lease.Endpoint.ID), slog.String("reason", problem))
}
