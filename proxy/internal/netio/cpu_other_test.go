//go:build !unix

package netio

func cpu() int64 { return 0 }
