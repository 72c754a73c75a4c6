package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-lb/spillway/internal/testkit"
	"github.com/spillway-lb/spillway/proxy"
)

func record(path string) *proxy.Record {
	return &proxy.Record{
		Time:     time.Date(2026, 1, 2, 15, 4, 5, 6000, time.UTC),
		Listener: "in", Service: "web", Endpoint: "a",
		Client: netip.MustParseAddrPort("[2001:db8::1]:4711"), Protocol: "HTTP",
		Method: "GET", Host: "example.com", Path: path, Status: 200,
		BytesIn: 1, BytesOut: 2, Attempts: 3,
		Connect: time.Millisecond, First: 2 * time.Millisecond, Total: time.Second,
	}
}

func TestARecordIsALineOfJSON(t *testing.T) {
	want := `{"time":"2026-01-02T15:04:05.000006Z","listener":"in","service":"web","endpoint":"a",` +
		`"client":"[2001:db8::1]:4711","protocol":"HTTP","method":"GET","host":"example.com","path":"/","status":200,` +
		`"bytes_in":1,"bytes_out":2,"attempts":3,"connect":0.001000,"first_byte":0.002000,"total":1.000000,"cause":""}` + "\n"
	if got := string(record("/").AppendJSON(nil)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func FuzzARecordIsOneLineWhateverTheClientSends(f *testing.F) {
	f.Add("/\"\\\x00\n\r\x7f\xff\u2028")
	f.Fuzz(func(t *testing.T, path string) {
		b := record(path).AppendJSON(nil)
		if n := strings.Count(string(b), "\n"); n != 1 || b[len(b)-1] != '\n' {
			t.Fatalf("not one line: %q", b)
		}
		var got struct{ Path string }
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v: %q", err, b)
		}
		if want := string([]rune(path)); got.Path != want { // a bad byte is the replacement character
			t.Errorf("got %q, want %q", got.Path, want)
		}
	})
}

func TestRecordsAreWrittenTogetherAndWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := new(testkit.Buffer)
		l := proxy.NewAccessLog(to)
		stop := start(l.Run)
		l.Write(record("/1"))
		synctest.Wait()
		if got := to.String(); got != "" {
			t.Errorf("a lone record was written at once: %s", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := to.String(), string(record("/1").AppendJSON(nil)); got != want {
			t.Errorf("after a second: %q, want %q", got, want)
		}
		before := len(to.String())
		for range 1000 {
			l.Write(record("/many"))
		}
		synctest.Wait() // no time passes
		if got := len(to.String()) - before; got < 64<<10 {
			t.Errorf("%d bytes of many records written, want at least 64 KiB", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheAccessLogSaysHowManyRecordsAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := newFullPipe()
		l := proxy.NewAccessLog(to)
		stop := start(l.Run)
		const written = 50_000
		for range written {
			l.Write(record("/"))
		}
		dropped := l.Dropped()
		close(to.full)
		if err := stop(); err != nil {
			t.Error(err)
		}
		var records, missing uint64
		for line := range strings.Lines(to.String()) {
			var got struct {
				Time    time.Time
				Path    string
				Missing uint64 `json:"lines_dropped"`
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%v: %q", err, line)
			}
			if got.Time.IsZero() {
				t.Errorf("no time: %s", line)
			}
			if got.Path != "" {
				records++
			}
			missing += got.Missing
		}
		if missing != dropped || missing == 0 || records+missing != written {
			t.Errorf("%d records and %d said to be missing make not %d; %d counted", records, missing, written, dropped)
		}
	})
}

func TestRecordsOfManyGoroutinesStayWhole(t *testing.T) {
	to := new(testkit.Buffer)
	l := proxy.NewAccessLog(to)
	stop := start(l.Run)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 500 {
				l.Write(record(fmt.Sprintf("/%d/%d", i, n)))
			}
		})
	}
	wg.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(to.String()) {
		var got struct{ Path string }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		seen[got.Path] = true
	}
	if len(seen) != 8*500 {
		t.Errorf("%d records, want %d", len(seen), 8*500)
	}
}

func BenchmarkAccessLog(b *testing.B) {
	l := proxy.NewAccessLog(io.Discard)
	stop := start(l.Run)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := record("/index.html")
		for pb.Next() {
			l.Write(r)
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
	if err := stop(); err != nil {
		b.Fatal(err)
	}
}
