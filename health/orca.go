package health

import (
	"bytes"
	"errors"
	"strings"
)

// MaxLoadReport is how many bytes a report may have as a field, in whichever form.
const MaxLoadReport = 8 << 10

// A LoadForm is how a report is written in a field of an HTTP response.
type LoadForm uint8

// The forms.
const (
	NoLoadForm LoadForm = iota // it is a field of another kind
	LoadText                   // name=value or name:value, with commas between; or any of the forms, told by a prefix
	LoadJSON                   // an OrcaLoadReport in protobuf's JSON
	LoadBinary                 // an OrcaLoadReport in base64
)

// LoadFormOf says what a field of that name, in any case, holds of a report:
// nothing, unless it is endpoint-load-metrics, or that with -json or -bin behind
// it, or one of the three with x- before it.
func LoadFormOf(name []byte) LoadForm {
	const field = "endpoint-load-metrics"
	if len(name) < len(field) || len(name) > len("x-"+field+"-json") {
		return NoLoadForm // all but a few are dealt with
	}
	if name[0]|0x20 == 'x' && name[1] == '-' {
		name = name[2:]
	}
	if len(name) < len(field) || !foldEqual(name[:len(field)], field) {
		return NoLoadForm
	}
	switch suffix := name[len(field):]; {
	case len(suffix) == 0:
		return LoadText
	case foldEqual(suffix, "-json"):
		return LoadJSON
	case foldEqual(suffix, "-bin"):
		return LoadBinary
	}
	return NoLoadForm
}

// foldEqual reports whether b is lower but for the case of letters. lower has
// small letters and "-", and no byte of a field's name becomes one of those by
// |0x20 but the same letter's capital, and CR, which no name holds.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// A LoadReader reads the reports of endpoints. Of named metrics it keeps those
// that it was made for, so that reading allocates nothing once the report that it
// reads into has room for them. It never changes: any goroutine may use it.
type LoadReader struct{ named []string }

// NewLoadReader returns a reader that keeps those named metrics whose names, as
// LoadReport.Value takes them, are among metrics. Others need not be asked for.
func NewLoadReader(metrics ...string) *LoadReader {
	r := new(LoadReader)
	for _, m := range metrics {
		if name, ok := strings.CutPrefix(m, "orca.named_metrics."); ok {
			r.named = append(r.named, name)
		}
	}
	return r
}

// Read reads the value of a field into report, whose Named it reuses; nothing of
// value is kept. After an error, which is a constant and says what is wrong,
// nothing is reported.
//
// A report is refused as a whole: for a number that is none, is negative, infinite
// or above what a double holds, or has more than 32 characters; in text and JSON
// for a metric that there is no such, and for one that is there twice; and for its
// size, see MaxLoadReport. In binary the last of two counts, nobody looks at named
// metrics that are not wanted, and those with a name of their own that are 0 are
// not reported: it is how the wire format says so.
func (r *LoadReader) Read(form LoadForm, value []byte, report *LoadReport) error {
	report.clear()
	err := r.read(form, value, report)
	if err != nil {
		report.clear()
	}
	return err
}

func (r *LoadReader) read(form LoadForm, value []byte, report *LoadReport) error {
	if len(value) > MaxLoadReport {
		return errLoadSize
	}
	if form == LoadText {
		form, value = formOfValue(value)
	}
	switch form {
	case LoadText:
		return r.readText(value, report)
	case LoadJSON:
		return r.readJSON(value, report)
	case LoadBinary:
		return r.readBase64(value, report)
	}
	return errLoadForm
}

// formOfValue tells the forms that the newer field holds, and takes the prefix off.
// Without any it is the text of older senders.
func formOfValue(value []byte) (LoadForm, []byte) {
	for _, f := range [...]struct {
		prefix string
		form   LoadForm
	}{{"TEXT ", LoadText}, {"JSON ", LoadJSON}, {"BIN ", LoadBinary}} {
		if len(value) >= len(f.prefix) && string(value[:len(f.prefix)]) == f.prefix {
			return f.form, value[len(f.prefix):]
		}
	}
	return LoadText, value
}

// clear makes r report nothing, and keeps its memory.
func (r *LoadReport) clear() {
	named := r.Named[:0]
	*r = NoLoadReport()
	r.Named = named
}

// A loadError says what is wrong with a report. There is one for each wrong, for
// an endpoint may send as many bad reports as it answers requests.
type loadError string

func (e loadError) Error() string { return "health: load report: " + string(e) }

// Is makes each of them an ErrLoadReport.
func (e loadError) Is(target error) bool { return target == ErrLoadReport }

// ErrLoadReport is, by errors.Is, every error that says of a report that it is bad,
// and not that there is none.
var ErrLoadReport = errors.New("health: bad load report")

const (
	errLoadForm   loadError = "the field is not one of a report"
	errLoadSize   loadError = "it is too large"
	errLoadEmpty  loadError = "it is empty"
	errLoadPair   loadError = "a metric has no name or no value"
	errLoadName   loadError = "it has an unknown metric"
	errLoadTwice  loadError = "it has a metric twice"
	errLoadNumber loadError = "a value is not a number from 0 on"
	errLoadJSON   loadError = "it is not the JSON of an OrcaLoadReport"
	errLoadBase64 loadError = "it is not base64"
	errLoadBinary loadError = "it is not an OrcaLoadReport"
)

// readText reads the list that HTTP endpoints send. Empty members of a list are
// nothing (RFC 9110 §5.6.1.2), but something must be there.
func (r *LoadReader) readText(list []byte, report *LoadReport) error {
	empty := true
	for len(list) > 0 {
		var member []byte
		member, list, _ = bytes.Cut(list, comma)
		member = bytes.Trim(member, " \t")
		if len(member) == 0 {
			continue
		}
		empty = false
		at := bytes.IndexAny(member, "=:")
		if at <= 0 || at == len(member)-1 {
			return errLoadPair
		}
		number, err := loadNumber(bytes.Trim(member[at+1:], " \t"))
		if err != nil {
			return err
		}
		if err := r.note(report, bytes.Trim(member[:at], " \t"), number); err != nil {
			return err
		}
	}
	if empty {
		return errLoadEmpty
	}
	return nil
}

var comma = []byte(",")

// note notes a metric by its name in the text.
func (r *LoadReader) note(report *LoadReport, name []byte, value float64) error {
	if to := report.scalar(name); to != nil {
		return noteOnce(to, value)
	}
	const named = "named_metrics."
	if len(name) <= len(named) || string(name[:len(named)]) != named {
		return errLoadName
	}
	return r.noteNamed(report, name[len(named):], value)
}

// scalar is where the metric of that name goes; nil: there is none.
func (r *LoadReport) scalar(name []byte) *float64 {
	switch string(name) {
	case "cpu_utilization":
		return &r.CPU
	case "mem_utilization":
		return &r.Memory
	case "application_utilization":
		return &r.Application
	case "rps_fractional":
		return &r.RPS
	case "eps":
		return &r.EPS
	}
	return nil
}

func noteOnce(to *float64, value float64) error {
	if *to >= 0 {
		return errLoadTwice
	}
	*to = value
	return nil
}

// noteNamed notes a named metric, if it is wanted.
func (r *LoadReader) noteNamed(report *LoadReport, name []byte, value float64) error {
	i := r.wanted(name)
	if i < 0 {
		return nil
	}
	if report.named(r.named[i]) != nil {
		return errLoadTwice
	}
	report.Named = append(report.Named, NamedMetric{r.named[i], value})
	return nil
}

// wanted is the position of a name among those that are wanted, or -1.
func (r *LoadReader) wanted(name []byte) int {
	for i, want := range r.named {
		if string(name) == want {
			return i
		}
	}
	return -1
}

// named is the metric of that name in the report, or nil.
func (r *LoadReport) named(name string) *NamedMetric {
	for i := range r.Named {
		if r.Named[i].Name == name {
			return &r.Named[i]
		}
	}
	return nil
}
