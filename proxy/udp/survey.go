package udp

import (
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

var _ proxy.Carrier = (*Listener)(nil)

// Survey implements [proxy.Carrier].
func (l *Listener) Survey(c *proxy.Census) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.serving() {
		return
	}
	for _, x := range l.shards {
		answered := c.Expect()
		x.wire.enter(func() {
			defer answered()
			x.survey(c)
		})
	}
}

func (x *shard) survey(c *proxy.Census) {
	for _, s := range x.flows {
		if s.lease.Endpoint != nil {
			c.Add(proxy.PlaceOf(s.lease.Endpoint), x.of.epoch.Add(time.Duration(s.began)), s.bytesIn+s.bytesOut)
		}
	}
}
