package http_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
)

func abortEndsAConnectToAName(t *testing.T, d driver) { abortEndsAConnectByName(t, d, silentPort(t)) }

func urgentBytesOfAClientHoldNothingUp(t *testing.T, d driver) {
	urgentBytesHoldNothingUp(t, d, func(c *net.TCPConn, s string) {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if err := unix.Sendto(int(fd), []byte(s), unix.MSG_OOB, nil); err != nil {
				t.Error(err)
			}
		})
	})
}

// oneLoop is the Loop driver with one loop, which hold keeps from turning.
func oneLoop(loops **proxy.Loops) driver {
	return driver{name: "one loop", choose: func(t *testing.T, o *proxyhttp.Options) {
		ls, err := proxy.NewLoops(1, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { ls.Run(ctx) })
		t.Cleanup(func() { cancel(); running.Wait() })
		o.Loops, *loops = ls, ls
	}, pools: 1}
}

// Requests that need no endpoint never wait for anything, and a client can send
// them faster than they are answered.
func TestAClientWithManyRequestsLetsOthersHaveTheirTurn(t *testing.T) {
	var loops *proxy.Loops
	b := oneLoop(&loops).start(t, nil, withRoute(func(r *proxy.Route) {
		r.Actions = &proxy.Actions{Fixed: &proxy.FixedResponse{Status: 204}}
	}))
	many, one := b.dial(), b.dial()
	for _, c := range []*rawClient{many, one} { // to be accepted may take its time
		readHead(c.send(get("")).r)
	}
	held, release := make(chan bool), make(chan bool)
	loops.All()[0].Post(func() { close(held); <-release })
	<-held
	const requests = 3000
	go io.WriteString(many, strings.Repeat("GET /many HTTP/1.1\r\nHost: a\r\n\r\n", requests))
	read := make(chan int)
	go func() {
		n := 0
		for n < requests {
			if readHead(many.r) == "" {
				break
			}
			n++
		}
		read <- n
	}()
	one.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n")
	close(release)
	readHead(one.r)
	if n := <-read; n != requests {
		t.Fatalf("%d answers", n)
	}
	b.end()
	before, _, _ := strings.Cut(b.access.String(), "/one")
	if n := strings.Count(before, "/many"); n > requests/3 {
		t.Errorf("%d requests of one client came before the only one of another", n)
	}
}

// A proxy that had no processor for a while finds the answer and the client's end at the
// same time. Who has said all is answered then, and not taken for one who has left.
func TestAnAnswerThatIsHereIsGivenToWhoHasSaidAll(t *testing.T) {
	for !answeredWhileTheLoopStoodStill(t) {
	}
}

// answeredWhileTheLoopStoodStill reports false if it took so long to stop the loop that
// it may have looked for the client before there was an answer.
func answeredWhileTheLoopStoodStill(t *testing.T) bool {
	const look = 250 * time.Millisecond
	var loops *proxy.Loops
	asked, answer := make(chan bool), make(chan bool)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHead(r)
		asked <- true
		<-answer
		io.WriteString(c, ok)
		answer <- true
		io.Copy(io.Discard, r)
	})
	b := oneLoop(&loops).start(t, []string{addr})
	began := time.Now()
	c := b.dial().send(get(""))
	c.CloseWrite()
	<-asked
	held, release := make(chan bool), make(chan bool)
	loops.All()[0].Post(func() { close(held); <-release })
	<-held
	inTime := time.Since(began) < look
	answer <- true
	<-answer
	time.Sleep(look + look/5)
	close(release)
	if inTime {
		c.expect(ok)
		c.end()
	}
	return inTime
}

// A logger that fails is no reason for a drain never to end.
func TestAPanicInTheLogKeepsNoConnection(t *testing.T) {
	var loops *proxy.Loops
	d := oneLoop(&loops)
	choose := d.choose
	d.choose = func(t *testing.T, o *proxyhttp.Options) {
		choose(t, o)
		o.Log = slog.New(panicking{o.Log.Handler()})
	}
	b := d.start(t, []string{closedPort(t)}, withService(func(s *proxy.Service) { s.Stats = nil }))
	b.dial().send(get("")).closed()
	b.stop()
}

type panicking struct{ slog.Handler }

func (panicking) Handle(context.Context, slog.Record) error { panic("log") }

// Engines may share loops and pools, and end on their own.
func TestAnAbortLeavesTheOthersOnTheLoopAlone(t *testing.T) {
	var loops *proxy.Loops
	e := answer(t, ok)
	d := oneLoop(&loops)
	a := d.start(t, []string{e.addr})
	d.choose = func(_ *testing.T, o *proxyhttp.Options) { o.Loops, o.Pools = loops, a.pools }
	b := d.start(t, []string{e.addr})
	ca, cb := a.dial(), b.dial()
	ca.send(get("")).expect(ok)
	cb.send(get("")).expect(ok)
	a.engine.Abort()
	a.stop()
	ca.all()
	cb.send(get("")).expect(ok)
	testkit.Eventually(t, func() bool { return e.requests.Load() == 3 })
}
