package tlsfront

import "github.com/spillway-lb/spillway/proxy"

// Cut implements [proxy.Cutter], if what serves inside TLS does.
func (e *Engine) Cut(doomed proxy.Doomed) {
	if c, ok := e.opt.Engine.(proxy.Cutter); ok {
		c.Cut(doomed)
	}
}
