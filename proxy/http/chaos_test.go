//go:build linux && faults

package http_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	nethttp "net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-lb/spillway/proxy"
	proxyhttp "github.com/spillway-lb/spillway/proxy/http"
	"github.com/spillway-lb/spillway/proxy/internal/sys"
)

// One in a hundred of the proxy's own calls fails as if something had broken,
// beside all that goes wrong in every run with the tag "faults". Clients and
// endpoints are net/http's, whose calls do not fail.
//
// What is promised then: a response that arrives whole belongs to its request,
// and what it says of the request's body is right; nothing hangs; and when all
// is over no lease, connection or descriptor is left.
func TestNoResponseIsWrongWhateverBreaks(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		defer sys.Harsh(0)
		b := d.start(t, []string{endpoint(t, digest), endpoint(t, digest), endpoint(t, digest)}, quiet,
			withSettings(func(s *proxyhttp.Settings) { s.ClientTimeout = time.Hour }),
			withService(func(s *proxy.Service) { s.Timeout = time.Hour }))
		sys.Harsh(100)
		var whole, cut atomic.Int64
		var clients sync.WaitGroup
		for n := range 16 {
			clients.Go(func() {
				c := chaosClient(b)
				defer c.CloseIdleConnections()
				dice := rand.New(rand.NewPCG(sys.FirstSeed, uint64(n)))
				for i := range 100 {
					switch err := ask(c, b.url("/"), fmt.Sprintf("%d-%d", n, i), dice); {
					case err == nil:
						whole.Add(1)
					case errors.Is(err, errWrong), os.IsTimeout(err):
						t.Error(err)
					default:
						cut.Add(1)
					}
				}
			})
		}
		clients.Wait()
		sys.Harsh(0)
		if whole.Load() == 0 || cut.Load() == 0 {
			t.Errorf("%d responses came whole, %d did not", whole.Load(), cut.Load())
		}
		t.Logf("%d responses came whole, %d did not", whole.Load(), cut.Load())
		b.active(0)
		b.stop() // waits for every connection; LeakCheck counts descriptors
	})
}

// digest answers with who asked, the checksum of what was sent, and as many
// bytes as are asked for.
func digest(w nethttp.ResponseWriter, r *nethttp.Request) {
	h := sha256.New()
	if _, err := io.Copy(h, r.Body); err != nil {
		panic(nethttp.ErrAbortHandler) // nobody is to take it for an answer
	}
	w.Header().Set("Id", r.Header.Get("Id"))
	w.Header().Set("Sum", hex.EncodeToString(h.Sum(nil)))
	var size int
	fmt.Sscan(r.Header.Get("Size"), &size)
	if r.Header.Get("Chunked") == "" {
		w.Header().Set("Content-Length", fmt.Sprint(size))
	}
	io.Copy(w, io.LimitReader(pattern(r.Header.Get("Id")), int64(size)))
}

// pattern is noise that is a request's own.
func pattern(id string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(id))) }

var errWrong = errors.New("a wrong response")

func ask(c *nethttp.Client, url, id string, dice *rand.Rand) error {
	size, send := dice.IntN(1<<dice.IntN(16)), dice.IntN(1<<dice.IntN(16))
	body := make([]byte, send)
	pattern("sent " + id).Read(body)
	req, err := nethttp.NewRequest("POST", url+id, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if dice.IntN(2) == 0 {
		req.ContentLength = -1 // chunked
	}
	if dice.IntN(2) == 0 {
		req.Header.Set("Chunked", "yes")
	}
	req.Header.Set("Id", id)
	req.Header.Set("Size", fmt.Sprint(size))
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 && resp.Header.Get("Id") == "" {
		return fmt.Errorf("the proxy says %s", resp.Status)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	want := make([]byte, size)
	pattern(id).Read(want)
	sum := sha256.Sum256(body)
	switch {
	case resp.StatusCode != 200 || resp.Header.Get("Id") != id:
		return fmt.Errorf("%w: %s asked, %d for %q came", errWrong, id, resp.StatusCode, resp.Header.Get("Id"))
	case resp.Header.Get("Sum") != hex.EncodeToString(sum[:]):
		return fmt.Errorf("%w: the endpoint saw another body of %s", errWrong, id)
	case !bytes.Equal(got, want):
		return fmt.Errorf("%w: %s got another body, of %d bytes, want %d", errWrong, id, len(got), size)
	}
	return nil
}

// chaosClient loses patience long before the proxy does: what outlasts it hangs.
func chaosClient(b *bench) *nethttp.Client {
	return &nethttp.Client{Timeout: 30 * time.Second, Transport: b.transport()}
}
