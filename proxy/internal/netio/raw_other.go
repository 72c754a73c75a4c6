//go:build !linux

package netio

// raw is not in use on this platform: data goes through net.Conn.
type raw struct{ on bool }

func (*raw) attach(*Conn) {}

func (c *Conn) rawRead([]byte) (int, error)       { panic("netio: no raw calls") }
func (c *Conn) rawWrite(_, _ []byte) (int, error) { panic("netio: no raw calls") }
func (c *Conn) rawReceive(*Pool) (*Buffer, error) { panic("netio: no raw calls") }
func splice(_, _ *Conn, _ int64) (int64, error)   { return 0, ErrNoSplice }
func (c *Conn) rawPeek([]byte, int) (int, error)  { panic("netio: no raw calls") }
