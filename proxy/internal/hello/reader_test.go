package hello_test

import (
	"bytes"
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spillway-lb/spillway/proxy/internal/hello"
)

func look(stream []byte) (hello.Hello, hello.State) {
	return new(hello.Reader).Look(stream)
}

func wantName(t *testing.T, stream []byte, name string) {
	t.Helper()
	h, state := look(stream)
	if state != hello.Found || string(h.ServerName) != name {
		t.Errorf("got %q, %v; want %q", h.ServerName, state, name)
	}
}

func wantState(t *testing.T, stream []byte, want hello.State) {
	t.Helper()
	if _, state := look(stream); state != want {
		t.Errorf("%.60q: got %v, want %v", stream, state, want)
	}
}

func TestClientsAreUnderstood(t *testing.T) {
	for what, c := range map[string]*tls.Config{
		"TLS 1.3, post-quantum key share": {ServerName: "a.example.com", MinVersion: tls.VersionTLS13},
		"TLS 1.2 at most":                 {ServerName: "a.example.com", MaxVersion: tls.VersionTLS12},
		"many protocols":                  {ServerName: "a.example.com", NextProtos: strings.Fields("h2 http/1.1 acme-tls/1")},
		"a long name":                     {ServerName: strings.Repeat("long.", 49) + "example"},
	} {
		t.Run(what, func(t *testing.T) {
			h, state := look(greeting(t, c))
			if state != hello.Found || string(h.ServerName) != c.ServerName {
				t.Errorf("got %q, %v", h.ServerName, state)
			}
			var protocols []string
			for p := range h.Protocols() {
				protocols = append(protocols, string(p))
			}
			if !slices.Equal(protocols, c.NextProtos) {
				t.Errorf("protocols %q, want %q", protocols, c.NextProtos)
			}
		})
	}
	wantName(t, greeting(t, &tls.Config{}), "")
}

// testdata has what other programs have sent, see the README there.
func TestGreetingsOfOtherProgramsAreUnderstood(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		stream, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { wantName(t, stream, "www.example.com") })
	}
}

func TestByteByByteAndInManyRecordsIsTheSame(t *testing.T) {
	whole := greeting(t, &tls.Config{ServerName: "a.example.com"})
	for _, size := range []int{1, 2, 3, 4, 5, 100, 1 << 14} {
		stream := records(whole[5:], size)
		wantName(t, stream, "a.example.com")
		wantName(t, append(stream, "and what follows"...), "a.example.com")
		var r hello.Reader
		for n := range len(stream) {
			if _, state := r.Look(stream[:n]); state != hello.More {
				t.Fatalf("records of %d: after %d of %d bytes: %v", size, n, len(stream), state)
			}
		}
		if h, state := r.Look(stream); state != hello.Found || string(h.ServerName) != "a.example.com" {
			t.Errorf("records of %d: got %q, %v", size, h.ServerName, state)
		}
	}
}

func TestHugeHellosAreReadUpToTheLimit(t *testing.T) {
	// fill makes a message that takes all of Max bytes, in whole records, and more.
	fill := func(more int) []byte {
		const records = 4
		size := hello.Max - records*5 + more
		bare := len(message(host("a.example.com"), padding(0)))
		return message(host("a.example.com"), padding(size-bare))
	}
	const all = 1 << 14
	whole := records(fill(0), all-5)
	if len(whole) != hello.Max {
		t.Fatalf("%d bytes", len(whole))
	}
	wantName(t, whole, "a.example.com")
	wantState(t, whole[:len(whole)-1], hello.More)
	wantState(t, records(fill(1), all-5), hello.TooLong)
	wantState(t, records(fill(1), all-5)[:hello.Max], hello.TooLong)
	// The message says so itself, before it is there.
	wantState(t, records([]byte{1, 0xff, 0xff, 0xff}, all), hello.TooLong)
	// Headers count: nobody is made to keep 390 KiB for a hello of 64.
	wantState(t, records(fill(0), 1), hello.TooLong)
}

func TestNamesAreAsTheClientWroteThem(t *testing.T) {
	for _, name := range []string{
		"a.example.com", "A.Example.COM", "a.example.com.", "192.0.2.1", "2001:db8::1", "[::1]", "localhost", "*",
		"b\xfccher.example", "bücher.example", "\x00", "a\x00.example.com", "a b", `"`, "..", ".",
		strings.Repeat("x", 16000),
	} {
		wantName(t, records(message(host(name)), 1<<14), name)
	}
}

func TestAHelloNeedNotHaveAName(t *testing.T) {
	for what, m := range map[string][]byte{
		"no extensions at all":           message(),
		"no extensions":                  message([]byte{}),
		"others":                         message(extension(0x0a0a, nil), padding(7), extension(0x1a1a, []byte{0})),
		"a name that is no host's":       message(serverNames("\x07urn:x")),
		"encrypted, without an outer":    message(extension(0xfe0d, make([]byte, 200))),
		"its bytes are in another place": message(extension(0xff00, host("a.example.com"))),
	} {
		h, state := look(records(m, 1<<14))
		if state != hello.Found || len(h.ServerName) != 0 {
			t.Errorf("%s: got %q, %v", what, h.ServerName, state)
		}
	}
	wantName(t, records(message(serverNames("\x07urn:x", "\x00a.example.com", "\x08y")), 1<<14), "a.example.com")
}

func TestWhatIsNotTLSIsToldByItsFirstBytes(t *testing.T) {
	for _, s := range []string{
		"G", "GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH_9.9\r\n", "PROXY TCP4 ", "\x00", "\x17\x03\x03", "\x15\x03\x01\x00\x02\x01\x00",
		"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", // SSL 2.0
		"\x16\x02", "\x16\x04\x01", "\x16G",
	} {
		wantState(t, []byte(s), hello.NotTLS)
	}
	for _, s := range []string{"", "\x16", "\x16\x03", "\x16\x03\xff\x00", "\x16\x03\x01\x40\x00"} {
		wantState(t, []byte(s), hello.More)
	}
}

func TestWhatIsNoHelloIsMalformed(t *testing.T) {
	good := message(host("a.example.com"), padding(40))
	one := records(good, 1<<14)
	for what, stream := range map[string][]byte{
		"an empty record":            {22, 3, 1, 0, 0},
		"a record of 16 KiB and one": {22, 3, 1, 0x40, 1},
		"a ServerHello":              records([]byte{2, 0, 0, 1, 0}, 1<<14),
		"an alert amidst":            append(records(good[:20], 1<<14), 21, 3, 1, 0, 2, 1, 0),
		"another version amidst":     append(records(good[:20], 1<<14), 22, 4),
		"an empty record amidst":     append(records(good[:20], 1<<14), 22, 3, 1, 0, 0),
		"an empty message":           records([]byte{1, 0, 0, 0}, 1<<14),
		"an empty list of names":     records(message(extension(0, []byte{0, 0})), 1<<14),
		"an empty extension":         records(message(extension(0, nil)), 1<<14),
		"an empty name":              records(message(host("")), 1<<14),
		"two host names":             records(message(serverNames("\x00a", "\x00b")), 1<<14),
		"two extensions":             records(message(host("a"), host("b")), 1<<14),
		"bytes after the list":       records(message(extension(0, append(host("a")[4:], 0))), 1<<14),
		"an empty protocol":          records(message(extension(16, []byte{0, 1, 0})), 1<<14),
		"protocols twice":            records(message(extension(16, []byte("\x00\x03\x02h2")), extension(16, []byte("\x00\x03\x02h2"))), 1<<14),
	} {
		t.Run(what, func(t *testing.T) { wantState(t, stream, hello.Malformed) })
	}
	// However it is cut short: the message ends with its length, and parts do not fit.
	for n := 1; n < len(good)-4; n++ {
		m := append([]byte{1, 0, byte(n >> 8), byte(n)}, good[4:4+n]...)
		_, state := look(records(m, 1<<14))
		if noExtensions := n == 2+32+1+2+6+2; (state == hello.Found) != noExtensions {
			t.Errorf("a message of %d bytes: %v", n, state)
		}
	}
	if !bytes.Contains(one, []byte("a.example.com")) {
		t.Fatal("the test says nothing")
	}
}

// A client with ECH shows the public name of its configuration, and hides the
// other.
func TestOfAnEncryptedHelloTheOuterNameIsRead(t *testing.T) {
	stream := greeting(t, &tls.Config{
		ServerName: "secret.example", MinVersion: tls.VersionTLS13,
		EncryptedClientHelloConfigList: echConfig(t, "public.example"),
	})
	wantName(t, stream, "public.example")
	if bytes.Contains(stream, []byte("secret")) {
		t.Error("the name is not hidden")
	}
}
