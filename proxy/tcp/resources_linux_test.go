package tcp_test

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

// withoutDescriptors runs f while the process can open no more.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var was unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	less := was
	less.Cur = 3 // those below stay open; of others one may be closed meanwhile, such as an idle pipe's
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &less))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	f()
}

func TestNoDescriptorForAnEndpointIsNobodysFault(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		b := setup(t, d, nil, endpoint(t, echo), endpoint(t, echo))
		// The client is accepted, and then waited for, because of a route by name.
		b.engine.SetSettings(&tcp.Settings{
			Service: b.service,
			Routes:  proxy.NewRoutes([]proxy.Route{{Host: "a.example", Service: b.service}}, nil),
		})
		c := b.dial()
		eventually(t, "the client to be accepted", func() bool { return b.engine.Active() == 1 })
		withoutDescriptors(t, func() {
			_, err := io.WriteString(c, "no TLS")
			must(t, err)
			wantReset(t, c)
		})
		b.wantCause("proxy_internal_error")
		if started, failed, active := b.load(); started != 2 || failed != 0 || active != 0 {
			t.Errorf("load: %d started, %d failed, %d active; want each tried and nobody blamed", started, failed, active)
		}
		if log := b.log.String(); !strings.Contains(log, "too many open files") {
			t.Errorf("log: %s", log)
		}
	})
}
