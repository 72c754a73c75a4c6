package metrics_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestGroupsWithoutAModeHaveNoCapacityToShow(t *testing.T) {
	for _, name := range []string{"capacity", "usage", "fullness", "share_expected", "share_actual"} {
		if n := testutil.CollectAndCount(collectorOf(web(t)), "spillway_group_"+name); n != 0 {
			t.Errorf("%d series of group_%s, want none", n, name)
		}
	}
}
