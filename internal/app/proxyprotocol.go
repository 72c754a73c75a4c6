package app

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spillway-lb/spillway/config"
	"github.com/spillway-lb/spillway/proxy"
)

// proxyProtocols says what the words of a service's proxy_protocol mean.
var proxyProtocols = map[string]proxy.ProxyProtocol{"V1": proxy.ProxyProtocolV1, "V2": proxy.ProxyProtocolV2}

// trustedProxies are whose word a listener takes for where its clients are.
func trustedProxies(l *config.Listener) ([]netip.Prefix, error) {
	var trusted []netip.Prefix
	for _, s := range l.TrustedProxies {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("listener %q: trusted_proxies: %w", l.Name, err)
		}
		trusted = append(trusted, p)
	}
	return trusted, nil
}

// headersOf says whose PROXY headers a listener expects; nil: nobody's.
func headersOf(l *config.Listener) (*proxy.ProxyHeaders, error) {
	if !l.ProxyProtocol {
		return nil, nil
	}
	from, err := trustedProxies(l)
	return &proxy.ProxyHeaders{From: from, Timeout: time.Duration(l.ClientTimeout)}, err
}
