package simulate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// A Log is what an access log says of one service.
type Log struct {
	Start    time.Time     // when the first request began
	Duration time.Duration // until the last one has begun
	Requests Recording
	// Endpoints is how many requests each endpoint had, by ID.
	Endpoints map[string]uint64
	Others    int  // lines of other services
	Missing   int  // lines that the proxy had to drop
	Cut       bool // the last line is not whole, as if the log were still being written
}

// maxLine is longer than any line that a proxy writes.
const maxLine = 4 << 20

// ReadLog reads the lines of a service from an access log. They stand there in
// the order in which requests ended; here they are in the order in which they
// began. The error says which line is not one.
func ReadLog(r io.Reader, service string, c *Clients) (*Log, error) {
	l := &Log{Endpoints: make(map[string]uint64)}
	s := &lines{r: bufio.NewReaderSize(r, 1<<16)}
	for n := 1; ; n++ {
		b, whole, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		entry, err := parseLine(b)
		switch {
		case err != nil:
			l.Cut = !whole
		case entry.dropped > 0:
			l.Missing += entry.dropped
		case string(entry.service) != service:
			l.Others++
		default:
			err = l.add(&entry, c)
		}
		if err != nil && whole {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	l.sort()
	return l, nil
}

func (l *Log) add(e *line, c *Clients) error {
	if len(l.Requests) == 0 {
		l.Start = e.time
	}
	a := Arrival{At: e.time.Sub(l.Start), Took: e.took}
	if a.At.Abs() > maxDuration {
		return fmt.Errorf("its time is more than %v from the first one's", maxDuration)
	}
	a.Key, a.Keyed = c.Key(e.listener, e.client)
	l.Requests = append(l.Requests, a)
	if len(e.endpoint) > 0 {
		l.Endpoints[string(e.endpoint)]++
	}
	return nil
}

// sort brings the requests into the order in which they began, the first at 0.
func (l *Log) sort() {
	if len(l.Requests) == 0 {
		return
	}
	slices.SortStableFunc(l.Requests, func(a, b Arrival) int { return int(max(min(a.At-b.At, 1), -1)) })
	first := l.Requests[0].At
	for i := range l.Requests {
		l.Requests[i].At -= first
	}
	l.Start = l.Start.Add(first)
	l.Duration = (l.Requests[len(l.Requests)-1].At + time.Millisecond).Truncate(time.Millisecond)
}

// lines are those of a reader.
type lines struct {
	r    *bufio.Reader
	long []byte // a line that is longer than the reader's buffer
}

// next returns the next line, without its end if that is there: else it is not
// whole. The line is valid until the next call.
func (s *lines) next() (b []byte, whole bool, err error) {
	b, err = s.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		s.long = append(s.long[:0], b...)
		for err == bufio.ErrBufferFull && len(s.long) <= maxLine {
			b, err = s.r.ReadSlice('\n')
			s.long = append(s.long, b...)
		}
		b = s.long
	}
	switch {
	case len(b) > maxLine:
		return nil, false, errors.New("it is longer than 4 MiB")
	case err == io.EOF && len(b) > 0:
		return b, false, nil
	case err != nil:
		return nil, false, err
	}
	return b, true, nil
}
