package config

// FailoverPolicy says which of primaries and backups get new traffic. The first
// of these that holds: no healthy backup, primaries; no healthy primary, backups;
// failover_ratio or more of the primaries healthy, primaries; else backups. Who
// is drained, down or of weight 0 does not count. Traffic returns by the same
// rule.
type FailoverPolicy struct {
	// The part of the primaries, 0 to 1, that must be healthy for them to keep the
	// traffic. With 0 one is enough. Default: `0`.
	FailoverRatio float64 `toml:"failover_ratio"`
	// Whether traffic is refused while nobody is healthy, primary or backup. Else
	// all primaries get it, ill as they are. Default: `false`.
	DropTrafficIfUnhealthy bool `toml:"drop_traffic_if_unhealthy"`
	// Whether the connections of the pool that was active before are ended at
	// once; else they have 10 minutes to end. Needs a backup. Default: `false`.
	DisableConnectionDrainOnFailover bool `toml:"disable_connection_drain_on_failover"`
}

// NetworkPassThroughLBTrafficPolicy holds zonal affinity, under the API's name.
type NetworkPassThroughLBTrafficPolicy struct {
	// Whether connections stay in the proxy's zone.
	ZonalAffinity *ZonalAffinity `toml:"zonal_affinity"`
}

// ZonalAffinity keeps new connections in the proxy's zone. It applies to those
// that failover has chosen; where none of them is in the zone, all zones get
// traffic.
type ZonalAffinity struct {
	// ZONAL_AFFINITY_DISABLED; ZONAL_AFFINITY_STAY_WITHIN_ZONE, never leave the
	// zone, even when nobody there is healthy; or ZONAL_AFFINITY_SPILL_CROSS_ZONE,
	// use all zones when too few are. All but the first need the proxy's zone and
	// backends. Default: `ZONAL_AFFINITY_DISABLED`.
	Spillover string `toml:"spillover"`
	// The part of the zone's endpoints, 0 to 1, below which all zones get traffic.
	// With 0 one healthy endpoint is enough to stay. Only with
	// ZONAL_AFFINITY_SPILL_CROSS_ZONE. Default: `0`.
	SpilloverRatio float64 `toml:"spillover_ratio"`
}
