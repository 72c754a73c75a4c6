//go:build faults && linux

package sys

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Faulty says that calls come out badly on purpose. Whoever is told EAGAIN may
// not rely on being told of a change, for there may be none.
const Faulty = true

// Benign faults are what a kernel may do while all is well; there is one in so
// many calls. Harsh ones, which say that something has broken, are asked for.
const (
	oneInShort     = 4 // is whole; the others are short
	oneInDelayed   = 6
	oneInEINTR     = 8
	oneInNoSplice  = 32
	oneInPipe      = 4
	oneInAccept    = 8
	oneInLateEvent = 8
)

// dice is where all faults come from. Calls that are made in the same order
// after Seed get the same ones.
var dice struct {
	sync.Mutex
	*rand.Rand
	harsh int
	calm  int
}

// FirstSeed is what the process began with: SPILLWAY_FAULT_SEED, or chance.
var FirstSeed uint64

func init() {
	seed := uint64(rand.Uint32())
	if s := os.Getenv("SPILLWAY_FAULT_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			panic("SPILLWAY_FAULT_SEED is not a number: " + s)
		}
		seed = n
	}
	FirstSeed = seed
	Seed(seed)
	// "go test" shows it where a test has failed.
	fmt.Fprintf(os.Stderr, "faults: SPILLWAY_FAULT_SEED=%d\n", seed)
}

// Seed begins anew: the faults to come depend on seed and the calls.
func Seed(seed uint64) {
	dice.Lock()
	defer dice.Unlock()
	dice.Rand = rand.New(rand.NewPCG(seed, 0))
}

// Harsh makes one in n calls fail as if something had broken; 0: none.
func Harsh(n int) {
	dice.Lock()
	defer dice.Unlock()
	dice.harsh = n
}

// Calmly calls f without faults: for what cannot be tried again.
func Calmly(f func()) {
	calm(1)
	defer calm(-1)
	f()
}

func calm(n int) {
	dice.Lock()
	defer dice.Unlock()
	dice.calm += n
}

// once in n times it is true.
func once(n int) bool {
	dice.Lock()
	defer dice.Unlock()
	return dice.calm == 0 && dice.IntN(n) == 0
}

func pick[T any](from ...T) T {
	dice.Lock()
	defer dice.Unlock()
	return from[dice.IntN(len(from))]
}

// broken is one of errnos where something is to have broken.
func broken(errnos ...syscall.Errno) syscall.Errno {
	dice.Lock()
	defer dice.Unlock()
	if dice.harsh == 0 || dice.calm > 0 || dice.IntN(dice.harsh) > 0 {
		return 0
	}
	return errnos[dice.IntN(len(errnos))]
}

// fault may say how a call is to come out instead of being made.
func fault(op operation, fd int) syscall.Errno {
	switch op {
	case reading, filling:
		if errno := broken(syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EIO); errno != 0 {
			sever(fd)
			return errno
		}
		if op == filling && once(oneInNoSplice) {
			return syscall.EINVAL
		}
	case writing, draining:
		if errno := broken(syscall.EPIPE, syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EIO); errno != 0 {
			sever(fd)
			return errno
		}
	case accepting:
		if once(oneInAccept) {
			return pick(syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EAGAIN)
		}
		return 0
	case connecting:
		return broken(syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL)
	case connected:
		return broken(syscall.ECONNREFUSED, syscall.ETIMEDOUT)
	case registering:
		return broken(syscall.ENOMEM, syscall.ENOSPC)
	case shutting:
		return broken(syscall.ENOTCONN)
	case piping:
		if once(oneInPipe) {
			return syscall.EMFILE
		}
		return 0
	case sending:
		// Not by itself, for whoever is told so does not keep the datagram.
		return broken(syscall.EAGAIN, syscall.ENOBUFS, syscall.EPERM, syscall.ENETUNREACH)
	}
	if once(oneInDelayed) {
		return syscall.EAGAIN
	}
	return 0
}

// sever ends a connection in both directions: when one breaks, so does the other.
func sever(fd int) { _ = unix.Shutdown(fd, unix.SHUT_RDWR) }

// interrupted says that a signal comes before the call.
func interrupted() bool { return once(oneInEINTR) }

// slowConnect says that a connection that is made takes its time.
func slowConnect() bool { return once(2) }

// shorten makes most calls ask for fewer bytes than they could, often for one:
// every read and write then ends in the middle of something.
func shorten(n int) int {
	dice.Lock()
	defer dice.Unlock()
	switch {
	case dice.calm > 0:
		return n
	case dice.IntN(oneInShort) == 0:
		return n
	case dice.IntN(oneInShort) == 0:
		return min(n, 1)
	default:
		return min(n, 1+dice.IntN(1+min(n, 64)))
	}
}

// withheld is what an epoll descriptor has said and nobody was told yet.
type withheld struct {
	late []unix.EpollEvent
}

// Withholds reports whether there is more than Ask has told.
func (w *withheld) Withholds() bool { return len(w.late) > 0 }

// room is for how many events the kernel may be asked, of n.
func (w *withheld) room(n int) int { return n - len(w.late) }

// stir adds to the first n events those that are late, keeps some back, tells of
// others in two pieces, and says of some that there is something to read where
// nothing is. It never keeps back all: then nobody would ask for them.
func (w *withheld) stir(events []unix.EpollEvent, n int) int {
	n += copy(events[n:], w.late)
	w.late = w.late[:0]
	for i := n - 1; i >= 0 && len(w.late) < len(events)/2; i-- {
		e := &events[i]
		switch {
		case n > 1 && once(oneInLateEvent):
			w.late = append(w.late, *e)
			n--
			events[i] = events[n]
		case e.Events != unix.EPOLLIN && e.Events != unix.EPOLLOUT && once(oneInLateEvent):
			later := *e
			later.Events &^= unix.EPOLLIN
			w.late = append(w.late, later)
			e.Events &= unix.EPOLLIN
		case once(oneInLateEvent):
			e.Events |= unix.EPOLLIN
		}
	}
	return n
}
