package soak_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
)

// A datagram is a question of a client or an answer to it. Both ends know every
// byte of both.
type datagram struct {
	id      uint64 // of the question: the client's number, and its own
	answers uint8  // how many there will be, or in an answer which one this is
	late    uint16 // milliseconds that they take
	size    uint16 // bytes of text in the question, and in each answer
	answer  bool
}

const datagramHeader = 4 + 8 + 1 + 2 + 2 + 1

// newDatagram makes up a question.
func newDatagram(r *rand.Rand, id uint64) datagram {
	d := datagram{id: id, answers: uint8(r.IntN(4)), size: uint16(r.IntN(1400))}
	switch r.IntN(40) {
	case 0:
		d.size = uint16(r.IntN(65507 - datagramHeader + 1))
	case 1, 2:
		d.late = uint16(r.IntN(2000))
	}
	return d
}

func (d datagram) text() text {
	if d.answer {
		return responseText(d.id + uint64(d.answers)<<56)
	}
	return requestText(d.id)
}

func (d datagram) bytes() []byte {
	b := []byte("soak")
	b = binary.BigEndian.AppendUint64(b, d.id)
	b = append(b, d.answers)
	b = binary.BigEndian.AppendUint16(b, d.late)
	b = binary.BigEndian.AppendUint16(b, d.size)
	b = append(b, 'q')
	if d.answer {
		b[len(b)-1] = 'a'
	}
	out := bytes.NewBuffer(b)
	d.text().write(out, 0, int(d.size))
	return out.Bytes()
}

// readDatagram is the inverse of bytes. An error means a wrong byte.
func readDatagram(b []byte) (datagram, error) {
	if len(b) < datagramHeader || string(b[:4]) != "soak" {
		return datagram{}, fmt.Errorf("%.80q is no datagram of ours", b)
	}
	d := datagram{
		id: binary.BigEndian.Uint64(b[4:]), answers: b[12],
		late: binary.BigEndian.Uint16(b[13:]), size: binary.BigEndian.Uint16(b[15:]), answer: b[17] == 'a',
	}
	have := &reading{text: d.text()}
	if _, err := have.Write(b[datagramHeader:]); err != nil {
		return d, err
	}
	if have.pos != int(d.size) {
		return d, errors.New("it was cut")
	}
	return d, nil
}

func (d datagram) String() string {
	return fmt.Sprintf("datagram %x (answer %t, %d answers after %d ms, %d bytes)", d.id, d.answer, d.answers, d.late, d.size)
}
