//go:build linux && !race

package main

import "testing"

func TestMeasuringAllocatesNothing(t *testing.T) {
	var h histogram
	if n := testing.AllocsPerRun(100, func() { h.add(12345) }); n != 0 {
		t.Errorf("histogram.add allocates %v times", n)
	}
	var sizer responseSizer
	response := canned(128)
	if n := testing.AllocsPerRun(100, func() { _, _ = sizer.sizeOf(response) }); n != 0 {
		t.Errorf("sizeOf allocates %v times for a head that it knows", n)
	}
}
