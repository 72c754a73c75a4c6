package balance_test

import (
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.SetUnderRace("rapid.checks", "30")
	testkit.LeakCheck(m)
}
