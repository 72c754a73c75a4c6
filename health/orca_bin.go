package health

import (
	"bytes"
	"encoding/base64"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// readBase64 reads the field that gRPC calls binary: padded or not, as gRPC has it.
func (r *LoadReader) readBase64(text []byte, report *LoadReport) error {
	var buf [MaxLoadReport / 4 * 3]byte
	n, err := base64.RawStdEncoding.Decode(buf[:], bytes.TrimRight(text, "="))
	if err != nil {
		return errLoadBase64
	}
	return r.readBinary(buf[:n], report)
}

// The fields of xds.data.orca.v3.OrcaLoadReport that are read.
const (
	fieldCPU         = 1
	fieldMemory      = 2
	fieldRPS         = 6
	fieldEPS         = 7
	fieldNamed       = 8
	fieldApplication = 9
)

// readBinary reads the wire format. Where a field comes more than once the last
// one counts, and one of an unexpected type is unknown, as everywhere in protobuf.
func (r *LoadReader) readBinary(message []byte, report *LoadReport) error {
	var numbers [fieldApplication + 1]float64
	for len(message) > 0 {
		f, n := nextField(message)
		if n < 0 {
			return errLoadBinary
		}
		message = message[n:]
		switch {
		case f.isDouble && f.number < protowire.Number(len(numbers)):
			numbers[f.number] = f.double
		case f.isBytes && f.number == fieldNamed:
			if err := r.readEntry(f.bytes, report); err != nil {
				return err
			}
		}
	}
	for _, to := range [...]struct {
		field int
		value *float64
	}{{fieldCPU, &report.CPU}, {fieldMemory, &report.Memory}, {fieldRPS, &report.RPS}, {fieldEPS, &report.EPS}, {fieldApplication, &report.Application}} {
		number := numbers[to.field]
		if !isLoad(number) {
			return errLoadNumber
		}
		if number != 0 { // proto3 has no word for 0 that differs from none
			*to.value = number
		}
	}
	for i := range report.Named {
		if !isLoad(report.Named[i].Value) {
			return errLoadNumber
		}
	}
	return nil
}

// readEntry reads an entry of the map of named metrics.
func (r *LoadReader) readEntry(entry []byte, report *LoadReport) error {
	var name []byte
	var value float64
	for len(entry) > 0 {
		f, n := nextField(entry)
		if n < 0 {
			return errLoadBinary
		}
		entry = entry[n:]
		switch {
		case f.isBytes && f.number == 1:
			name = f.bytes
		case f.isDouble && f.number == 2:
			value = f.double
		}
	}
	if !utf8.Valid(name) {
		return errLoadBinary
	}
	i := r.wanted(name)
	if i < 0 {
		return nil
	}
	if m := report.named(r.named[i]); m != nil {
		m.Value = value
		return nil
	}
	report.Named = append(report.Named, NamedMetric{r.named[i], value})
	return nil
}

// A wireField is a field of a message: a double, bytes, or neither.
type wireField struct {
	number            protowire.Number
	isDouble, isBytes bool
	double            float64
	bytes             []byte
}

// nextField returns the first field and its size, which is below 0 if it is not
// one.
func nextField(message []byte) (f wireField, size int) {
	number, kind, n := consumeTag(message)
	if n < 0 {
		return f, n
	}
	message = message[n:]
	size = protowire.ConsumeFieldValue(number, kind, message)
	if size < 0 {
		return f, size
	}
	f.number = number
	switch kind {
	case protowire.Fixed64Type:
		bits, _ := protowire.ConsumeFixed64(message)
		f.isDouble, f.double = true, math.Float64frombits(bits)
	case protowire.BytesType:
		f.isBytes = true
		f.bytes, _ = protowire.ConsumeBytes(message)
	}
	return f, n + size
}

// consumeTag reads a field's tag and returns its size, which is below 0 if it is none:
// protowire lets numbers pass that no message may have.
func consumeTag(message []byte) (number protowire.Number, kind protowire.Type, size int) {
	number, kind, size = protowire.ConsumeTag(message)
	if number > protowire.MaxValidNumber {
		size = -1
	}
	return number, kind, size
}
