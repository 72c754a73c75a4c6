package tlsfront

import "github.com/spillway-lb/spillway/proxy"

// Survey implements [proxy.Carrier], if what serves inside TLS does.
func (e *Engine) Survey(c *proxy.Census) {
	if inner, ok := e.opt.Engine.(proxy.Carrier); ok {
		inner.Survey(c)
	}
}
