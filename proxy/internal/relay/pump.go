package relay

import (
	"errors"
	"io"
	"math"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
)

const (
	bufferSize = 64 << 10
	// bulkRead is what a read brings when somebody sends as fast as they can,
	// and bulkReads such reads in a row make a stream worth a pipe. Below that
	// a copy is cheaper than the handling of pages.
	bulkRead  = bufferSize / 2
	bulkReads = 3
	// verdict is how long a write that has failed may take to say so, on a
	// machine that has other things to do.
	verdict = 500 * time.Millisecond
)

var buffers = netio.NewPool(bufferSize)

// A pump moves bytes in one direction. This file is the hot path: per
// message it is one read, one write, and no word to anybody else. Who wants to
// know how far it has come looks at the connections' own counters (watch.go).
type pump struct {
	relay    *Relay
	src, dst *netio.Conn
	blame    Cause // the cause if dst fails; if src fails it is other's
	other    *pump
	early    []byte // what goes first
	base     int64  // bytes that dst had taken before

	ended    atomic.Bool // src has ended, and dst was told or is about to be
	reset    atomic.Bool // a write was told that dst had reset the connection
	done     atomic.Bool // dst will get nothing more
	discards atomic.Bool // and src is read for nobody
	first    time.Time   // when the first bytes came, if somebody will ask

	// Of the bytes that dst has taken, those from spliceFrom up to spliceTo
	// were spliced.
	spliceFrom, spliceTo atomic.Int64
	path                 atomic.Uint32 // why the rest was copied: a proxy.Path
}

func (p *pump) init() {
	p.path.Store(uint32(proxy.CopiedSmall))
	p.base = p.dst.Sent()
	p.spliceFrom.Store(math.MaxInt64)
	p.spliceTo.Store(math.MaxInt64)
}

// run moves bytes until src ends or something fails, and passes on what happened.
func (p *pump) run() {
	err := p.sendEarly()
	if err == nil {
		err = p.copy()
	}
	if err == errBulk {
		err = p.splice()
	}
	switch {
	case err == io.EOF && p.wasReset():
		p.relay.Cut(p.other.blame)
	case err == io.EOF:
		p.finish()
	case netio.WriteFailed(err):
		p.deaf(err)
		p.done.Store(true)
		p.discard()
	default:
		p.relay.Cut(p.other.blame)
	}
	p.done.Store(true)
	if p.other.discards.Load() {
		p.relay.end() // it did so for our sake
	}
}

// sendEarly sends what was read before the relay began.
func (p *pump) sendEarly() error {
	if len(p.early) == 0 {
		return nil
	}
	_, err := p.dst.Write(p.early)
	p.early = nil
	return err
}

// errBulk says that it is time to splice.
var errBulk = errors.New("relay: bulk")

// copy moves messages through user memory. A buffer is held only while there
// is something in it.
func (p *pump) copy() error {
	splicing := p.src.CanSplice() && p.dst.CanSplice()
	timed := p.relay.opt.NoteFirst
	for big := 0; ; {
		b, err := p.src.Receive(buffers)
		if err != nil {
			return err
		}
		if timed {
			p.first, timed = time.Now(), false
		}
		n := len(b.B)
		_, err = p.dst.Write(b.B)
		b.Free()
		if err != nil {
			return err
		}
		if n < bulkRead {
			big = 0
		} else if big++; big >= bulkReads {
			if splicing && p.spliceFrom.Load() == math.MaxInt64 {
				return errBulk
			}
			p.path.Store(uint32(p.whyCopied()))
		}
	}
}

// splice moves the rest of the stream inside the kernel, or, if that turns out
// to be impossible, copies after all.
func (p *pump) splice() error {
	p.spliceFrom.Store(p.dst.Sent())
	_, err := netio.Splice(p.dst, p.src, -1)
	p.spliceTo.Store(p.dst.Sent())
	switch err {
	case nil:
		return io.EOF
	case netio.ErrNoSplice:
		p.path.Store(uint32(proxy.CopiedDescriptors))
		return p.copy()
	}
	return err
}

func (p *pump) whyCopied() proxy.Path {
	switch {
	case runtime.GOOS != "linux":
		return proxy.CopiedPlatform
	case !p.src.CanSplice() || !p.dst.CanSplice():
		return proxy.CopiedNoSocket
	}
	return proxy.CopiedDescriptors
}

// finish passes the end of src on. The other direction goes on.
func (p *pump) finish() {
	p.ended.Store(true)
	if errors.Is(p.dst.CloseWrite(), errors.ErrUnsupported) {
		p.relay.end() // the only way to tell dst is to close it
	}
}

// deaf is called when dst takes no more. What dst has sent before may still
// wait to be read, so nothing is closed yet: the other pump, which reads from
// dst, gets to the end by itself, and there learns from us how it ended.
func (p *pump) deaf(err error) {
	ended := p.other.ended.Load()
	switch {
	case errors.Is(err, syscall.ECONNRESET) && !ended:
		p.relay.note(p.blame)
		p.reset.Store(true)
	case errors.Is(err, syscall.EPIPE) && p.blame == ClientGone && !ended:
		p.relay.note(ClientGone)
	case errors.Is(err, syscall.EPIPE) && p.blame == EndpointReset:
		// The endpoint had closed its side in good order before it refused
		// ours (else the kernel says ECONNRESET): it had no more to say.
		if ended {
			p.relay.end()
		}
	default:
		p.relay.Cut(p.blame)
	}
}

// discard reads on once dst takes no more, until the other pump is done. That one
// may still hold what dst has sent before; and a src that first wants to be rid
// of what it says itself, such as an echo, would not take it, for ever.
func (p *pump) discard() {
	p.discards.Store(true)
	for !p.other.done.Load() {
		b, err := p.src.Receive(buffers)
		if err != nil {
			return
		}
		b.Free()
	}
}

// wasReset reports whether the end of src was in truth a reset. The kernel
// tells of a reset once, to whoever comes first. If that was the other pump's
// write, our read gets an end, and the other pump is about to say so. The other
// explanation is an end in good order and then a reset, because src was written
// to after it had closed; then nobody says anything, and we wait in vain.
func (p *pump) wasReset() bool {
	if p.other.ended.Load() || !p.src.Broken() {
		return false
	}
	if p.src.BrokenOff() {
		return true // whoever was told
	}
	for end := time.Now().Add(verdict); !p.other.reset.Load() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return p.other.reset.Load()
}
