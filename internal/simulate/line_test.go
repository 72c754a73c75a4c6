package simulate

import (
	"encoding/json"
	"testing"
)

// What scan finds is what encoding/json finds, wherever scan is content.
func FuzzScanAgreesWithJSON(f *testing.F) {
	for _, s := range []string{
		`{"time":"2026-01-02T15:04:05.000006Z","listener":"in","service":"web","endpoint":"a","client":"[2001:db8::1]:4711","total":1.000000,"cause":""}`,
		`{"time":"t","path":"\"\\\u0000{},","service":"web","total":1}`,
		`{"total":null,"service":"w\u0065b"}`,
		`{"service":"a","service":"b"}`,
		"{\"service\":\"\x94\"}", `{"lines_dropped":7}`, `{}`, ` {"total":1} `, `{"total" : 1}`, `{"a":[1,2],"total":1}`, `{"a":{"total":2}}`, `[]`, `"`, `{"`, `{"total":1,}`, `{"total":"1"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fast, ok := scan([]byte(s))
		if !ok || !json.Valid([]byte(s)) {
			return
		}
		slow, ok := decode([]byte(s))
		if !ok {
			t.Fatalf("no object for encoding/json: %q", s)
		}
		for i := range fast {
			if string(fast[i]) != string(slow[i]) {
				t.Errorf("%s of %q: %q and %q", keyNames[i], s, fast[i], slow[i])
			}
		}
	})
}

func TestAWrittenLineTakesTheFastWay(t *testing.T) {
	for _, s := range []string{
		`{"time":"2026-01-02T15:04:05.000006Z","listener":"in","service":"web","endpoint":"a","client":"10.0.0.1:1","protocol":"HTTP","path":"/\"","status":200,"total":1.000000,"cause":""}` + "\n",
		`{"time":"2026-01-02T15:04:05.000000Z","lines_dropped":7}`,
	} {
		if _, ok := scan([]byte(s)); !ok {
			t.Error(s)
		}
	}
}

func BenchmarkParseLine(b *testing.B) {
	l := []byte(`{"time":"2026-01-02T15:04:05.000006Z","listener":"in","service":"web","endpoint":"10.0.0.1:8080","client":"10.1.2.3:4711",` +
		`"protocol":"HTTP","method":"GET","host":"example.com","path":"/some/path?with=query","status":200,` +
		`"bytes_in":0,"bytes_out":12345,"attempts":1,"connect":0.000000,"first_byte":0.002000,"total":0.003000,"cause":""}` + "\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseLine(l); err != nil {
			b.Fatal(err)
		}
	}
}
