//go:build !unix

package netio

func (c *Conn) idle() bool   { return false }
func (c *Conn) gone() bool   { return false }
func (c *Conn) broken() bool { return false }
