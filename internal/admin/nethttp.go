package admin

import (
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
)

// This file is the two resources whose handlers others have written, for
// net/http.

// maxScrapes is how many scrapes may run at once; each holds all metrics in
// memory.
const maxScrapes = 4

func (s *Server) metricsHandler() fasthttp.RequestHandler {
	return s.adapt(promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	}).ServeHTTP)
}

func (s *Server) scrape(r *request) {
	if s.metrics == nil {
		problem(fasthttp.StatusNotImplemented, "this proxy has no metrics").send(r.RequestCtx)
		return
	}
	s.metrics(r.RequestCtx)
}

// profile serves net/http/pprof. A profile that is being taken when the server
// stops ends early.
func (s *Server) profile(r *request) {
	handler := pprof.Index
	switch strings.TrimPrefix(string(r.Path()), "/debug/pprof/") {
	case "cmdline":
		handler = pprof.Cmdline
	case "profile":
		handler = pprof.Profile
	case "symbol":
		handler = pprof.Symbol
	case "trace":
		handler = pprof.Trace
	}
	s.adapt(handler)(r.RequestCtx)
}

// adapt makes a fasthttp handler of h: with Serve's context in place of
// fasthttp's, which never ends, and with h's errors as problems.
func (s *Server) adapt(h http.HandlerFunc) fasthttp.RequestHandler {
	adapted := fasthttpadaptor.NewFastHTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(w, r.WithContext(s.base))
	})
	return func(ctx *fasthttp.RequestCtx) {
		adapted(ctx)
		if status := ctx.Response.StatusCode(); status >= 400 {
			problem(status, "%s", strings.TrimSpace(string(ctx.Response.Body()))).send(ctx)
		}
	}
}
