package http

import (
	"testing"
	"unsafe"
)

// Ten thousand idle clients are two megabytes.
func TestAnIdleClientIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(loopClient{}); n > 208 {
		t.Errorf("%d bytes", n)
	}
}
