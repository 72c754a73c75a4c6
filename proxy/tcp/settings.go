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
	// Routes choose a service by the name that a TLS client asks for (SNI). Its
	// ClientHello is waited for and passed on untouched; whoever has no name goes
	// where no route matches. nil: no client is waited for.
	Routes *proxy.Routes
	// ClientTimeout is how long a client may take for its ClientHello; then it is
	// reset. It is for Routes. 0: no limit.
	ClientTimeout time.Duration
}
