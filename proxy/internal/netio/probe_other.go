//go:build !unix

package netio

// This platform is not asked. So no connection counts as idle, and each is used
// for one exchange only: slower, and never wrong.

const canProbe = false

func (c *Conn) idle() bool   { return false }
func (c *Conn) gone() bool   { return false }
func (c *Conn) broken() bool { return false }

func (c *Conn) brokenOff(int64) bool { return false }
