package config

// notYet is what a file is told that uses what a later version will have. To
// ignore it would be worse: the file would not mean what it says.
const notYet = "not supported by this version"

// refusedKeys are keys of the API, by section, that will never be of this format,
// and why.
var refusedKeys = map[string]map[string]string{
	"service.health_check": {
		"source_regions": "endpoints are checked by this proxy, from where it is; checks from other regions are for global DNS and not for a service, and there is nobody to make them",
	},
}

// An enum is the values of a key that takes one of a few words.
type enum struct {
	allowed []string // in canonical spelling
	later   []string // in the format, but not in this version
}

var (
	logLevels         = enum{allowed: []string{"debug", "info", "warn", "error"}}
	logFormats        = enum{allowed: []string{"text", "json"}}
	engines           = enum{allowed: []string{"loop", "stream"}}
	listenerProtocols = enum{allowed: []string{"HTTP", "HTTPS", "TCP", "SSL", "UDP"}}
	serviceProtocols  = enum{
		allowed: []string{"HTTP", "HTTPS", "TCP", "SSL", "UDP"},
		later:   []string{"HTTP2", "H2C"},
	}
	policies = enum{
		allowed: []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV", "WEIGHTED_MAGLEV", "WEIGHTED_ROUND_ROBIN", "ORIGINAL_DESTINATION"},
	}
	affinities = enum{
		allowed: []string{
			"NONE", "CLIENT_IP", "CLIENT_IP_NO_DESTINATION", "CLIENT_IP_PROTO", "CLIENT_IP_PORT_PROTO",
			"GENERATED_COOKIE", "HEADER_FIELD", "HTTP_COOKIE", strongAffinity,
		},
	}
	tlsVersions     = enum{allowed: []string{"1.2", "1.3"}}
	clientAuths     = enum{allowed: []string{"NONE", "REQUEST", "REQUIRE"}}
	retryConditions = enum{
		allowed: []string{"5xx", "gateway-error", "connect-failure", "retriable-4xx", "refused-stream"},
	}
	// grpcConditions are retry conditions, too, but no response of HTTP/1.1 is one.
	grpcConditions = []string{"cancelled", "deadline-exceeded", "resource-exhausted", "unavailable"}

	proxyProtocols = enum{allowed: []string{"NONE", "V1", "V2"}}

	loadSources   = enum{allowed: []string{"ORCA", "POLL"}}
	sources       = enum{allowed: []string{"PROXY", "CLIENT"}}
	panics        = enum{allowed: []string{"open", "closed", "shed"}}
	spillovers    = enum{allowed: []string{"ZONAL_AFFINITY_DISABLED", "ZONAL_AFFINITY_STAY_WITHIN_ZONE", "ZONAL_AFFINITY_SPILL_CROSS_ZONE"}}
	trackingModes = enum{allowed: []string{"PER_CONNECTION", "PER_SESSION"}}
	persistences  = enum{allowed: []string{"DEFAULT_FOR_PROTOCOL", "NEVER_PERSIST", "ALWAYS_PERSIST"}}
	modes         = enum{allowed: []string{"RATE", "CONNECTION", "UTILIZATION", "CUSTOM_METRICS", "IN_FLIGHT"}}
	preferences   = enum{allowed: []string{"DEFAULT", "PREFERRED"}}
	lbAlgorithms  = enum{allowed: []string{"WATERFALL_BY_REGION", "SPRAY_TO_REGION", "WATERFALL_BY_ZONE", "SPRAY_TO_WORLD"}}
	granularities = enum{allowed: []string{"REGION"}}
	isolations    = enum{allowed: []string{"NEAREST", "STRICT"}}
)
