package discovery_test

import (
	"testing"

	"github.com/spillway-lb/spillway/internal/testkit"
)

func TestMain(m *testing.M) { testkit.LeakCheck(m) }
