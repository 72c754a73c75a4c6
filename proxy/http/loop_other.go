//go:build !linux

package http

import (
	"github.com/spillway-lb/spillway/balance"
	"github.com/spillway-lb/spillway/proxy"
)

func (*Engine) drainLoops() {}

func (*Engine) abortLoops() {}

func (*Engine) cutOnLoops(proxy.Doomed) {}

func (*Engine) surveyLoops(*proxy.Census) {}

func (*Pools) discardOneOnLoops([]balance.Candidate, any) bool { return false }

func (*Pools) retainOnLoops(func(*balance.Load) bool) {}
