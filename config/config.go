package config

import (
	"strings"
	"time"
)

// A Config is a whole file. Load, Parse and FromFlags return it valid, with
// every default filled in and every enum in its canonical spelling.
type Config struct {
	// What the proxy writes about itself.
	Log Log `toml:"log"`
	// The admin API. Default: none, and then there is no admin API.
	Admin *Admin `toml:"admin"`
	// Who this proxy is and how it runs.
	Proxy Proxy `toml:"proxy"`
	// How far other zones are. Default: as far as connecting to their endpoints
	// takes.
	Zones []Zone `toml:"zone"`
	// Groups of endpoints that services refer to as backends.
	Groups []Group `toml:"group"`
	// Addresses that accept traffic: at least one.
	Listeners []Listener `toml:"listener"`
	// Where traffic goes and how it is spread.
	Services []Service `toml:"service"`

	// Warnings are the problems that did not keep the file from being loaded,
	// sorted by line.
	Warnings []*Problem `toml:"-"`
}

// Log says what the proxy writes about itself.
type Log struct {
	// The least severe level that is logged: debug, info, warn or error.
	// Default: `info`.
	Level string `toml:"level"`
	// The form of a line, which goes to standard error: text or json.
	// Default: `text`.
	Format string `toml:"format"`
	// Where the access log goes, one JSON line for each request or connection:
	// off, stdout, stderr, or the path of a file. Default: `off`.
	Access string `toml:"access"`
}

// Admin is the admin API: health of the proxy, metrics, status, drain.
type Admin struct {
	// Where the API is served: host:port or unix:/path. Port 0 takes a free one.
	// Default: `127.0.0.1:9900`.
	Listen string `toml:"listen"`
	// A file that holds the bearer token that requests must carry. Required
	// unless listen is a loopback address or a unix socket. Default: no token.
	TokenFile string `toml:"token_file"`
	// Whether /debug/pprof/ is served. Default: `false`.
	Pprof bool `toml:"pprof"`
}

// Proxy says who this proxy is and how it runs.
type Proxy struct {
	// A name for this proxy among others. Default: the name of the host.
	ID string `toml:"id"`
	// The region the proxy is in, which is the nearest to it. Default: the one that
	// a [[zone]] or [[group]] says the zone is in.
	Region string `toml:"region"`
	// The zone the proxy is in, which is the nearest, and which zonal affinity
	// compares with those of groups. Where both have a region, that counts too.
	// Default: none.
	Zone string `toml:"zone"`
	// How long requests and connections under way may take to end when the
	// proxy is told to stop; 0 cuts them at once. Default: `30s`.
	DrainTimeout Duration `toml:"drain_timeout"`
	// How connections are served: loop, by one event loop for each core, or
	// stream, by one goroutine for each connection. Only Linux has loop;
	// elsewhere the default is stream. Default: `loop`.
	Engine string `toml:"engine"`
	// How many event loops there are, at most 1024; 0: one for each core that the
	// proxy may use. Only with engine loop. Default: `0`.
	Loops int `toml:"loops"`
	// The seed of every affinity hash, any 64-bit integer. Proxies that share a
	// seed and endpoints choose the same endpoint for the same key; a secret one
	// keeps clients from aiming at an endpoint. Default: `0`.
	HashSeed int64 `toml:"hash_seed"`
}

// A Zone says how far a zone is, for services whose groups have a balancing_mode.
type Zone struct {
	// The zone, as groups name it. Required.
	Name string `toml:"name"`
	// The region it is in. Default: any that groups in a zone of this name have.
	Region string `toml:"region"`
	// From the proxy to the zone and back. The proxy's own zone is the nearest
	// whatever stands here. Default: as long as connecting to the zone's endpoints
	// takes.
	RTT *Duration `toml:"rtt"`
}

// A Group is endpoints in one zone that share a capacity. Where endpoints have
// zones of their own, each zone is a group by itself, called NAME/ZONE: a target
// for each endpoint counts those of the zone.
type Group struct {
	// The name that a service's backend refers to: letters, digits, ".", "_" and
	// "-", at most 63. Required.
	Name string `toml:"name"`
	// The region the endpoints are in. Default: the one that [proxy], a [[zone]] or
	// another group says the zone is in.
	Region string `toml:"region"`
	// The zone the endpoints are in. Default: none.
	Zone string `toml:"zone"`
	// Ports by name, for endpoints without one: a service's port_name chooses.
	// Default: none.
	NamedPorts map[string]int `toml:"named_ports"`
	// Addresses, or tables with the keys of an endpoint, at least one. Here the
	// port may be left out if named_ports has the service's port_name. Required,
	// unless there is one of dns, srv and file.
	Endpoints []Endpoint `toml:"endpoints"`
	// The name of a host, host:port: each of its A and AAAA records is an endpoint,
	// and they are asked for again when they expire. Where nobody answers, or there
	// are none any more, the endpoints stay as they are. The port may be left out as
	// in endpoints. With HTTPS and SSL the name is the server_name, unless a service
	// has one or other groups. Default: none.
	DNS string `toml:"dns"`
	// A name that has SRV records, such as _http._tcp.web.internal: each address of
	// their targets is an endpoint, with the record's port and weight. Those of a
	// higher priority are used while nobody of a lower one is healthy. Default: none.
	SRV string `toml:"srv"`
	// A JSON file, looked at twice a second: an array of endpoints as they are
	// written here, addresses or objects, or {"endpoints": […]}. Relative to the
	// directory of this file. Default: none.
	File string `toml:"file"`
	// Name servers for dns and srv, an IP address or address:port, asked in this
	// order until one answers. Names are complete then, and the hosts file is not
	// read. Default: the system's, with its search list.
	Resolvers []string `toml:"resolvers"`
	// The shortest time after which names are asked for again, whatever their
	// records say; 10ms or more. Only with dns and srv. Default: `1s`.
	MinTTL Duration `toml:"min_ttl,omitzero"`
	// The longest, up to 24h. Only with dns and srv. Default: `5m`.
	MaxTTL Duration `toml:"max_ttl,omitzero"`

	// FilePath is File as this process can open it.
	FilePath string `toml:"-"`
}

// An Endpoint is one address that traffic can go to. In the file it is a table,
// or just the address.
type Endpoint struct {
	// Where to dial: host:port, [v6]:port or unix:/path. Required.
	Address string `toml:"address"`
	// A stable name, unlike any other of the service: it is hashed, logged and a
	// label of metrics. Default: the address, with its port.
	ID string `toml:"id"`
	// The share of traffic compared with others, 0 to 1000; 0 takes no new
	// traffic. Default: `1`.
	Weight uint32 `toml:"weight"`
	// The most requests (HTTP), connections (TCP) or sessions (UDP) at once; 0 is no
	// limit.
	// Default: `0`.
	Max int64 `toml:"max"`

	// The zone it is in, for a group of several zones. Not for endpoints that a
	// service lists itself. Default: the group's.
	Zone string `toml:"zone,omitzero"`

	// Group is the name of the endpoint's group in what Config.Endpoints returns;
	// "" for the endpoints that a service lists itself.
	Group string `toml:"-"`
	// Priority is that of an SRV record. No file says so.
	Priority uint16 `toml:"-"`
}

// A Duration is a length of time, written in the file as a string such as "30s",
// "1m30s" or "250ms".
type Duration time.Duration

// String returns the duration the way a file spells it: "10m", not "10m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText makes the duration a string in JSON and TOML.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String writes and everything else that
// time.ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}
