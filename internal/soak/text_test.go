package soak_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
)

// block is what bodies are cut from. Its length is a prime, so that bytes which
// are off by a buffer, a page or a pipe never look right.
var block = func() []byte {
	b := make([]byte, 1<<20-3)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

// A text is a body of any length, which its name decides: first the name, then
// block over and over, from a place that the name decides.
type text struct {
	name  string
	begin int
}

// requestText and responseText are the two bodies of a plan.
func requestText(id uint64) text  { return newText(id, "q") }
func responseText(id uint64) text { return newText(id, "s") }

func newText(id uint64, side string) text {
	r := rand.New(rand.NewPCG(id, uint64(side[0])))
	return text{fmt.Sprintf("%016x%s", id, side), r.IntN(len(block))}
}

// at returns bytes of the text from pos on: at least one, at most n.
func (t text) at(pos, n int) []byte {
	if pos < len(t.name) {
		return []byte(t.name[pos:min(len(t.name), pos+n)])
	}
	from := (t.begin + pos - len(t.name)) % len(block)
	return block[from:min(len(block), from+n)]
}

// write writes the text's bytes from one place to another.
func (t text) write(w io.Writer, from, to int) error {
	for from < to {
		n, err := w.Write(t.at(from, to-from))
		if err != nil {
			return err
		}
		from += n
	}
	return nil
}

// A reading compares what is written to it with a text.
type reading struct {
	text
	pos int // how much was right
}

// Write implements io.Writer. Its error is a wrongByte.
func (r *reading) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		want := r.at(r.pos, len(p)-done)
		if got := p[done : done+len(want)]; !bytes.Equal(got, want) {
			return done, &wrongByte{r.pos + differ(got, want), got}
		}
		done += len(want)
		r.pos += len(want)
	}
	return done, nil
}

// differ returns where a and b first do.
func differ(a, b []byte) int {
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return i
}

// A wrongByte is what the whole program looks for.
type wrongByte struct {
	pos int
	got []byte
}

func (e *wrongByte) Error() string {
	return fmt.Sprintf("wrong byte at %d: %.80q", e.pos, e.got)
}

// check reads r to its end and compares. Surplus bytes are wrong bytes, too.
func (t text) check(r io.Reader, size int) (int, error) {
	have := &reading{text: t}
	_, err := io.Copy(have, r)
	if err == nil && have.pos > size {
		err = &wrongByte{size, []byte("surplus")}
	}
	return have.pos, err
}
