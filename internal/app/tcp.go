package app

import (
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/tcp"
)

// tcpSettings is what a reload may change of a TCP or SSL listener.
func tcpSettings(l *config.Listener, services map[string]*proxy.Service) *tcp.Settings {
	set := &tcp.Settings{
		Service:       services[l.Service],
		ClientTimeout: time.Duration(l.ClientTimeout),
	}
	if len(l.Routes) == 0 {
		return set
	}
	routes := make([]proxy.Route, len(l.Routes))
	for i, r := range l.Routes {
		routes[i] = proxy.Route{Host: r.SNI, Service: services[r.Service]}
	}
	set.Routes = proxy.NewRoutes(routes, nil)
	return set
}
