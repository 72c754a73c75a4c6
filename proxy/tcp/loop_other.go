//go:build !linux

package tcp

func (*Engine) abortLoops() {}
