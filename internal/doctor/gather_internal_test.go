package doctor

import (
	"testing"

	"github.com/spillway-lb/spillway/internal/admin"
)

func TestWhoIsKnownToBeIllIsNotProbed(t *testing.T) {
	var endpoints []admin.EndpointStatus
	for _, health := range []string{"HEALTHY", "UNKNOWN", "UNHEALTHY", "TIMEOUT"} {
		for _, word := range []string{"READY", "DRAIN"} {
			endpoints = append(endpoints, admin.EndpointStatus{ID: health + " " + word, Address: "192.0.2.1:80", Health: health, Admin: word})
		}
	}
	r := Reading{Services: []admin.ServiceStatus{{Name: "web", Protocol: "HTTP", Groups: []admin.GroupStatus{{Endpoints: endpoints}}}}}
	var got []string
	for _, t := range new(Facts).targets(&r) {
		got = append(got, t.Endpoint)
	}
	// UNKNOWN: a doctor may come before the first check does.
	if len(got) != 2 || got[0] != "HEALTHY READY" || got[1] != "UNKNOWN READY" {
		t.Errorf("probed are %q", got)
	}
}
