package admin

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Limits of the server. It has few clients and small requests; whoever can
// reach it must not be able to fill the memory or hold up a stop.
const (
	maxConnections = 256
	maxHead        = 8 << 10
	maxBody        = 64 << 10
	readTimeout    = 10 * time.Second // of a whole request
	writeTimeout   = 60 * time.Second // of a whole response
	idleTimeout    = 60 * time.Second
	drainTimeout   = 3 * time.Second // for requests under way when it stops
)

// A Server serves the admin API. Create it with NewServer.
type Server struct {
	o       Options
	http    fasthttp.Server
	metrics fasthttp.RequestHandler // nil: no Gatherer
	conns   connections
	base    context.Context // of requests; Serve's
}

// NewServer returns a server that knows the proxy by o.
func NewServer(o Options) *Server {
	s := &Server{o: o.withDefaults()}
	if o.Gatherer != nil {
		s.metrics = s.metricsHandler()
	}
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 refuse,
		ConnState:                    s.conns.changed,
		Concurrency:                  maxConnections,
		ReadBufferSize:               maxHead,
		MaxRequestBodySize:           maxBody,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		ReduceMemoryUsage:            true, // and a connection is active from its first byte, not before
		NoDefaultServerHeader:        true,
		DisablePreParseMultipartForm: true, // a form would be written to disk
		Logger:                       printer{s.o.Log},
	}
	return s
}

// Serve serves l until ctx ends. Then it closes l and idle connections, gives
// requests under way 3 s to end, and returns nil when all it started is gone.
// Another error is l's. Serve owns l, and may be called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.base = ctx
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()

	var wg sync.WaitGroup
	err := s.accept(ctx, l, &wg)
	l.Close()
	s.conns.drain()
	timer := time.AfterFunc(drainTimeout, s.conns.abort)
	defer timer.Stop()
	wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// accept starts a goroutine for each connection until l is closed. Errors of
// the moment, such as running out of descriptors, are waited out.
func (s *Server) accept(ctx context.Context, l net.Listener, wg *sync.WaitGroup) error {
	const longest = time.Second
	delay := 5 * time.Millisecond
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			delay = 5 * time.Millisecond
			wg.Go(func() { s.serveConn(conn) })
			continue
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return err
		}
		s.o.Log.Warn("admin API: accept failed", "error", err, "retry_in", delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return err
		}
		delay = min(2*delay, longest)
	}
}

func (s *Server) serveConn(conn net.Conn) {
	s.conns.add(conn)
	defer s.conns.remove(conn)
	// The error is that of a client that left or sent nonsense, which has had
	// its answer.
	if err := s.http.ServeConn(conn); err != nil {
		s.o.Log.Debug("admin API: connection ended", "error", err)
	}
}

// refuse answers what fasthttp could not read.
func refuse(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		problem(fasthttp.StatusRequestEntityTooLarge, "a body may have %d bytes", maxBody).send(ctx)
	case errors.As(err, &small):
		problem(fasthttp.StatusRequestHeaderFieldsTooLarge, "a request's head may have %d bytes", maxHead).send(ctx)
	case errors.As(err, &network) && network.Timeout():
		problem(fasthttp.StatusRequestTimeout, "the request did not arrive within %v", readTimeout).send(ctx)
	default:
		problem(fasthttp.StatusBadRequest, "this is not an HTTP/1.1 request").send(ctx)
	}
}
