package http_test

import (
	"fmt"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
)

func TestRequestReachesEndpointAndResponseClient(t *testing.T) {
	addr := endpoint(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.Host, " ", r.Header.Get("X-Forwarded-For")))
		w.Write(body)
	})
	b := start(t, []string{addr})
	for range 3 {
		resp, err := nethttp.Post("http://"+b.addr+"/a/b?c=%20", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "hello" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
		want := "POST /a/b?c=%20 " + b.addr + " 127.0.0.1"
		if got := resp.Header.Get("X-Seen"); got != want {
			t.Fatalf("endpoint saw %q, want %q", got, want)
		}
	}
	nethttp.DefaultClient.CloseIdleConnections()
}
