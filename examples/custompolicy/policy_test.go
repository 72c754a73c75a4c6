package main

import (
	"testing"

	"github.com/spillway-lb/spillway/balance/balancetest"
)

func TestLeastFailingKeepsThePromisesOfAPolicy(t *testing.T) {
	balancetest.Run(t, LeastFailing)
}
