package health

import (
	"fmt"
	"strings"
)

// withPort fills in which port is checked. Where both ways to say it are used and nothing says which counts, Port wins.
func (c Check) withPort() Check {
	c.PortSpecification = strings.ToUpper(c.PortSpecification)
	switch {
	case c.PortSpecification != "":
	case c.Port != 0:
		c.PortSpecification, c.PortName = UseFixedPort, ""
	case c.PortName != "":
		c.PortSpecification = UseNamedPort
	default:
		c.PortSpecification = UseServingPort
	}
	if c.PortSpecification == UseFixedPort && c.Port == 0 {
		c.Port = c.usualPort()
	}
	return c
}

// usualPort is the port of a type, or 0.
func (c Check) usualPort() int {
	switch c.Type {
	case TypeTCP, TypeHTTP:
		return 80
	case TypeSSL, TypeHTTPS, TypeHTTP2:
		return 443
	}
	return 0
}

func (c Check) validatePort(bad func(string, ...any)) {
	if c.Port < 0 || c.Port > 65535 {
		bad("port %d is not between 1 and 65535 (0: the serving port)", c.Port)
	}
	switch c.PortSpecification {
	case UseFixedPort:
		if c.PortName != "" {
			bad("port_name is not used with %s", UseFixedPort)
		}
		if c.Port == 0 {
			bad("port is required with %s: type %s has no usual one", UseFixedPort, c.Type)
		}
	case UseNamedPort:
		if c.PortName == "" {
			bad("port_name is required with %s", UseNamedPort)
		}
		if c.Port != 0 {
			bad("port is not used with %s", UseNamedPort)
		}
		if c.Type == TypeGRPCWithTLS {
			bad("%s is not for type %s", UseNamedPort, c.Type)
		}
	case UseServingPort:
		if c.Port != 0 || c.PortName != "" {
			bad("port and port_name are not used with %s", UseServingPort)
		}
	default:
		bad("unknown port_specification %q; %s, %s and %s are known", c.PortSpecification, UseFixedPort, UseNamedPort, UseServingPort)
	}
}

// ResolvePort returns c, defaults filled in, as it is for endpoints of a group with these named ports: with
// USE_NAMED_PORT the port is looked up, and fixed. Only such a check can be made. The error is that the group has no
// port of that name.
func (c Check) ResolvePort(named map[string]int) (Check, error) {
	c = c.WithDefaults()
	if c.PortSpecification != UseNamedPort {
		return c, nil
	}
	port := named[c.PortName]
	if port <= 0 || port > 65535 {
		return c, fmt.Errorf("health: there is no port named %q", c.PortName)
	}
	c.PortSpecification, c.Port, c.PortName = UseFixedPort, port, ""
	return c, nil
}
