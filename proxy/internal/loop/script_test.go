//go:build linux

package loop_test

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/proxy/internal/loop"
	"github.com/spillway-lb/spillway/proxy/internal/netio"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// A script is a random play on one loop: sessions, each of which relays between
// two socket pairs, and their peers, of which each turn one does something. All
// of it happens on the loop's goroutine and all chance comes from one seed, so a
// seed is played the same way each time. No clock is asked: a play that has not
// ended after so many turns hangs.
type script struct {
	*stage
	seed     uint64
	dice     *rand.Rand
	rude     bool // peers reset, and tasks are interrupted
	sessions []*session
	log      []string // the last things that happened
	trace    uint64   // of all that happened
	turns    int
	over     chan struct{}
}

const maxTurns = 1 << 20

// A session relays between a client and a server, or has no server and echoes.
type session struct {
	*script
	c, s      loop.Conn
	near, far peer
	loner     *scripted // nil: there are two tasks
	tasks     int
	errs      []error
}

// A peer is the far end of a connection.
type peer struct {
	fd         int // -1: closed
	out        int // bytes sent
	size       int // that it wants to send
	in         int // bytes received
	from       uint64
	to         uint64
	shut, done bool // has sent, or seen, the end
}

// play plays one script.
func play(t *testing.T, s *stage, seed uint64, rude bool) *script {
	for sys.IdlePipes() > 0 { // or it would depend on what was played before
		sys.TakePipe().Return(1)
	}
	p := &script{stage: s, seed: seed, rude: rude, dice: rand.New(rand.NewPCG(seed, 2)), over: make(chan struct{})}
	for range 1 + p.dice.IntN(3) {
		p.sessions = append(p.sessions, p.newSession(t))
	}
	s.do(func() { p.curtain(8) })
	<-p.over
	if t.Failed() {
		t.Logf("seed %d, rude %v, after:", seed, rude)
		for _, line := range p.log {
			t.Log("  ", line)
		}
	}
	return p
}

// curtain begins after some turns, when nothing is heard any more of how the
// sessions were made.
func (p *script) curtain(turns int) {
	if turns > 0 {
		p.AtNextTurn(func() { p.curtain(turns - 1) })
		return
	}
	reseed(p.seed)
	for _, x := range p.sessions {
		x.begin()
	}
	p.AtNextTurn(p.turn)
}

func (p *script) newSession(t *testing.T) *session {
	x := &session{script: p}
	size := func() int { return p.dice.IntN(1 << p.dice.IntN(16)) }
	x.near = peer{size: size(), to: p.dice.Uint64(), from: p.dice.Uint64()}
	x.far = peer{size: size(), to: x.near.from, from: x.near.to}
	x.near.fd = x.attach(t, &x.c)
	x.far.fd = x.attach(t, &x.s)
	return x
}

func (x *session) attach(t *testing.T, c *loop.Conn) (far int) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	if x.dice.IntN(2) == 0 { // little room: writes are short
		unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
		unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
	}
	x.do(func() { x.Attach(c, fds[0], nil) })
	return fds[1]
}

func (x *session) begin() {
	if x.dice.IntN(4) == 0 { // a handler without a task
		x.loner = &scripted{x: x}
		x.far.size, x.far.done, x.far.shut = 0, true, true
		unix.Close(x.far.fd)
		x.far.fd = -1
		x.s.Close()
		x.near.from = x.near.to
		x.tasks++
		x.c.Handle(x.loner)
		x.loner.Ready()
		return
	}
	x.tasks = 2
	x.Go(&oneWay{x, &x.s, &x.c, x.dice.IntN(2) == 0})
	x.Go(&oneWay{x, &x.c, &x.s, x.dice.IntN(2) == 0})
}

// scripted echoes without a task.
type scripted struct {
	x    *session
	held *netio.Buffer
	rest []byte
}

func (e *scripted) Ready() {
	for {
		n, err := e.x.c.WriteNow(e.rest)
		e.rest = e.rest[n:]
		if err == nil && len(e.rest) > 0 {
			return
		}
		if e.held != nil {
			e.held.Free()
			e.held, e.rest = nil, nil
		}
		if err == nil {
			e.held, err = e.x.c.ReceiveNow(buffers)
		}
		if err != nil {
			if e.x.tasks > 0 {
				e.x.ended(err)
			}
			return
		}
		if e.held == nil {
			return
		}
		e.rest = e.held.B
	}
}

// oneWay relays one direction.
type oneWay struct {
	*session
	dst, src *loop.Conn
	splice   bool
}

func (w *oneWay) Run() {
	err := w.move()
	if err == nil {
		err = w.dst.CloseWrite()
	}
	w.ended(err)
}

func (w *oneWay) Panicked(v any, stack []byte) {
	w.t.Errorf("panic: %v\n%s", v, stack)
	w.ended(io.ErrNoProgress)
}

func (w *oneWay) move() error {
	for {
		if w.splice {
			if _, err := loop.Splice(w.dst, w.src, -1); err != netio.ErrNoSplice {
				return err
			}
		}
		b, err := w.src.Receive(buffers)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		k := w.dice.IntN(len(b.B) + 1)
		_, err = w.dst.WriteBuffers(b.B[:k], b.B[k:])
		b.Free()
		if err != nil {
			return err
		}
	}
}

// ended is called by each direction. After an error neither goes on.
func (x *session) ended(err error) {
	x.tasks--
	if err != nil && err != io.EOF {
		x.errs = append(x.errs, err)
	}
	if x.tasks == 0 || len(x.errs) > 0 {
		x.c.Close()
		x.s.Close()
	}
}

// turn is called each turn.
func (p *script) turn() {
	p.turns++
	if p.turns > maxTurns {
		p.t.Errorf("hangs: %v", p.log)
		for _, x := range p.sessions {
			p.t.Errorf("near %+v, far %+v, %d tasks, %v", x.near, x.far, x.tasks, x.errs)
			x.c.Close()
			x.s.Close()
			x.tasks = 0
		}
	}
	going := false
	for _, x := range p.sessions {
		going = going || x.tasks > 0
	}
	if !going {
		p.end()
		return
	}
	x := p.sessions[p.dice.IntN(len(p.sessions))]
	near := p.dice.IntN(2) == 0
	act := &x.near
	if !near {
		act = &x.far
	}
	switch n := p.dice.IntN(8); {
	case p.rude && p.dice.IntN(400) == 0:
		p.disturb(x, act)
	case act.fd < 0 || n < 1: // it is slow
	case n < 4:
		p.note(x, near, "sends", act.send(p.dice))
	default:
		p.note(x, near, "reads", act.receive(p.t, p.dice))
	}
	p.AtNextTurn(p.turn)
}

// disturb does what peers and our own side may do at any time.
func (p *script) disturb(x *session, act *peer) {
	c := []*loop.Conn{&x.c, &x.s}[p.dice.IntN(2)]
	switch p.dice.IntN(6) {
	case 0, 1:
		p.note(x, act == &x.near, "closes", 0) // a reset, if there is something unread
		act.close()
	case 2:
		p.note(x, c == &x.c, "is interrupted", 0)
		c.Interrupt()
	case 3:
		p.note(x, c == &x.c, "is nudged", 0)
		c.Nudge()
	case 4:
		p.note(x, c == &x.c, "is closed", 0)
		x.errs = append(x.errs, net.ErrClosed)
		c.Close()
	case 5:
		act.size = act.out // it sends no more, and that in the middle
	}
	if x.loner != nil && x.tasks > 0 {
		x.loner.Ready() // nobody else looks
	}
}

// byteAt is what a stream has at a place.
func byteAt(stream uint64, at int) byte {
	return byte((stream + uint64(at)) * 0x9e3779b97f4a7c15 >> 56)
}

func (a *peer) send(dice *rand.Rand) int {
	if a.shut {
		return -1
	}
	n := min(a.size-a.out, []int{1, 1 + dice.IntN(100), 1 + dice.IntN(1<<16)}[dice.IntN(3)])
	if n == 0 {
		a.shut = true
		unix.Shutdown(a.fd, unix.SHUT_WR)
		return 0
	}
	p := make([]byte, n)
	for i := range p {
		p[i] = byteAt(a.to, a.out+i)
	}
	k, err := unix.SendmsgN(a.fd, p, nil, nil, unix.MSG_NOSIGNAL)
	if err == unix.EAGAIN {
		return -2
	}
	if err != nil {
		a.shut = true
		return -3
	}
	a.out += k
	return k
}

func (a *peer) receive(t *testing.T, dice *rand.Rand) int {
	if a.done {
		return -1
	}
	p := make([]byte, []int{1, 1 + dice.IntN(100), 1 << 16}[dice.IntN(3)])
	n, err := unix.Read(a.fd, p)
	switch {
	case err == unix.EAGAIN:
		return -2
	case err != nil || n == 0:
		a.done = true
		return 0
	}
	for i, b := range p[:n] {
		if b != byteAt(a.from, a.in+i) {
			t.Errorf("byte %d is wrong", a.in+i)
			break
		}
	}
	a.in += n
	return n
}

// readable waits for something to read for so many milliseconds.
func readable(fd, ms int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, ms)
	return n > 0 || err == unix.EINTR
}

func (a *peer) close() {
	if a.fd >= 0 {
		unix.Close(a.fd)
		a.fd, a.shut, a.done = -1, true, true
	}
}

func (p *script) note(x *session, near bool, what string, n int) {
	h := fnv.New64a()
	fmt.Fprint(h, p.trace, near, what, n)
	p.trace = h.Sum64()
	name := "server"
	if near {
		name = "client"
	}
	for i := range p.sessions {
		if p.sessions[i] == x {
			name = fmt.Sprint(i, " ", name)
		}
	}
	if len(p.log) > 40 {
		p.log = p.log[1:]
	}
	p.log = append(p.log, fmt.Sprintf("%d: %s %s %d", p.turns, name, what, n))
}

// end is called when all tasks have ended.
func (p *script) end() {
	for _, x := range p.sessions {
		for _, a := range []*peer{&x.near, &x.far} {
			for a.fd >= 0 && !a.done {
				// A busy kernel may need a moment to bring the end.
				if a.receive(p.t, p.dice) == -2 && !readable(a.fd, 5000) {
					p.t.Error("a connection is open whose session has ended")
					break
				}
			}
			a.close()
		}
		if !x.c.Gone() || !x.s.Gone() {
			p.t.Error("a connection is left")
		}
		if p.rude || harshly {
			continue
		}
		want := x.near.size
		if x.near.from == x.near.to {
			if x.near.in != want {
				p.t.Errorf("%d of %d bytes came back, %v", x.near.in, want, x.errs)
			}
		} else if x.far.in != want || x.near.in != x.far.size {
			p.t.Errorf("%d of %d and %d of %d bytes came, %v", x.far.in, want, x.near.in, x.far.size, x.errs)
		}
		if len(x.errs) > 0 {
			p.t.Error(x.errs)
		}
	}
	close(p.over)
}

func TestEveryByteComesWhateverTheKernelDoes(t *testing.T) {
	s := newStage(t)
	first := firstSeed()
	for i := range uint64(300) {
		if play(t, s, first+i, false); t.Failed() {
			return
		}
	}
}

func TestNothingIsLeftAfterRudePeers(t *testing.T) {
	s := newStage(t)
	first := firstSeed()
	for i := range uint64(1000) {
		if play(t, s, first+i, true); t.Failed() {
			return
		}
	}
	// No tasks, connections or pipes: the end does not wait, and LeakCheck counts.
	s.end()
}

func TestAPlayIsTheSameEachTime(t *testing.T) {
	s := newStage(t)
	first := firstSeed()
	for i := range uint64(30) {
		same := func() bool {
			a, b := play(t, s, first+i, true), play(t, s, first+i, true)
			return a.trace == b.trace && a.turns == b.turns
		}
		// On a busy machine the kernel may tell of an event a turn later.
		tries := 1
		for ; tries <= 3 && !same(); tries++ {
		}
		if tries > 3 {
			t.Errorf("seed %d is played differently each time", first+i)
		}
	}
}
