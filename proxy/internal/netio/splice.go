package netio

import "errors"

// ErrNoSplice is returned by Splice where the kernel cannot move the bytes by
// itself: another platform, a connection that is not a plain socket, no file
// descriptors left for a pipe. What was not moved is still to be read from the
// source, so the caller copies.
var ErrNoSplice = errors.New("netio: cannot splice")

// Splice moves n bytes from src to dst, or all until the end of src where n is
// negative, inside the kernel. It is the reader of src and the writer of dst
// meanwhile, and honours the deadlines of both.
//
// moved is what dst has taken. A src that ends before n bytes is
// io.ErrUnexpectedEOF. An error of dst is one that WriteFailed knows; bytes on
// their way are lost with it. ErrNoSplice asks the caller to copy the rest,
// n - moved bytes; moved is 0 then, unless it was possible until then.
func Splice(dst, src *Conn, n int64) (moved int64, err error) {
	if !dst.raw.on || !src.raw.on {
		return 0, ErrNoSplice
	}
	if n == 0 {
		return 0, nil
	}
	return splice(dst, src, n)
}

// CanSplice reports whether c is a plain socket on a platform with splice(2).
func (c *Conn) CanSplice() bool { return c.raw.on }
