package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spillway-lb/spillway/internal/admin"
)

// defaultAdmin is where a proxy's admin API is unless its file says otherwise.
const defaultAdmin = "127.0.0.1:9900"

// adminFlags are those of the verbs that talk to a running proxy.
type adminFlags struct {
	addr, file, token *string
	asJSON            *bool
}

func newAdminFlags(f *flags) adminFlags {
	return adminFlags{
		addr:   f.String("admin", "", "where the admin API is: `ADDR` is host:port or unix:/path (default "+defaultAdmin+")"),
		file:   f.String("c", "", "the proxy's `FILE`, whose [admin] says where the API is and what its token is"),
		token:  f.String("token-file", "", "a `FILE` that holds the API's token"),
		asJSON: f.Bool("json", false, "print JSON"),
	}
}

// client returns a client of the API that the flags name. The caller closes it.
func (a adminFlags) client() (*admin.Client, error) {
	addr, tokenFile := *a.addr, *a.token
	if *a.file != "" {
		cfg, err := load(*a.file)
		if err != nil {
			return nil, err
		}
		if cfg.Admin != nil && tokenFile == "" {
			tokenFile = cfg.Admin.TokenFile
		}
		if addr == "" && cfg.Admin == nil {
			return nil, fmt.Errorf("%w: %s has no [admin]", admin.ErrUnreachable, *a.file)
		}
		if addr == "" {
			addr = cfg.Admin.Listen
		}
	}
	if addr == "" {
		addr = defaultAdmin
	}
	addr, err := dialable(addr)
	if err != nil {
		return nil, err
	}
	token := ""
	if tokenFile != "" {
		b, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(string(b))
	}
	return admin.NewClient(addr, token), nil
}

// dialable makes an address to dial of one to listen on: what takes every
// address of the machine is reached by loopback.
func dialable(addr string) (string, error) {
	if strings.HasPrefix(addr, "unix:") {
		return addr, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", usageError(fmt.Sprintf("%q is no address: it must be host:port or unix:/path", addr))
	}
	if port == "0" {
		return "", fmt.Errorf("%w: its file says port 0, a free one; say with --admin which it took", admin.ErrUnreachable)
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
