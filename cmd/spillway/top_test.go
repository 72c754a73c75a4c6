package main

import "testing"

func TestTopWantsAProxyAndATerminal(t *testing.T) {
	spillway(t, "top", "--json").want(t, exitUsage, "status --json")
	spillway(t, "top", "--interval", "1ms").want(t, exitUsage, "100ms")
	spillway(t, "top", "--admin", "127.0.0.1:1").want(t, exitUnreachable, "cannot be reached")
}
