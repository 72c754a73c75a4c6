package soak_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// send writes the request. With an expectation, the body waits for the word of
// receive.
func (p *plan) send(w io.Writer, goOn <-chan bool) error {
	r := p.rand(1)
	out := bufio.NewWriterSize(slowWriter{w, randomPace(r)}, 1<<(4+r.IntN(13)))
	fmt.Fprintf(out, "%s %s HTTP/1.%d\r\nHost: soak\r\n%s", p.method, p.target(), p.minor, p.header())
	switch {
	case p.last:
		io.WriteString(out, "Connection: close\r\n")
	case p.minor == 0 && p.id%2 == 0:
		io.WriteString(out, "Connection: keep-alive\r\n")
	}
	if p.padding > 0 {
		fmt.Fprintf(out, "X-Padding: %s\r\n", strings.Repeat("p", p.padding))
	}
	switch p.upload {
	case length:
		fmt.Fprintf(out, "Content-Length: %d\r\n", p.up)
	case chunked:
		io.WriteString(out, "Transfer-Encoding: chunked\r\n")
	}
	if p.expect {
		io.WriteString(out, "Expect: 100-continue\r\n")
	}
	io.WriteString(out, "\r\n")
	if p.expect {
		out.Flush()
		if !<-goOn {
			return nil
		}
	}
	switch p.upload {
	case length:
		requestText(p.id).write(out, 0, p.up) // out keeps its errors
	case chunked:
		writeChunks(out, r, requestText(p.id), p.up)
		io.WriteString(out, "0\r\n\r\n")
	}
	return out.Flush()
}

// A result is how an exchange went, for its client.
type result struct {
	outcome string // one of the below, or "502 connection_terminated"
	status  int
	why     string // in the proxy's own answers, the error of Proxy-Status
	keep    bool   // the connection can carry another
	wrong   error  // what must not be
}

const (
	asPlanned = "as planned"
	noAnswer  = "no answer"
	wasCut    = "cut"
)

// receive reads the response and compares it with the plan. goOn gets one word
// if the plan has an expectation.
func (p *plan) receive(in *bufio.Reader, goOn chan<- bool) result {
	resp, err := p.receiveHead(in, goOn)
	switch {
	case err == nil:
	case isCut(err):
		return result{outcome: noAnswer}
	default:
		return result{outcome: "wrong", wrong: err}
	}
	got := result{outcome: asPlanned, status: resp.StatusCode, keep: !resp.Close}
	if p.expect && p.fate == refused {
		got.keep = false // what was announced was not sent
	}
	if own := resp.Header.Get("Proxy-Status"); own != "" {
		got.keep = got.keep && !p.expect
		_, got.why, _ = strings.Cut(own, "error=")
		got.outcome = fmt.Sprintf("%d %s", resp.StatusCode, got.why)
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = p.compare(resp)
	}
	switch {
	case err == nil:
	case isCut(err):
		got.outcome, got.keep = wasCut, false
	default:
		got.wrong, got.keep = err, false
	}
	return got
}

// An earlyEnd is a body that ends in good order where it should not.
type earlyEnd struct{ have, want int }

func (e *earlyEnd) Error() string { return fmt.Sprintf("an end after %d of %d bytes", e.have, e.want) }

// A sending is the sender's part of a connection.
type sending struct {
	done   chan struct{}
	failed error // once done
}

func startSending(send func() error) *sending {
	s := &sending{done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.failed = send()
	}()
	return s
}

// ended waits for what must end soon.
func (s *sending) ended() bool {
	select {
	case <-s.done:
		return true
	case <-time.After(patience):
		return false
	}
}

// recognizeReset mends a result that the system has blurred: it tells of a reset
// only once, and if that was the sender then the receiver sees an end.
func (got *result) recognizeReset(s *sending) {
	var e *earlyEnd
	if errors.As(got.wrong, &e) && s.ended() && s.failed != nil {
		got.outcome, got.wrong = wasCut, nil
	}
}

// receiveHead reads the final head; interim ones must be the plan's, too.
func (p *plan) receiveHead(in *bufio.Reader, goOn chan<- bool) (*http.Response, error) {
	if p.expect {
		defer func() {
			select {
			case goOn <- false: // no 100 came
			default:
			}
		}()
	}
	for {
		resp, err := readResponse(in, p.method)
		if err != nil || resp.StatusCode/100 != 1 {
			return resp, err
		}
		switch {
		case !p.isMine(resp.Header):
			return nil, fmt.Errorf("a %d of another: %v", resp.StatusCode, resp.Header)
		case resp.StatusCode == 100 && p.expect:
			select {
			case goOn <- true:
			default:
				return nil, errors.New("a second 100 Continue")
			}
		case resp.StatusCode == 103 && p.hints > 0:
		default:
			return nil, fmt.Errorf("an unplanned %d", resp.StatusCode)
		}
	}
}

// readResponse is http.ReadResponse, but for a head that is cut: the error of
// that is the connection's, and not one about the half of a line.
func readResponse(in *bufio.Reader, method string) (*http.Response, error) {
	for n := 1; ; n = in.Buffered() + 1 {
		_, err := in.Peek(n)
		head, _ := in.Peek(in.Buffered())
		switch {
		case bytes.Contains(head, []byte("\r\n\r\n")), errors.Is(err, bufio.ErrBufferFull):
			return http.ReadResponse(in, &http.Request{Method: method})
		case err != nil:
			return nil, err
		}
	}
}

// compare reads the body of what claims to be the planned response.
func (p *plan) compare(resp *http.Response) error {
	if !p.isMine(resp.Header) {
		return fmt.Errorf("the response of another: %d %v", resp.StatusCode, resp.Header)
	}
	if resp.StatusCode != p.status {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	size := p.size
	if p.method == "HEAD" {
		size = 0
	}
	n, err := responseText(p.id).check(resp.Body, size)
	switch {
	case err != nil:
		return err
	case n < size:
		return &earlyEnd{n, size}
	case p.reply == chunked && p.minor == 1 && size > 0 && resp.Trailer.Get("X-Trailer") != fmt.Sprintf("%016x", p.id):
		return fmt.Errorf("trailers are %v", resp.Trailer)
	}
	return nil
}

// judge counts a result and says whether it may be so.
func (s *soak) judge(p *plan, got result) {
	if p.excuse != "" && (got.outcome == noAnswer || got.outcome == wasCut) {
		s.count("excused", p.excuse+": "+got.outcome)
		return
	}
	s.count(p.service+" "+p.fate, got.outcome)
	if p.must() {
		s.countOwed(got.outcome == asPlanned && got.wrong == nil)
	}
	switch {
	case errors.Is(got.wrong, os.ErrDeadlineExceeded):
		s.stuck("client: no end of the response to %v", p)
	case got.wrong != nil:
		s.wrong("client: %v, in the response to %v", got.wrong, p)
	case p.must() && got.outcome != asPlanned:
		s.wrong("client: %s, in place of the response to %v", got.outcome, p)
	case p.fails() && got.outcome == asPlanned:
		s.wrong("client: a whole response, which the endpoint never sent, to %v", p)
	case got.outcome == noAnswer && p.upload == none:
		s.wrong("client: no answer at all to %v", p)
	case got.why != "" && !p.mayBe(got.status, got.why):
		s.wrong("client: nothing excuses %s to %v", got.outcome, p)
	}
}

// ownRefusal matches what the proxy says of a request that it does not forward.
var ownRefusal = regexp.MustCompile(`(?s)^HTTP/1\.1 (400|408|414|431|501|505) .*\r\nProxy-Status: spillway; error=`)
