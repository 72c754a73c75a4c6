package app

import (
	"fmt"
	"strings"

	"github.com/spillway-lb/spillway/config"
)

// Refusals names what a reload would refuse next for, when prev is the file that
// runs: what cannot change without a restart.
func Refusals(prev, next *config.Config) []error {
	return refusals(prev, next, func(i int) bool {
		l := &prev.Listeners[i]
		return prev.Proxy.Engine == "loop" && !l.IsTLS() && prev.TLSServiceOf(l) == nil
	})
}

// refusals is Refusals where it is known which of prev's listeners are on event
// loops.
func refusals(prev, next *config.Config, onLoops func(i int) bool) []error {
	r := refuser{next: next}
	r.no("log.format", prev.Log.Format != next.Log.Format)
	r.no("log.access", prev.Log.Access != next.Log.Access)
	r.no("proxy.id", prev.Proxy.ID != next.Proxy.ID)
	r.no("proxy.engine", prev.Proxy.Engine != next.Proxy.Engine)
	r.no("proxy.loops", prev.Proxy.Loops != next.Proxy.Loops)
	r.no("proxy.drain_timeout", prev.Proxy.DrainTimeout != next.Proxy.DrainTimeout)
	switch {
	case (prev.Admin == nil) != (next.Admin == nil):
		r.no("admin", true)
	case next.Admin != nil:
		r.no("admin.listen", prev.Admin.Listen != next.Admin.Listen)
		r.no("admin.token_file", prev.Admin.TokenFile != next.Admin.TokenFile)
		r.no("admin.pprof", prev.Admin.Pprof != next.Admin.Pprof)
	}
	for i := range prev.Listeners {
		r.listener(&prev.Listeners[i], onLoops(i))
	}
	return r.errs
}

// A refuser gathers reasons.
type refuser struct {
	next *config.Config
	errs []error
}

func (r *refuser) no(key string, changed bool) {
	if changed {
		r.errs = append(r.errs, fmt.Errorf("%s: cannot change without a restart", key))
	}
}

// listener compares an open one with what next has at its address.
func (r *refuser) listener(open *config.Listener, onLoops bool) {
	for i := range r.next.Listeners {
		spec := &r.next.Listeners[i]
		anyPort := strings.HasSuffix(spec.Listen, ":0") // another name is another socket then
		if spec.Listen != open.Listen || anyPort && spec.Name != open.Name || isOther(spec, open) {
			continue
		}
		name := fmt.Sprintf("listener %q: ", spec.Listen)
		r.no(name+"name", spec.Name != open.Name)
		r.no(name+"protocol", spec.Protocol != open.Protocol)
		r.no(name+"max_connections", spec.MaxConnections != open.MaxConnections)
		r.no(name+"transparent", spec.Transparent != open.Transparent)
		r.kind(spec, onLoops)
	}
}

// kind refuses a listener that would have to leave the event loops: to reach a
// service whose endpoints speak TLS takes goroutines.
func (r *refuser) kind(spec *config.Listener, onLoops bool) {
	s := r.next.TLSServiceOf(spec)
	if s == nil || !onLoops {
		return
	}
	r.errs = append(r.errs, fmt.Errorf("listener %q: service %q: protocol %s needs a listener on goroutines, and this one is on event loops: it cannot change without a restart",
		spec.Listen, s.Name, s.Protocol))
}
