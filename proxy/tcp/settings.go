package tcp

import (
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

// Settings are what may change while an engine runs. They do not change
// themselves once SetSettings has them.
type Settings struct {
	// Service gets the connections that no route takes. nil: they are reset.
	Service *proxy.Service
	// Routes choose a service by the name that a TLS client asks for (SNI); whoever
	// asks for none goes where no route matches. Unless TLS was taken off before,
	// the ClientHello is waited for and passed on untouched. nil: nobody is.
	Routes *proxy.Routes
	// ClientTimeout is how long a client with Routes may take for its ClientHello;
	// then it is reset. 0: no limit.
	ClientTimeout time.Duration
}
