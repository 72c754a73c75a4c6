package relay

import (
	"errors"
	"io"
	"syscall"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// share is how many bytes a flow reads before others have their turn. The last
// read of a turn may go beyond it, by what a pipe holds.
const share = 256 << 10

// A flow is one direction of a Joint, and the hot path: what comes from src goes
// to dst at once, and src is read again when dst has taken everything. So no
// more is ever held for a slow dst than one buffer or pipe has room for.
type flow struct {
	joint     *Joint
	src, dst  *loop.Conn
	held      []byte        // read, and not yet taken by dst
	buffer    *netio.Buffer // that held is in; nil: early bytes, or none
	pipe      *sys.Pipe     // lent while it goes round
	inside    int           // bytes in pipe
	direction proxy.Direction
	big       uint8 // so many reads in a row were of bulk, up to bulkReads
	noSplice  bool  // the kernel cannot
	spliced   bool  // to dst, which may then have been reset without a word
	denied    bool  // held is of bulk, and had to be read for want of a pipe
	ended     bool  // src has ended, and dst was told
	reset     bool  // a write was told that dst had reset the connection
	done      bool  // nothing will be moved any more
	discards  bool  // and src is read for nobody
}

// run moves what can be moved now. It reports whether there may be more.
func (f *flow) run() (more bool) {
	moved := 0
	for !f.done && f.send() {
		if more = moved >= share; more {
			break
		}
		n, err := f.receive()
		if err != nil {
			f.srcEnded(err)
		}
		if n == 0 {
			break
		}
		moved += n
	}
	if f.pipe != nil && f.inside == 0 {
		f.pipe.Return(0)
		f.pipe = nil
		if moved > 0 && moved < bulkRead {
			f.big = 0 // the bulk is over; messages are cheaper to copy
		}
	}
	if f.discards {
		more = f.discard()
	}
	return more
}

// send passes on what is held. It reports whether dst has taken all of it.
func (f *flow) send() bool {
	switch {
	case f.inside > 0:
		f.spliced = true
		n, err := f.dst.DrainNow(f.pipe, f.inside)
		f.inside -= n
		f.count(proxy.Spliced, n)
		return f.sent(err, f.inside)
	case len(f.held) > 0:
		n, err := f.dst.WriteNow(f.held)
		f.held = f.held[n:]
		f.count(f.copying(), n)
		if len(f.held) == 0 {
			f.drop()
		}
		return f.sent(err, len(f.held))
	}
	return true
}

func (f *flow) sent(err error, left int) bool {
	if err != nil {
		f.deaf(err)
	}
	return err == nil && left == 0
}

// count adds to the counters that others read.
func (f *flow) count(path proxy.Path, n int) {
	if n > 0 {
		f.joint.stats.TCPBytes[f.direction][path].Add(uint64(n))
	}
}

// copying is the path of what is held.
func (f *flow) copying() proxy.Path {
	if f.denied {
		return proxy.CopiedDescriptors
	}
	return proxy.CopiedSmall
}

// receive takes what src has, if nothing is held. It reports how much that was.
func (f *flow) receive() (n int, err error) {
	f.denied = false
	if f.big == bulkReads && f.src.Readable() {
		n, err = f.fill()
		f.denied = f.pipe == nil
	}
	if f.pipe == nil && err == nil {
		n, err = f.read()
	}
	if j := f.joint; n > 0 && j.noteFirst && f == &j.down {
		j.first, j.noteFirst = j.client.Loop().Now(), false
	}
	return n, err
}

// fill takes what src has into a pipe. Where that cannot be, there is none.
func (f *flow) fill() (int, error) {
	if f.pipe == nil && !f.noSplice {
		f.pipe = sys.TakePipe()
	}
	if f.pipe == nil {
		return 0, nil
	}
	n, err := f.src.FillNow(f.pipe)
	if err == netio.ErrNoSplice {
		f.noSplice = true
		f.pipe.Return(0)
		f.pipe = nil
		return 0, nil
	}
	f.inside = n
	return n, err
}

// read takes what src has into a buffer.
func (f *flow) read() (int, error) {
	b, err := f.src.ReceiveNow(buffers)
	if b == nil {
		return 0, err
	}
	f.buffer, f.held = b, b.B
	if len(b.B) < bulkRead {
		f.big = 0
	} else if f.big < bulkReads {
		f.big++
	}
	return len(b.B), nil
}

// srcEnded passes on how src has ended. After an end in good order the other
// direction goes on.
func (f *flow) srcEnded(err error) {
	other := f.other()
	// The kernel tells of a reset once. If a write was told, reading finds an end.
	if err != io.EOF || other.reset || other.spliced && f.src.BrokenOff() {
		f.fail(other.blame())
		return
	}
	f.ended, f.done = true, true
	if !other.done { // else both are closed now anyway
		_ = f.dst.CloseWrite() // where dst is gone, its own flow finds out
	}
}

// lost reports whether src was reset while dst does not take what we hold, so
// that nobody would read the news.
func (f *flow) lost() bool {
	return !f.done && len(f.held)+f.inside > 0 && (f.other().reset || f.src.Reset())
}

// deaf is called when dst takes no more. What dst has sent before may still
// wait to be read, so nothing is closed yet: the other flow, which reads from
// dst, gets to the end by itself, and there learns from us how it ended.
func (f *flow) deaf(err error) {
	ended := f.other().ended
	switch {
	case errors.Is(err, syscall.ECONNRESET) && !ended:
		f.joint.blame(f.blame())
		f.reset = true
	case errors.Is(err, syscall.EPIPE) && f.blame() == ClientGone && !ended:
		f.joint.blame(ClientGone)
	case errors.Is(err, syscall.EPIPE) && f.blame() == EndpointReset:
		// The endpoint had closed its side in good order before it refused
		// ours (else the kernel says ECONNRESET): it had no more to say.
	default:
		f.fail(f.blame())
		return
	}
	f.stop()
	f.discards = true
}

// discard reads on once dst takes no more. The other flow may still hold what dst
// has sent before; and a src that first wants to be rid of what it says itself,
// such as an echo, would not take it, for ever.
func (f *flow) discard() (more bool) {
	for moved := 0; moved < share; {
		b, err := f.src.ReceiveNow(buffers)
		if b == nil {
			f.discards = err == nil
			return false
		}
		moved += len(b.B)
		b.Free()
	}
	return true
}

// fail ends both directions.
func (f *flow) fail(cause Cause) {
	f.joint.blame(cause)
	f.stop()
	f.other().stop()
}

// stop ends this direction, and forgets what it holds.
func (f *flow) stop() {
	f.done = true
	f.drop()
	if f.pipe != nil {
		f.pipe.Return(f.inside)
		f.pipe, f.inside = nil, 0
	}
}

// drop gives the buffer back.
func (f *flow) drop() {
	f.held = nil
	if f.buffer != nil {
		f.buffer.Free()
		f.buffer = nil
	}
}

func (f *flow) other() *flow {
	if j := f.joint; f == &j.down {
		return &j.up
	} else {
		return &j.down
	}
}

// blame is the cause if dst fails; if src fails it is other's.
func (f *flow) blame() Cause {
	if f.direction == proxy.FromClient {
		return EndpointReset
	}
	return ClientGone
}
