package netio

import (
	"bytes"
	"testing"
)

// However a stream is cut into reads, what is handed over ends with a record, or
// earlier; and all of it is handed over.
func FuzzRecordsAreHandedOverOneByOne(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 2, 'a', 'b', 23, 3, 3, 0, 1, 'c'}, []byte{3, 4, 100})
	f.Add([]byte{23, 3, 3, 0, 0, 23, 3, 3, 0, 1, 'x'}, []byte{1})
	f.Add([]byte{23, 3, 3, 0xff, 0xff, 'x'}, []byte{5, 1})
	f.Add([]byte{23, 3}, []byte{})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		ends := map[int]bool{len(stream): true} // where records end
		for at := 0; at+recordHeader <= len(stream); {
			at += recordHeader + int(stream[at+3])<<8 + int(stream[at+4])
			ends[at] = true
		}
		r, got, rest := new(records), []byte(nil), stream
		for i := 0; len(rest) > 0; i++ {
			ask := len(rest)
			if len(cuts) > 0 {
				ask = min(ask, 1+int(cuts[i%len(cuts)]))
			}
			n := r.within(rest[:ask])
			if n <= 0 || n > ask {
				t.Fatalf("%d of %d bytes handed over", n, ask)
			}
			before := len(got)
			got, rest = append(got, rest[:n]...), rest[n:]
			for at := before + 1; at < len(got); at++ {
				if ends[at] {
					t.Fatalf("one read has bytes from before and behind the end of a record at %d", at)
				}
			}
			if n < ask && !ends[len(got)] {
				t.Fatalf("a read ends at %d, where no record does", len(got))
			}
		}
		if !bytes.Equal(got, stream) {
			t.Error("something else was handed over")
		}
	})
}
