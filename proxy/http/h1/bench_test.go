package h1_test

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/spillway-lb/spillway/proxy/http/h1"
)

// smallRequest is the 113 bytes that a load generator sends.
const smallRequest = "GET /index.html HTTP/1.1\r\n" +
	"Host: 127.0.0.1:18080\r\n" +
	"User-Agent: h2load nghttp2/1.64.0\r\n" +
	"Accept: */*\r\n" +
	"X-Id: 12345678\r\n\r\n"

// browserRequest is the 750 bytes that Chrome sends with a few cookies.
const browserRequest = "GET /articles/2026/11/how-maglev-hashing-works?utm_source=feed&page=2 HTTP/1.1\r\n" +
	"Host: www.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: same-origin\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Referer: https://www.example.com/articles/\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-GB,en;q=0.9\r\n" +
	"Cookie: sid=8f14e45fceea167a5a36; theme=dark; _ga=GA1.2.183\r\n\r\n"

const typicalResponse = "HTTP/1.1 200 OK\r\n" +
	"Server: nginx/1.26.2\r\n" +
	"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\n" +
	"Content-Type: text/html; charset=utf-8\r\n" +
	"Content-Length: 1024\r\n" +
	"Last-Modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n" +
	"Connection: keep-alive\r\n" +
	"ETag: \"673db3a0-400\"\r\n" +
	"Cache-Control: max-age=60\r\n" +
	"Accept-Ranges: bytes\r\n\r\n"

var forward = h1.Forward{Client: []byte("192.0.2.17"), Proto: "http"}

func BenchmarkRequest(b *testing.B) {
	for _, c := range []struct{ name, head string }{{"113B", smallRequest}, {"750B", browserRequest}} {
		head := []byte(c.head)
		b.Run(c.name+"/h1", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(head)))
			var r h1.Request
			out := make([]byte, 0, 2048)
			for b.Loop() {
				if n, err := r.Parse(head, h1.Limits{}); n != len(head) || err != nil {
					b.Fatal(n, err)
				}
				out = r.AppendTo(out[:0], &forward)
			}
		})
		b.Run(c.name+"/fasthttp", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(head)))
			var h fasthttp.RequestHeader
			from := bytes.NewReader(head)
			br := bufio.NewReader(from)
			out := make([]byte, 0, 2048)
			for b.Loop() {
				from.Reset(head)
				br.Reset(from)
				if err := h.Read(br); err != nil {
					b.Fatal(err)
				}
				h.Add("X-Forwarded-For", "192.0.2.17")
				h.Add("Via", "1.1 spillway")
				out = append(out[:0], h.Header()...)
			}
		})
		b.Run(c.name+"/nethttp", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(head)))
			from := bytes.NewReader(head)
			br := bufio.NewReader(from)
			for b.Loop() {
				from.Reset(head)
				br.Reset(from)
				if _, err := http.ReadRequest(br); err != nil { // reading only: writing would add as much
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResponse(b *testing.B) {
	head := []byte(typicalResponse)
	get := []byte("GET")
	b.Run("h1", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(head)))
		var r h1.Response
		out := make([]byte, 0, 2048)
		for b.Loop() {
			if n, err := r.Parse(head, get, h1.Limits{}); n != len(head) || err != nil {
				b.Fatal(n, err)
			}
			out = r.AppendTo(out[:0], &h1.Reply{ClientMinor: 1})
		}
	})
	b.Run("fasthttp", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(head)))
		var h fasthttp.ResponseHeader
		from := bytes.NewReader(head)
		br := bufio.NewReader(from)
		out := make([]byte, 0, 2048)
		for b.Loop() {
			from.Reset(head)
			br.Reset(from)
			if err := h.Read(br); err != nil {
				b.Fatal(err)
			}
			out = append(out[:0], h.Header()...)
		}
	})
	b.Run("nethttp", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(head)))
		from := bytes.NewReader(head)
		br := bufio.NewReader(from)
		for b.Loop() {
			from.Reset(head)
			br.Reset(from)
			if _, err := http.ReadResponse(br, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkTrickle reads a head of 60 KiB byte by byte: the cost per byte must not
// depend on the size.
func BenchmarkTrickle(b *testing.B) {
	head := append([]byte("GET / HTTP/1.1\r\nHost: a\r\n"), bytes.Repeat([]byte("X-Padding: "+string(bytes.Repeat([]byte("y"), 500))+"\r\n"), 115)...)
	head = append(head, "\r\n"...)
	b.SetBytes(int64(len(head)))
	var r h1.Request
	for b.Loop() {
		for i := 1; i <= len(head); i++ {
			if n, err := r.Parse(head[:i], h1.Limits{}); err != nil || n > 0 && i < len(head) {
				b.Fatal(n, err)
			}
		}
	}
}

func BenchmarkBody(b *testing.B) {
	body := append(bytes.Repeat([]byte("400\r\n"+string(make([]byte, 1024))+"\r\n"), 16), "0\r\n\r\n"...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var f h1.Body
		f.Reset(h1.Chunked, 0)
		if n, err := f.Follow(body); n != len(body) || err != nil || !f.Done() {
			b.Fatal(n, err)
		}
	}
}
