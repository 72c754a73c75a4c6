//go:build !linux

package http

import "github.com/spillway-lb/spillway/balance"

func (*Engine) drainLoops() {}

func (*Engine) abortLoops() {}

func (*Pools) retainOnLoops(func(*balance.Load) bool) {}
