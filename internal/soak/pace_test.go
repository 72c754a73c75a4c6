package soak_test

import (
	"io"
	"math/rand/v2"
	"time"
)

// A pace is how somebody writes or reads: in what pieces, and how often there is
// a pause. The sum of its pauses is bounded, so nobody takes forever.
type pace struct {
	r      *rand.Rand
	tiny   int // so many bytes go in steps of at most 16
	piece  int // the most at once after that; 0: all
	pauses int // left
}

// randomPace is mostly fast.
func randomPace(r *rand.Rand) *pace {
	p := &pace{r: r}
	switch r.IntN(8) {
	case 0:
		p.tiny, p.piece, p.pauses = 1+r.IntN(2000), 64<<10, 40
	case 1:
		p.piece, p.pauses = 1+r.IntN(100<<10), 40
	case 2:
		p.pauses = 10
	}
	return p
}

// step says how many of n bytes are next.
func (p *pace) step(n int) int {
	if p.tiny > 0 {
		n = min(n, 1+p.r.IntN(16))
		p.tiny -= n
		return n
	}
	if p.piece > 0 {
		n = min(n, 1+p.r.IntN(p.piece))
	}
	return n
}

func (p *pace) pause() {
	if p.pauses > 0 && p.r.IntN(4) == 0 {
		p.pauses--
		time.Sleep(time.Duration(p.r.IntN(8000)) * time.Microsecond)
	}
}

// A slowWriter writes at a pace.
type slowWriter struct {
	io.Writer
	*pace
}

func (w slowWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := w.Writer.Write(p[done : done+w.step(len(p)-done)])
		done += n
		if err != nil {
			return done, err
		}
		w.pause()
	}
	return done, nil
}

// A slowReader reads at a pace.
type slowReader struct {
	io.Reader
	*pace
}

func (r slowReader) Read(p []byte) (int, error) {
	if len(p) > 0 {
		p = p[:r.step(len(p))]
	}
	r.pause()
	return r.Reader.Read(p)
}
