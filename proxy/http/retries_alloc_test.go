//go:build !race && !faults

package http_test

import (
	"testing"
	"time"
)

func TestRetryRulesAllocateNothing(t *testing.T) { eachDriver(t, retryRulesAllocateNothing) }

func retryRulesAllocateNothing(t *testing.T, d driver) {
	rule := everything
	rule.PerTryTimeout = 5 * time.Second
	b := d.start(t, []string{thrifty(t)}, quiet, retrying(rule))
	allocatesNothing(t, b, get(""))
}
