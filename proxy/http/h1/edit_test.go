package h1_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

func TestDropLeavesOrderAndCaseOfTheRestAlone(t *testing.T) {
	const head = "POST /x HTTP/1.1\r\nHost: a\r\nACCEPT: b\r\nX-Gone: 1\r\nx-kept:  2 \r\nx-GONE: 3\r\n" +
		"Content-Length: 05\r\nX-Listed: 4\r\nConnection: x-listed\r\nX-Gone:\r\n\r\n"
	var r h1.Request
	if _, err := r.Parse([]byte(head), h1.Limits{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is as once
		r.Drop([]string{"x-gone", "x-listed", "x-none"})
	}
	got := string(r.AppendTo(nil, &h1.Forward{Add: []byte("X-Gone: new\r\nX-Listed: new\r\n"), TrustForwarded: true}))
	want := "POST /x HTTP/1.1\r\nHost: a\r\nACCEPT: b\r\nx-kept:  2 \r\nContent-Length: 5\r\n" +
		"X-Gone: new\r\nX-Listed: new\r\nX-Forwarded-Host: a\r\nVia: 1.1 spillway\r\n\r\n"
	if got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// Whatever is dropped, a message is framed as it was.
func TestDropDoesNotTouchFraming(t *testing.T) {
	names := []string{"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "via", "trailer", "x-forwarded-for"}
	for _, head := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nVia: 1.0 x\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\nTE: trailers\r\nX-Forwarded-For: b\r\n\r\n",
		"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nHost: a\r\n\r\n",
	} {
		var plain, dropped h1.Request
		for _, r := range []*h1.Request{&plain, &dropped} {
			if _, err := r.Parse([]byte(head), h1.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		dropped.Drop(names)
		if got, want := dropped.AppendTo(nil, &fuzzForward), plain.AppendTo(nil, &fuzzForward); !bytes.Equal(got, want) {
			t.Errorf("got\n%q\nwant\n%q", got, want)
		}
	}
	const head = "HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
	var r h1.Response
	if _, err := r.Parse([]byte(head), []byte("GET"), h1.Limits{}); err != nil {
		t.Fatal(err)
	}
	r.Drop(append(names, "x"))
	want := "HTTP/1.1 200 OK\r\nTrailer: A\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
	if got := string(r.AppendTo(nil, &h1.Reply{ClientMinor: 1, Add: []byte("A: b\r\n")})); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestAnswerHasALengthWhereOneIsAllowed(t *testing.T) {
	for _, tc := range []struct {
		a    h1.Answer
		want string
	}{
		{h1.Answer{Status: 301, Location: []byte("http://a/")}, "HTTP/1.1 301 Moved Permanently\r\nLocation: http://a/\r\nContent-Length: 0\r\n\r\n"},
		{h1.Answer{Status: 200, ContentType: "a/b", Length: 7, Add: []byte("A: b\r\n"), Close: true},
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nA: b\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"},
		{h1.Answer{Status: 204}, "HTTP/1.1 204 No Content\r\n\r\n"},
		{h1.Answer{Status: 205}, "HTTP/1.1 205 \r\nContent-Length: 0\r\n\r\n"},
		{h1.Answer{Status: 304}, "HTTP/1.1 304 Not Modified\r\n\r\n"},
		{h1.Answer{Status: 599}, "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"},
	} {
		if got := string(tc.a.AppendTo(nil)); got != tc.want {
			t.Errorf("got\n%q\nwant\n%q", got, tc.want)
		}
	}
}

var edited = []byte("X-Fuzz-Added: 1\r\nx-fuzz-added: 2\r\n")

// FuzzEdit checks that an edited head means what it did but for the fields
// edited: same framing, same connection, the other fields as without the edit.
func FuzzEdit(f *testing.F) {
	for _, c := range goodRequests {
		f.Add([]byte(c.head), "x-a")
		f.Add([]byte(c.head), "content-length")
	}
	for _, c := range goodResponses {
		f.Add([]byte(lines(c.head)), "server")
	}
	f.Add([]byte(browserRequest), "cookie")
	f.Add([]byte(typicalResponse), "date")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		if bytes.Contains(bytes.ToLower(data), []byte("x-fuzz-added")) {
			return // those would not be told from ours
		}
		name = strings.ToLower(name)
		if strings.HasPrefix(string(data), "HTTP/") {
			editedResponse(t, data, name)
		} else {
			editedRequest(t, data, name)
		}
	})
}

func editedRequest(t *testing.T, data []byte, name string) {
	t.Helper()
	var plain, edit, was, is h1.Request
	if n, _ := plain.Parse(data, h1.Limits{}); n == 0 {
		return
	}
	edit.Parse(data, h1.Limits{})
	edit.Drop([]string{name})
	forward := fuzzForward
	before := plain.AppendTo(nil, &forward)
	forward.Add = edited
	after := edit.AppendTo(nil, &forward)
	wide := h1.Limits{HeadBytes: 1 << 20, Fields: 1000}
	if n, err := was.Parse(before, wide); n != len(before) || err != nil {
		t.Fatalf("%d %v: %q", n, err, before)
	}
	if n, err := is.Parse(after, wide); n != len(after) || err != nil {
		t.Fatalf("we refuse what we wrote: %d of %d, %v: %q", n, len(after), err, after)
	}
	if meaning(&was) != meaning(&is) || was.ExpectContinue != is.ExpectContinue || string(was.Upgrade) != string(is.Upgrade) {
		t.Fatalf("%s became %s", meaning(&was), meaning(&is))
	}
	onlyEdited(t, was.Fields, is.Fields, name, ruledRequests)
}

func editedResponse(t *testing.T, data []byte, name string) {
	t.Helper()
	get := []byte("GET")
	var plain, edit, was, is h1.Response
	if n, _ := plain.Parse(data, get, h1.Limits{}); n == 0 {
		return
	}
	edit.Parse(data, get, h1.Limits{})
	edit.Drop([]string{name})
	before := plain.AppendTo(nil, &h1.Reply{ClientMinor: 1})
	after := edit.AppendTo(nil, &h1.Reply{ClientMinor: 1, Add: edited})
	wide := h1.Limits{HeadBytes: 1 << 20, Fields: 1000}
	if n, err := was.Parse(before, get, wide); n != len(before) || err != nil {
		t.Fatalf("%d %v: %q", n, err, before)
	}
	if n, err := is.Parse(after, get, wide); n != len(after) || err != nil {
		t.Fatalf("we refuse what we wrote: %d of %d, %v: %q", n, len(after), err, after)
	}
	if answer(&was) != answer(&is) || string(was.Upgrade) != string(is.Upgrade) {
		t.Fatalf("%s became %s", answer(&was), answer(&is))
	}
	onlyEdited(t, was.Fields, is.Fields, name, ruledResponses)
}

// onlyEdited checks that the fields are those from before in their order, without
// those of the name, unless it is ruled, and with those added.
func onlyEdited(t *testing.T, before, after []h1.Field, name string, ruled []string) {
	t.Helper()
	line := func(f h1.Field) string { return string(f.Name) + ": " + string(f.Value) }
	var want, got, added []string
	for _, f := range before {
		if !strings.EqualFold(string(f.Name), name) || slices.Contains(ruled, name) {
			want = append(want, line(f))
		}
	}
	for _, f := range after {
		if strings.EqualFold(string(f.Name), "X-Fuzz-Added") {
			added = append(added, line(f)+"\r\n")
		} else {
			got = append(got, line(f))
		}
	}
	if strings.Join(added, "") != string(edited) || !slices.Equal(got, want) {
		t.Fatalf("without %q: got %q and added %q, want %q", name, got, added, want)
	}
}

// The names that AppendTo has rules of its own for, whatever Drop says.
var (
	ruled          = []string{"content-length", "transfer-encoding", "connection", "upgrade", "te", "keep-alive", "proxy-connection", "http2-settings", "proxy-authenticate", "proxy-authorization"}
	ruledRequests  = append([]string{"host", "expect", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}, ruled...)
	ruledResponses = append([]string{"trailer"}, ruled...)
)
