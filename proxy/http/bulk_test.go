package http_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
)

// A framing is how a message says where its body ends.
type framing struct {
	name  string
	field func(n int64) string
	write func(w io.Writer, body io.Reader)
}

var (
	byLength = framing{"length", func(n int64) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }, copyTo}
	byChunks = framing{"chunks", func(int64) string { return "Transfer-Encoding: chunked\r\n" }, writeChunks}
	byClose  = framing{"close", func(int64) string { return "" }, copyTo}
)

var framings = []framing{byLength, byChunks, byClose}

func copyTo(w io.Writer, body io.Reader) { io.Copy(w, body) }

// writeChunks cuts body into chunks of any size, some too large for any buffer.
func writeChunks(w io.Writer, body io.Reader) {
	rng := rand.New(rand.NewPCG(1, 2))
	buf := chunks.Get().(*[1 << 18]byte)
	defer chunks.Put(buf)
	for {
		n, err := io.ReadFull(body, buf[:1+rng.IntN(1<<rng.IntN(19))])
		if n > 0 {
			fmt.Fprintf(w, "%x\r\n%s\r\n", n, buf[:n])
		}
		if err != nil {
			io.WriteString(w, "0\r\n\r\n")
			return
		}
	}
}

var chunks = sync.Pool{New: func() any { return new([1 << 18]byte) }}

// bulk is how long the longest bodies are: no sockets on the way hold that much.
const bulk = 24 << 20

// noise is made once, and every body is a part of it: made and added up for each of
// them again, they would cost more than what brings them.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, bulk+256*4001)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
})

// random is a body of n bytes, at most bulk, which no other seed's has where it has
// them.
func random(n int64, seed byte) []byte { return noise()[int(seed)*4001:][:n] }

// source reads them, and has no other way to be copied.
func source(n int64, seed byte) io.Reader {
	return struct{ io.Reader }{bytes.NewReader(random(n, seed))}
}

// An arrival is how many bytes came, and whether they were all that was sent.
type arrival struct {
	n     int64
	whole bool
}

// arrives reads until r ends, which is to have random's n bytes.
func arrives(r io.Reader, n int64, seed byte) (got arrival) {
	want, buf := random(n, seed), make([]byte, 32<<10)
	same := true
	for err := error(nil); err == nil; {
		var m int
		m, err = r.Read(buf)
		same = same && bytes.HasPrefix(want, buf[:m])
		if same {
			want = want[m:]
		}
		got.n += int64(m)
	}
	got.whole = same && len(want) == 0
	return got
}

// heldBack reads as body does, and waits before the last byte.
type heldBack struct {
	body io.Reader
	left int64
	wait func()
}

func (h *heldBack) Read(p []byte) (int, error) {
	if h.left <= 1 {
		h.wait()
	} else {
		p = p[:min(int64(len(p)), h.left-1)]
	}
	n, err := h.body.Read(p)
	h.left -= int64(n)
	return n, err
}

func bodiesOfEverySizeAndFramingArriveUnchanged(t *testing.T, d driver) {
	uploads := make(chan arrival, 1)
	addr := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			req, err := nethttp.ReadRequest(r)
			if err != nil {
				return
			}
			var down string
			var n int64
			fmt.Sscanf(req.URL.Path, "/%d/%s", &n, &down)
			how := framings[slices.IndexFunc(framings, func(f framing) bool { return f.name == down })]
			var up sync.WaitGroup
			up.Go(func() { uploads <- arrives(req.Body, n, 1) })
			if n == 0 {
				up.Wait()
			}
			// The end of the response is that of the exchange, so it waits.
			io.WriteString(c, "HTTP/1.1 200 OK\r\n"+how.field(n)+"\r\n")
			how.write(c, &heldBack{source(n, 2), n, up.Wait})
			if down == byClose.name {
				return
			}
		}
	})
	b := d.start(t, []string{addr}, withService(func(s *proxy.Service) { s.Timeout = time.Minute }))
	exchange := func(up, down framing, n int64) {
		c := b.dial()
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		var sending sync.WaitGroup
		sending.Go(func() {
			fmt.Fprintf(c, "POST /%d/%s HTTP/1.1\r\nHost: a\r\n%s\r\n", n, down.name, up.field(n))
			up.write(c, source(n, 1))
		})
		resp, err := nethttp.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatalf("%d bytes by %s, by %s back: %v", n, up.name, down.name, err)
		}
		got := arrives(resp.Body, n, 2)
		sending.Wait()
		if resp.StatusCode != 200 || !got.whole {
			t.Errorf("%d bytes by %s: %d, and other %d bytes came to the client", n, down.name, resp.StatusCode, got.n)
		}
		if got := <-uploads; !got.whole {
			t.Errorf("%d bytes by %s: other %d bytes came to the endpoint", n, up.name, got.n)
		}
	}
	for _, n := range []int64{0, 1, 70_000, 1 << 20} {
		for _, up := range framings[:2] {
			for _, down := range framings {
				exchange(up, down, n)
			}
		}
	}
	exchange(byLength, byLength, bulk)
	exchange(byChunks, byChunks, bulk)
	exchange(byLength, byClose, bulk)
}

// mirror answers a request with its target and body, framed as the target says.
func mirror(t *testing.T) string {
	return scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			req, err := nethttp.ReadRequest(r)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			reply := req.RequestURI + string(body)
			how := framings[len(req.RequestURI)%len(framings)]
			w := bufio.NewWriter(c)
			fmt.Fprintf(w, "HTTP/1.1 200 OK\r\n%s\r\n", how.field(int64(len(reply))))
			how.write(w, strings.NewReader(reply))
			if w.Flush() != nil || how.name == byClose.name {
				return
			}
		}
	})
}

func noResponseIsAnotherClients(t *testing.T, d driver) {
	b := d.start(t, []string{mirror(t), mirror(t), mirror(t)})
	var clients sync.WaitGroup
	for i := range 50 {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			for n := 0; n < 40; {
				c, err := b.connect()
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(time.Minute))
				for r := bufio.NewReader(c); n < 40; n++ {
					if keep, err := askMirror(c, r, rng, fmt.Sprintf("/%d/%d/", i, n)); err != nil {
						t.Errorf("client %d, request %d: %v", i, n, err)
						n = 40
					} else if !keep {
						n++
						break
					}
				}
				c.Close()
			}
		})
	}
	clients.Wait()
	b.active(0)
	if n := b.failures(); n != 0 {
		t.Errorf("%d failures", n)
	}
}

// askMirror sends one request, or two at a time, and wants its own answers, or
// leaves in the middle of one.
func askMirror(c net.Conn, r *bufio.Reader, rng *rand.Rand, target string) (keep bool, err error) {
	target += strings.Repeat("x", rng.IntN(3))
	body := strings.Repeat(target, rng.IntN(1<<rng.IntN(15)))
	requests := 1
	var wire strings.Builder
	switch rng.IntN(3) {
	case 0:
		requests, body = 2, ""
		wire.WriteString(strings.Repeat("GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n", 2))
	case 1:
		fmt.Fprintf(&wire, "PUT %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", target, len(body), body)
	default:
		fmt.Fprintf(&wire, "POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", target)
		writeChunks(&wire, strings.NewReader(body))
	}
	cut := wire.Len()
	leaves := rng.IntN(8) == 0
	if leaves {
		cut = rng.IntN(cut + 1)
	}
	if _, err := io.WriteString(c, wire.String()[:cut]); err != nil {
		return false, err
	}
	if leaves {
		if cut == wire.Len() {
			r.ReadByte()
		}
		return false, nil
	}
	for range requests {
		resp, err := nethttp.ReadResponse(r, nil)
		if err != nil {
			return false, err
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil {
			return false, err
		}
		if resp.StatusCode != 200 || string(got) != target+body {
			return false, fmt.Errorf("%d with %d bytes, %.40q, want %.40q", resp.StatusCode, len(got), got, target+body)
		}
		if resp.Close {
			return false, nil
		}
	}
	return true, nil
}
