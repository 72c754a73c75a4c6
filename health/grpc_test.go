package health_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/spillway-lb/spillway/health"
	"github.com/spillway-lb/spillway/internal/testkit"
)

// grpcServer runs grpc-go's server with its health service, or without.
func grpcServer(t *testing.T, service *grpchealth.Server, options ...grpc.ServerOption) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	if service != nil {
		healthpb.RegisterHealthServer(server, service)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return ln.Addr().String()
}

// TestGRPCCheckAgainstTheRealServer is the GRPC row of spec.md §8.2, with and without TLS.
func TestGRPCCheckAgainstTheRealServer(t *testing.T) {
	certs := testkit.NewCertificates(t)
	service := grpchealth.NewServer()
	for name, status := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"up": healthpb.HealthCheckResponse_SERVING, "down": healthpb.HealthCheckResponse_NOT_SERVING,
		"unknown": healthpb.HealthCheckResponse_UNKNOWN, strings.Repeat("x", 1024): healthpb.HealthCheckResponse_SERVING,
	} {
		service.SetServingStatus(name, status)
	}
	secured := grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}))
	for _, server := range []struct {
		kind string
		addr string
		none string // the address of a server without a health service
		tls  *tls.Config
	}{
		{"GRPC", grpcServer(t, service), grpcServer(t, nil), nil},
		{"GRPC_WITH_TLS", grpcServer(t, service, secured), grpcServer(t, nil, secured), &tls.Config{RootCAs: certs.Pool}},
	} {
		for _, c := range []struct{ name, service, reason string }{
			{"the whole server", "", ""},
			{"SERVING", "up", ""},
			{"a long name", strings.Repeat("x", 1024), ""},
			{"NOT_SERVING", "down", "NOT_SERVING"},
			{"UNKNOWN", "unknown", "UNKNOWN"},
			{"NOT_FOUND", "nobody", `grpc status NOT_FOUND: "unknown service"`},
		} {
			t.Run(server.kind+" "+c.name, func(t *testing.T) {
				expect(t, check(t, health.Check{Type: server.kind, GRPCServiceName: c.service, TLS: server.tls}, server.addr), c.reason)
			})
		}
		t.Run(server.kind+" no health service", func(t *testing.T) {
			expect(t, check(t, health.Check{Type: server.kind, TLS: server.tls}, server.none), "grpc status UNIMPLEMENTED")
		})
	}
}

func TestGRPCCheckOfWhatIsNoGRPC(t *testing.T) {
	certs := testkit.NewCertificates(t)
	config := &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	trusted := &tls.Config{RootCAs: certs.Pool}
	web := func(h2 bool, h http.HandlerFunc) string {
		server := httptest.NewUnstartedServer(h)
		server.TLS, server.EnableHTTP2 = config.Clone(), h2
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	answer := func(kind string, header http.Header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			for k, v := range header {
				w.Header()[k] = v
			}
			_, _ = w.Write([]byte(body))
		}
	}
	ok := http.Header{"Trailer:Grpc-Status": {"0"}}
	for _, c := range []struct{ name, addr, reason string }{
		{"a web server", web(true, answer("text/html", nil, "hello")), `not gRPC: its content type is "text/html"`},
		{"not found", web(true, http.NotFound), "status 404, want 200"},
		{"HTTP/1.1 only", web(false, http.NotFound), "tls: no application protocol"},
		{"no ALPN", secured(t, config, untilGone), "the endpoint does not speak HTTP/2 (ALPN)"},
		{"no status", web(true, answer("application/grpc", nil, "\x00\x00\x00\x00\x02\x08\x01")), "not gRPC: the response has no grpc-status"},
		{"no message", web(true, answer("application/grpc", ok, "")), "the reply is no HealthCheckResponse: no message"},
		{"half a message", web(true, answer("application/grpc", ok, "\x00\x00\x00\x00\x02\x08")), "the reply is no HealthCheckResponse: its length"},
		{"a compressed one", web(true, answer("application/grpc", ok, "\x01\x00\x00\x00\x02\x08\x01")), "the reply is no HealthCheckResponse: compressed"},
		{"an endless one", web(true, answer("application/grpc", ok, strings.Repeat("x", 1<<20))), "the reply is no HealthCheckResponse: too long"},
		{"another status", web(true, answer("application/grpc", ok, "\x00\x00\x00\x00\x02\x08\x09")), "serving status 9"},
		{"a status of tomorrow", web(true, answer("application/grpc", http.Header{"Grpc-Status": {"99"}}, "")), `grpc status "99"`},
		{"serving, with unknown fields", web(true, answer("application/grpc+proto", ok, "\x00\x00\x00\x00\x06\x12\x02hi\x08\x01")), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, check(t, health.Check{Type: "GRPC_WITH_TLS", TLS: trusted}, c.addr), c.reason)
		})
	}
	greeting := tcpEndpoint(t, func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.9\r\n")); untilGone(c) })
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, addr := range map[string]string{"SSH": greeting, "HTTP/1.1": plain.Listener.Addr().String()} {
		if r := check(t, health.Check{Type: "GRPC"}, addr); r.OK || r.Timeout || r.Reason == "" { // its answer, or that it hung up, whatever comes first
			t.Errorf("%s: %+v", name, r)
		}
	}
	expect(t, check(t, health.Check{Type: "GRPC", Timeout: short}, tcpEndpoint(t, untilGone)), "timeout after 100ms")
	expect(t, check(t, health.Check{Type: "GRPC"}, tcpEndpoint(t, reset)), "connection reset")
	expect(t, check(t, health.Check{Type: "GRPC"}, tcpEndpoint(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<10)) })), "connection ")
}

// TestHTTP2Check is the HTTP/2 of rows HTTP and HTTP/2 of spec.md §8.2, against net/http's server.
func TestHTTP2Check(t *testing.T) {
	certs := testkit.NewCertificates(t)
	seen := make(chan *http.Request, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { seen <- r; _, _ = w.Write([]byte("all is ready")) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	mux.HandleFunc("/weight", func(w http.ResponseWriter, r *http.Request) { w.Header().Set(health.WeightHeader, "7") })
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat(".", 1020) + "ready"))
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 4096))
		}
	})
	mux.HandleFunc("/head", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<17)) })
	mux.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certs.Server("127.0.0.1").TLS}}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	addr := server.Listener.Addr().String()
	for _, c := range []struct{ name, path, response, reason string }{
		{"200", "", "", ""},
		{"text in the body", "", "ready", ""},
		{"text missing", "", "steady", `body does not contain "steady"`},
		{"text a byte too late", "/late", "ready", `body does not contain "ready"`},
		{"redirect", "/moved", "", "status 302, want 200"},
		{"not found", "/nobody", "", "status 404, want 200"},
		{"endless body", "/endless", "", ""},
		{"huge head", "/head", "", "response head is malformed, or longer than 16384 bytes"},
		{"silent", "/silent", "", "timeout after 100ms"},
		{"cut", "/cut", "", "stream error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := health.Check{Type: "HTTP2", RequestPath: c.path, Response: c.response, TLS: &tls.Config{RootCAs: certs.Pool}}
			if c.path == "/silent" {
				k.Timeout = short
			}
			expect(t, check(t, k, addr), c.reason)
			if c.path == "" {
				if r := <-seen; r.ProtoMajor != 2 || r.Host != addr || r.UserAgent() != "spillway-health-check" {
					t.Errorf("%s to %s from %s", r.Proto, r.Host, r.UserAgent())
				}
			}
		})
	}
	t.Run("Host", func(t *testing.T) {
		expect(t, check(t, health.Check{Type: "HTTP2", Host: "example.com", TLS: &tls.Config{RootCAs: certs.Pool}}, addr), "")
		select {
		case r := <-seen:
			if r.Host != "example.com" {
				t.Errorf("Host %s", r.Host)
			}
		default:
			t.Error("nobody asked")
		}
	})
	t.Run("weight", func(t *testing.T) {
		r := check(t, health.Check{Type: "HTTP2", RequestPath: "/weight", TLS: &tls.Config{RootCAs: certs.Pool}}, addr)
		if !r.OK || r.Weight.Value != 7 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("no h2c", func(t *testing.T) {
		plain := httptest.NewUnstartedServer(mux)
		plain.Config.Protocols = new(http.Protocols)
		plain.Config.Protocols.SetUnencryptedHTTP2(true)
		plain.Start()
		defer plain.Close()
		r := check(t, health.Check{Type: "HTTP2"}, plain.Listener.Addr().String())
		if r.OK || r.Timeout || r.Reason == "" {
			t.Errorf("%+v", r)
		}
	})
}
