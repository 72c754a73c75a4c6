//go:build !linux

package tcp

import "github.com/spillway-lb/spillway/proxy"

func (*Engine) abortLoops() {}

func (*Engine) cutOnLoops(proxy.Doomed) {}

func (*Engine) surveyLoops(*proxy.Census) {}
